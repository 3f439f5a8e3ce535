"""Certificates made in Python hold for OpenSSL."""

import hashlib
import ssl

import pytest

from mainstem.dev.certificates import Authority, Key


def shake_hands(keystore: str, truststore: str, host: str) -> str:
    """Connect a client to a server in memory; give the cipher."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(keystore)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    # What newer versions of Python ask of every certificate.
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    client.load_verify_locations(truststore)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(back, there, server_hostname=host),
            server.wrap_bio(there, back, server_side=True)]  # fmt: skip
    for turn in range(8):
        try:
            ends[turn % 2].do_handshake()
        except ssl.SSLWantReadError:
            continue
    return ends[0].cipher()[0]


@pytest.fixture
def files(tmp_path):
    """Key and certificate of a server, and the certificate of who signed it."""
    authority, key = Authority(Key.new()), Key.new()
    (tmp_path / "server.pem").write_text(key.to_pem() + authority.issue("kafka", key))
    (tmp_path / "ca.pem").write_text(authority.certificate())
    return str(tmp_path / "server.pem"), str(tmp_path / "ca.pem")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_a_client_trusts_the_server_at_its_addresses(files, host):
    """Under the strictest checks."""
    assert shake_hands(*files, host)


def test_another_address_is_refused(files):
    """The certificate does not say it."""
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        shake_hands(*files, "example.org")


def test_another_authority_is_refused(files, tmp_path):
    """Same name, other key."""
    (tmp_path / "other.pem").write_text(Authority(Key.new()).certificate())

    with pytest.raises(ssl.SSLCertVerificationError):
        shake_hands(files[0], str(tmp_path / "other.pem"), "localhost")


def test_public_key_of_a_known_secret():
    """The vector for P-256 of RFC 6979, A.2.5."""
    key = Key(0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721)

    assert key.point.hex().upper() == (
        "04"
        "60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6"
        "7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299"
    )


@pytest.mark.parametrize("n_bytes", [1, 127, 128, 255, 256, 70_000])
def test_lengths_are_written_as_der_has_them(n_bytes):
    """Short, and with one, two and three bytes for the length."""
    from mainstem.dev.certificates import _der

    heads = {1: "0401", 127: "047f", 128: "048180", 255: "0481ff", 256: "04820100",
             70_000: "0483011170"}  # fmt: skip
    assert _der(4, b"x" * n_bytes)[:-n_bytes].hex() == heads[n_bytes]


def test_every_server_has_keys_of_its_own():
    """Nothing is fixed in the package."""
    found = {hashlib.sha256(Key.new().to_pem().encode()).digest() for _ in range(4)}

    assert len(found) == 4
