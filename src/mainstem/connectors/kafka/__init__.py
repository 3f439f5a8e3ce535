"""Topics of Apache Kafka."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mainstem.connectors.kafka.options import KafkaSink, KafkaSource
from mainstem.connectors.spec import Connector
from mainstem.plan.nodes import Binding
from mainstem.settings.secret import Secret

CONNECTOR = Connector(
    "kafka", KafkaSource, KafkaSink, bounded=False, doc=__doc__,
    # Who moves a cluster or changes a certificate goes on with the same records.
    access=("servers", "mechanism", "username", "password", "tls", "tls_ca", "tls_cert", "tls_key",
            "tls_key_password", "schema_registry", "registry_username", "registry_password",
            "group", "timeout"),
)  # fmt: skip


def kafka(
    topic: str | Sequence[str] | None = None, *, servers: str | Sequence[str] | None = None,
    format: str | None = None, metadata: Mapping[str, str] | None = None,
    pattern: str | None = None, start: str | Mapping[str, int] | None = None,
    group: str | None = None, timeout: str | None = None, key: str | Sequence[str] | None = None,
    partitions: int | None = None, replication: int | None = None, compression: str | None = None,
    transactional_id: str | None = None, transaction_timeout: str | None = None,
    tokens: str | None = None, delimiter: str | None = None, null: str | None = None,
    mechanism: str | None = None, username: str | Secret | None = None,
    password: Secret | None = None, tls: bool | None = None, tls_ca: str | None = None,
    tls_cert: str | None = None, tls_key: str | None = None,
    tls_key_password: Secret | None = None, schema_registry: str | None = None,
    registry_username: str | Secret | None = None, registry_password: Secret | None = None,
) -> Binding:  # fmt: skip
    """Bind a source or a sink to a topic of Kafka.

    Nothing is connected here: options are checked by `Pipeline.check`.

    Parameters
    ----------
    topic : str or list of str
        The topic; of a source also several, or a pattern that begins with ``^``.
    servers : str or list of str, optional
        ``host:port`` of some brokers; usually in ``[defaults.kafka]`` of mainstem.toml.
    format : str, optional
        ``json`` (default), ``csv``, ``text``, ``bytes`` or ``avro``.
    metadata : dict, optional
        Columns that are no part of the value: ``{"sent": "timestamp", "card": "key"}``; the words
        are ``key``, ``headers``, ``partition``, ``timestamp``, of a source also ``topic`` and
        ``offset``.
    pattern : str, optional
        Sources: a regular expression over names of topics, in place of `topic`.
    start : str or dict, optional
        Sources: ``earliest`` (default), ``latest``, a timestamp, or offsets: ``{"0": 123}``.
    group : str, optional
        Sources: consumer group under which tools of Kafka see the progress.
    timeout : str, optional
        Sources: how long no broker may answer before the run ends; ``2 minutes`` when absent.
    key : str or list of str, optional
        Sinks: columns that make the key of a record, and stay in its value.
    partitions, replication : int, optional
        Sinks: of a topic that is made when it is not there.
    compression : str, optional
        Sinks: ``none`` (default), ``gzip``, ``snappy``, ``lz4`` or ``zstd``.
    transactional_id, transaction_timeout, tokens : str, optional
        Sinks: how transactions are named, how long one may stay open, where tokens are kept.
    delimiter, null : str, optional
        How CSV is spelled.
    mechanism, username, password : optional
        SASL; the password is a `Secret`.
    tls, tls_ca, tls_cert, tls_key, tls_key_password : optional
        Encrypted connections, and the files of certificates.
    schema_registry, registry_username, registry_password : optional
        Where the schemas of Avro are.

    Returns
    -------
    Binding
        For ``Pipeline.source(...)`` or ``sink=``.

    Examples
    --------
    >>> kafka("payments", format="json").as_dict()
    {'format': 'json', 'topic': 'payments'}
    """
    return Binding.of(
        "kafka", topic=topic, servers=servers, format=format, metadata=metadata, pattern=pattern,
        start=start, group=group, timeout=timeout, key=key, partitions=partitions, replication=replication,
        compression=compression, transactional_id=transactional_id,
        transaction_timeout=transaction_timeout, tokens=tokens, delimiter=delimiter, null=null,
        mechanism=mechanism, username=username, password=password, tls=tls, tls_ca=tls_ca,
        tls_cert=tls_cert, tls_key=tls_key, tls_key_password=tls_key_password,
        schema_registry=schema_registry, registry_username=registry_username,
        registry_password=registry_password,
    )  # fmt: skip
