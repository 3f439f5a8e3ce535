"""How librdkafka is set up, and what is kept to itself."""

import logging
import sys

import pytest

from mainstem.connectors.kafka.options import KafkaSource
from mainstem.engines.embedded.stream.readers.kafka import client
from mainstem.errors import Place, SettingsError
from mainstem.settings.secret import Secret


def test_without_the_package_the_command_is_named(monkeypatch):
    """It is an extra."""
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(SettingsError) as missing:
        client.package(Place("p.py", 3))
    assert missing.value.finding.code == "PackageMissing"
    assert missing.value.finding.fix == "pip install 'mainstem[kafka]'"
    assert missing.value.finding.where == Place("p.py", 3)


def test_a_plain_connection(tmp_path):
    """Several brokers are one text."""
    found = client.connection(KafkaSource("t", ("a:1", "b:2")), tmp_path)
    assert found["bootstrap.servers"] == "a:1,b:2"
    assert found["security.protocol"] == "plaintext"
    assert not {name for name in found if name.startswith(("sasl", "ssl"))}


def test_a_guarded_connection(tmp_path, monkeypatch):
    """Secrets are resolved here, and relative files start at the project."""
    monkeypatch.setenv("TEST_PASSWORD", "canary-91c2")
    for name in ("ca.pem", "c.pem", "k.pem"):
        (tmp_path / name).touch()
    options = KafkaSource(
        "t", "a:1", mechanism="SCRAM-SHA-256", username="me", password=Secret(env="TEST_PASSWORD"),
        tls=True, tls_ca="ca.pem", tls_cert="c.pem", tls_key="k.pem",
        tls_key_password=Secret(env="TEST_PASSWORD"),
    )  # fmt: skip
    found = client.connection(options, tmp_path)
    assert {name: found[name] for name in found if name.startswith(("sasl", "ssl", "security"))} == {
        "security.protocol": "sasl_ssl", "sasl.mechanism": "SCRAM-SHA-256", "sasl.username": "me",
        "sasl.password": "canary-91c2", "ssl.key.password": "canary-91c2",
        "ssl.ca.location": str(tmp_path / "ca.pem"),
        "ssl.certificate.location": str(tmp_path / "c.pem"),
        "ssl.key.location": str(tmp_path / "k.pem"),
    }  # fmt: skip


def test_secrets_do_not_get_into_any_log(tmp_path, monkeypatch, caplog):
    """Also where the program has loggers of its own, which know nothing of masks."""
    monkeypatch.setenv("TEST_PASSWORD", "canary-91c2")
    Secret(env="TEST_PASSWORD").resolve()
    with caplog.at_level(logging.DEBUG, "mainstem"):
        client.Log("s").log(40, "%s: %s", "sasl.password", "canary-91c2")
        client.Log("s").log(20, "100% canary-91c2")
    assert "canary" not in caplog.text
    assert [record.getMessage() for record in caplog.records] == [
        "librdkafka: sasl.password: ***", "librdkafka: 100% ***",
    ]  # fmt: skip


def test_settings_that_librdkafka_does_not_take_are_an_error_of_ours():
    """Without the secret that may be in them."""
    from confluent_kafka import Consumer

    with pytest.raises(SettingsError) as refused:
        client.new(Consumer, {"group.id": "g", "no.such.setting": "1"}, Place("p.py", 1))
    assert refused.value.finding.code == "KafkaOptions"
