"""Certificates with their keys, as people have them: PEM text, or a PFX (PKCS#12) file in base64.

Reading is a pure step; `cryptography` is imported on first use.
"""

import base64
import binascii
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from flowmend.core.connection.key_derivation import most_rounds
from flowmend.core.errors import AskedWrongly

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

#: Half a second's work; usual are 2,000 to 600,000.
_MOST_ROUNDS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadCertificate:
    """certificate_pem: the leaf, then what else of the chain was given. key_pem: PKCS#8, not encrypted.

    subject: as RFC 4514 writes it. not_after: aware, UTC.
    """

    certificate_pem: str
    key_pem: str = field(repr=False)
    subject: str
    not_after: datetime


def read_certificate(text: str, password: str, *, target: str) -> ReadCertificate:
    """The certificate and key of a text. password: of the PFX or of an encrypted key, "" for none. target: the
    parameter to blame.

    Errors: AskedWrongly `InvalidCertificate`, which never repeats the text.
    """
    key, chain = _from_pem(text, password, target) if "-----BEGIN" in text else _from_pfx(text, password, target)
    leaf = next((one for one in chain if _is_of(key, one)), None)
    if leaf is None:
        raise _refused("The key is not the certificate's own.", target)
    return ReadCertificate(
        certificate_pem="".join(_pem_of(one) for one in (leaf, *(one for one in chain if one is not leaf))),
        key_pem=_key_pem(key),
        subject=leaf.subject.rfc4514_string(),
        not_after=leaf.not_valid_after_utc,
    )


def _from_pem(text: str, password: str, target: str) -> "tuple[PrivateKeyTypes, list[x509.Certificate]]":
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    encoded = text.encode()
    try:
        chain = x509.load_pem_x509_certificates(encoded)
    except ValueError:
        raise _refused("The text holds no certificate (-----BEGIN CERTIFICATE-----).", target) from None
    blocks = encoded.split(b"-----BEGIN ")
    key_block = next((block for block in blocks if block.partition(b"-----")[0].endswith(b"PRIVATE KEY")), None)
    if key_block is None:
        raise _refused("The text holds a certificate but no private key (-----BEGIN PRIVATE KEY-----).", target)
    try:
        # A key that is not encrypted refuses a password, which people give all the same.
        is_encrypted = b"ENCRYPTED" in key_block
        lines = key_block.partition(b"-----")[2].partition(b"-----")[0].splitlines()
        _refuse_much_work(base64.b64decode(b"".join(line for line in lines if b":" not in line)), target)
        key = load_pem_private_key(b"-----BEGIN " + key_block, password.encode() if is_encrypted and password else None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _refused("The private key cannot be read; check its password.", target) from None
    return key, chain


def _from_pfx(text: str, password: str, target: str) -> "tuple[PrivateKeyTypes, list[x509.Certificate]]":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization.pkcs12 import load_key_and_certificates

    try:
        content = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise _refused("It is neither PEM text nor a PFX file in base64.", target) from None
    _refuse_much_work(content, target)
    try:
        key, leaf, others = load_key_and_certificates(content, password.encode() or None)
    except (ValueError, UnsupportedAlgorithm):
        raise _refused("The PFX file cannot be opened; check its password.", target) from None
    if key is None or leaf is None:
        raise _refused("The PFX file lacks the certificate or its private key.", target)
    return key, [leaf, *others]


def _refuse_much_work(encoded: bytes, target: str) -> None:
    try:
        is_too_much = most_rounds(encoded) > _MOST_ROUNDS
    except (ValueError, RecursionError):
        is_too_much = True
    if is_too_much:
        raise _refused(f"Its password is worked in by more than {_MOST_ROUNDS:,} rounds. Export it again.", target)


def _is_of(key: "PrivateKeyTypes", certificate: "x509.Certificate") -> bool:
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return _public_bytes(certificate.public_key()) == _public_bytes(key.public_key())
    except (ValueError, UnsupportedAlgorithm):  # a kind of key that nobody here knows
        return False


def _public_bytes(key: object) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    encoded: bytes = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)  # type: ignore[attr-defined]  # every kind of public key has it, their union type has not
    return encoded


def _pem_of(certificate: "x509.Certificate") -> str:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM).decode("ascii")


def _key_pem(key: "PrivateKeyTypes") -> str:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


def _refused(why: str, target: str) -> AskedWrongly:
    return AskedWrongly(f"The certificate cannot be used. {why}", code="InvalidCertificate", target=target)
