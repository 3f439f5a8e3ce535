"""Keys and certificates for servers that are tried out on this machine, with nothing installed.

Neither openssl nor keytool nor the package cryptography is there on every machine, and what is
needed is little: one authority, and one certificate for 127.0.0.1. The curve is P-256. Computing in
Python takes no care to hide the key from somebody who measures time: these keys are for loopback, are
made anew for each server, and are nothing to protect anything else with.
"""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import secrets
import textwrap
from datetime import UTC, datetime, timedelta

from mainstem.record import record

# The curve P-256 (FIPS 186-4, D.1.2.3): y² = x³ - 3x + b over the prime field.
_PRIME = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_BASE = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
_Point = tuple[int, int] | None
_VALID = timedelta(days=30)


# --------------------------------------------------------------------------------------------------
# The curve
# --------------------------------------------------------------------------------------------------
def _add(left: _Point, right: _Point) -> _Point:
    if left is None or right is None:
        return right if left is None else left
    if left[0] == right[0]:
        if (left[1] + right[1]) % _PRIME == 0:
            return None
        slope = (3 * left[0] * left[0] - 3) * pow(2 * left[1], -1, _PRIME)
    else:
        slope = (right[1] - left[1]) * pow(right[0] - left[0], -1, _PRIME)
    x = (slope * slope - left[0] - right[0]) % _PRIME
    return x, (slope * (left[0] - x) - left[1]) % _PRIME


def _times(factor: int, point: _Point) -> tuple[int, int]:
    total: _Point = None
    while factor:
        if factor & 1:
            total = _add(total, point)
        point = _add(point, point)
        factor >>= 1
    if total is None:
        raise ArithmeticError("a multiple of the order of the curve")
    return total


@record
class Key:
    """A private key of the curve P-256.

    Parameters
    ----------
    secret : int
        The number that nobody else knows.
    """

    secret: int

    @classmethod
    def new(cls) -> Key:
        """Give a key that nobody has seen."""
        return cls(secrets.randbelow(_ORDER - 1) + 1)

    @property
    def point(self) -> bytes:
        """Give the public key: both coordinates, uncompressed."""
        x, y = _times(self.secret, _BASE)
        return b"\x04" + x.to_bytes(32, "big") + y.to_bytes(32, "big")

    def sign(self, data: bytes) -> bytes:
        """Give the ECDSA signature of the SHA-256 of `data`, as DER."""
        digest = int.from_bytes(hashlib.sha256(data).digest(), "big")
        r = s = 0
        while not (r and s):
            # Used twice, the number would give the key away.
            once = secrets.randbelow(_ORDER - 1) + 1
            r = _times(once, _BASE)[0] % _ORDER
            s = pow(once, -1, _ORDER) * (digest + r * self.secret) % _ORDER
        return _sequence(_integer(r), _integer(s))

    def to_pem(self) -> str:
        """Give the key as an unencrypted PKCS #8 file."""
        inner = _sequence(
            _integer(1), _der(0x04, self.secret.to_bytes(32, "big")),
            _der(0xA1, _bits(self.point)),
        )  # fmt: skip
        return _pem("PRIVATE KEY", _sequence(_integer(0), _EC_P256, _der(0x04, inner)))


# --------------------------------------------------------------------------------------------------
# DER: every value is a tag, a length and the bytes
# --------------------------------------------------------------------------------------------------
def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    size = (length.bit_length() + 7) // 8
    return bytes((tag, 0x80 | size)) + length.to_bytes(size, "big") + content


def _sequence(*parts: bytes) -> bytes:
    return _der(0x30, b"".join(parts))


def _integer(number: int) -> bytes:
    # One byte more than needed where the first bit would make it negative.
    return _der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _bits(content: bytes) -> bytes:
    return _der(0x03, b"\x00" + content)


def _object(dotted: str) -> bytes:
    first, second, *rest = (int(part) for part in dotted.split("."))
    content = bytes((first * 40 + second,))
    for part in rest:
        groups = [part & 0x7F]
        while part := part >> 7:
            groups.append(0x80 | part & 0x7F)
        content += bytes(reversed(groups))
    return _der(0x06, content)


def _pem(kind: str, content: bytes) -> str:
    lines = "\n".join(textwrap.wrap(base64.b64encode(content).decode("ascii"), 64))
    return f"-----BEGIN {kind}-----\n{lines}\n-----END {kind}-----\n"


_TRUE = _der(0x01, b"\xff")
_EC_P256 = _sequence(_object("1.2.840.10045.2.1"), _object("1.2.840.10045.3.1.7"))
_ECDSA_SHA256 = _sequence(_object("1.2.840.10045.4.3.2"))


# --------------------------------------------------------------------------------------------------
# Certificates
# --------------------------------------------------------------------------------------------------
@record
class Authority:
    """Who signs the certificates of one server.

    Parameters
    ----------
    key : Key
        Its key; made, used and forgotten.
    name : str
        What it is called in the certificates.
    """

    key: Key
    name: str = "mainstem dev"

    def certificate(self) -> str:
        """Give its own certificate, which clients are told to trust."""
        is_authority = _extension("2.5.29.19", _sequence(_TRUE), is_critical=True)
        # keyCertSign, bit 5.
        may_sign = _extension("2.5.29.15", _der(0x03, b"\x02\x04"), is_critical=True)
        return self._issued(self.name, self.key, is_authority + may_sign)

    def issue(self, name: str, key: Key, *, addresses: tuple[str, ...] = ("127.0.0.1",)) -> str:
        """Give a certificate for a server at these addresses, and at `localhost`."""
        names = _der(0x82, b"localhost") + b"".join(
            _der(0x87, ipaddress.ip_address(address).packed) for address in addresses
        )
        return self._issued(name, key, _extension("2.5.29.17", _der(0x30, names)))

    def _issued(self, name: str, key: Key, extensions: bytes) -> str:
        # A clock that is a little behind must not find a certificate of the future.
        begins = datetime.now(UTC) - timedelta(hours=1)
        body = _sequence(
            _der(0xA0, _integer(2)),
            _integer(secrets.randbits(63) | 1),
            _ECDSA_SHA256,
            _called(self.name),
            _sequence(_time(begins), _time(begins + _VALID)),
            _called(name),
            _sequence(_EC_P256, _bits(key.point)),
            _der(0xA3, _sequence(extensions + self._key_names(key))),
        )
        return _pem("CERTIFICATE", _sequence(body, _ECDSA_SHA256, _bits(self.key.sign(body))))

    def _key_names(self, key: Key) -> bytes:
        """Name both keys; newer versions of Python insist on it (RFC 5280, 4.2.1.1 and 4.2.1.2)."""
        own, issuer = (
            hashlib.sha1(k.point, usedforsecurity=False).digest() for k in (key, self.key)
        )
        subject = _extension("2.5.29.14", _der(0x04, own))
        return subject + _extension("2.5.29.35", _sequence(_der(0x80, issuer)))


def _extension(name: str, content: bytes, *, is_critical: bool = False) -> bytes:
    critical = _TRUE if is_critical else b""
    return _sequence(_object(name), critical, _der(0x04, content))


def _called(name: str) -> bytes:
    return _sequence(_der(0x31, _sequence(_object("2.5.4.3"), _der(0x0C, name.encode()))))


def _time(at: datetime) -> bytes:
    return _der(0x17, at.strftime("%y%m%d%H%M%SZ").encode("ascii"))
