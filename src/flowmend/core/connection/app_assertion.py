"""How a sign-in app proves itself by its certificate: a JWT signed with the certificate's key.

Source: RFC 7523 §3; learn.microsoft.com/entra/identity-platform/certificate-credentials (PS256 with `x5t#S256`; older tenants
and other providers read RS256 with `x5t`, so both thumbprints are given).
"""

import base64
from datetime import datetime, timedelta

from flowmend.core.connection.credentials import CertificateCredential

_LIFETIME = timedelta(minutes=5)
_CLOCKS_DIFFER_BY = timedelta(minutes=1)


def client_assertion(
    certificate: CertificateCredential, client_id: str, audience: str, *, now: datetime, jti: str, is_entra: bool
) -> str:
    """The signed assertion for one request. audience: the token endpoint. jti: never used before.

    Errors: ValueError where the key is of a kind no assertion is signed with.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from joserfc import jwt
    from joserfc.jwk import ECKey, RSAKey

    leaf = x509.load_pem_x509_certificate(certificate.certificate_pem.encode())
    private = load_pem_private_key(certificate.key_pem.encode(), password=None)
    key: RSAKey | ECKey
    if isinstance(private, rsa.RSAPrivateKey):
        key = RSAKey.import_key(private)
    elif isinstance(private, ec.EllipticCurvePrivateKey) and isinstance(private.curve, ec.SECP256R1):
        key = ECKey.import_key(private)
    else:
        raise ValueError("An assertion is signed with an RSA key or one on the curve P-256.")  # noqa: TRY004  a key, of the wrong kind
    algorithm = "ES256" if isinstance(key, ECKey) else "PS256" if is_entra else "RS256"
    header = {
        "typ": "JWT",
        "alg": algorithm,
        "x5t": _text(leaf.fingerprint(hashes.SHA1())),  # noqa: S303  as the header is defined; nothing rests on it
        "x5t#S256": _text(leaf.fingerprint(hashes.SHA256())),
    }
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": audience,
        "jti": jti,
        "iat": int(now.timestamp()),
        "nbf": int((now - _CLOCKS_DIFFER_BY).timestamp()),
        "exp": int((now + _LIFETIME).timestamp()),
    }
    return jwt.encode(header, claims, key, algorithms=[algorithm])


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")
