"""Certificates with their keys, in the forms people have them: for what reads certificates, no server needed."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.hazmat.primitives.serialization.pkcs12 import serialize_key_and_certificates
from cryptography.x509.oid import NameOID


@dataclass(frozen=True, kw_only=True)
class Made:
    """A certificate with its key. pem: both, as one text."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

    @property
    def certificate_pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def key_pem(self) -> str:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()

    @property
    def pem(self) -> str:
        return self.certificate_pem + self.key_pem

    def encrypted_pem(self, password: str) -> str:
        encryption = BestAvailableEncryption(password.encode())
        return self.certificate_pem + self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption).decode()

    def pfx(self, password: str, *others: x509.Certificate) -> bytes:
        encryption = BestAvailableEncryption(password.encode()) if password else NoEncryption()
        return serialize_key_and_certificates(b"a", self.key, self.certificate, others or None, encryption)


def make(name: str, *, signed_by: Made | None = None, days: float = 30, rsa_key: bool = False) -> Made:
    """days: how long it is good from now; negative where it ran out already."""
    key = rsa.generate_private_key(65537, 2048) if rsa_key else ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signed_by.certificate.subject if signed_by else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=90))
        .not_valid_after(now + timedelta(days=days))
    )
    return Made(certificate=builder.sign(signed_by.key if signed_by else key, hashes.SHA256()), key=key)
