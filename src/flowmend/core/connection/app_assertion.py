"""How a sign-in app proves itself by its certificate: a JWT signed with the certificate's key.

Source: RFC 7523 §3; learn.microsoft.com/entra/identity-platform/certificate-credentials (PS256 with `x5t#S256`; RS256 with
`x5t` is what older tenants and other providers read, so both thumbprints are given).
"""

import base64
from datetime import datetime, timedelta

import msgspec

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
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

    leaf = x509.load_pem_x509_certificate(certificate.certificate_pem.encode())
    key = serialization.load_pem_private_key(certificate.key_pem.encode(), password=None)
    header = {
        "typ": "JWT",
        "alg": "ES256" if isinstance(key, ec.EllipticCurvePrivateKey) else "PS256" if is_entra else "RS256",
        "x5t": _text(leaf.fingerprint(hashes.SHA1())),  # noqa: S303  the header's own definition, no security rests on it
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
    signed = f"{_text(msgspec.json.encode(header))}.{_text(msgspec.json.encode(claims))}"
    if isinstance(key, rsa.RSAPrivateKey):
        digest = hashes.SHA256()
        chosen = padding.PSS(padding.MGF1(digest), digest.digest_size) if is_entra else padding.PKCS1v15()
        signature = key.sign(signed.encode("ascii"), chosen, digest)
    elif isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        first, second = utils.decode_dss_signature(key.sign(signed.encode("ascii"), ec.ECDSA(hashes.SHA256())))
        signature = first.to_bytes(32, "big") + second.to_bytes(32, "big")  # RFC 7518 §3.4
    else:
        raise ValueError("An assertion is signed with an RSA key or one on the curve P-256.")  # noqa: TRY004  the key is what is wrong
    return f"{signed}.{_text(signature)}"


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode("ascii")
