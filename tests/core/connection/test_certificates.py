"""Certificates as people have them, and the assertions signed with them."""

import base64
import json
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from flowmend.core.connection.app_assertion import client_assertion
from flowmend.core.connection.certificates import read_certificate
from flowmend.core.connection.credentials import CertificateCredential, credential_of, secrets_of, sign_in_parts
from flowmend.core.connection.key_derivation import most_rounds
from flowmend.core.connector import ConnectionParameter, SignInKind, SignInMethod
from flowmend.core.errors import AskedWrongly
from made_certificates import make

AUTHORITY = make("authority")
ADA = make("ada", signed_by=AUTHORITY)
RSA = make("app", rsa_key=True)
NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)


def _mangled(pem: str) -> st.SearchStrategy[str]:
    """The text with a piece of it replaced."""
    places = st.integers(min_value=0, max_value=len(pem))
    return st.tuples(places, places, st.text(max_size=5)).map(lambda cut: pem[: cut[0]] + cut[2] + pem[cut[1] :])


@pytest.mark.parametrize(
    ("case", "text", "password"),
    [
        ("PEM", ADA.pem, ""),
        ("the key first", ADA.key_pem + ADA.certificate_pem, ""),
        ("a password nobody needs", ADA.pem, "pw"),
        ("an encrypted key", ADA.encrypted_pem("pw"), "pw"),
        ("PFX", base64.b64encode(ADA.pfx("pw")).decode(), "pw"),
        ("PFX without a password", base64.b64encode(ADA.pfx("")).decode(), ""),
        ("PFX with the chain, in lines", base64.encodebytes(ADA.pfx("pw", AUTHORITY.certificate)).decode(), "pw"),
        ("the authority first", AUTHORITY.certificate_pem + ADA.pem, ""),
    ],
)
def test_a_certificate_is_read_with_its_key(case: str, text: str, password: str) -> None:
    read = read_certificate(text, password, target="pfx")
    assert read.subject == "CN=ada", case
    assert read.not_after == ADA.certificate.not_valid_after_utc
    assert read.certificate_pem.startswith(ADA.certificate_pem)
    assert read.key_pem == ADA.key_pem
    assert "PRIVATE" not in repr(read)


@pytest.mark.parametrize(
    ("case", "text", "password"),
    [
        ("nothing of the kind", "hello", ""),
        ("base64 of something else", base64.b64encode(b"hello").decode(), ""),
        ("no key", ADA.certificate_pem, ""),
        ("no certificate", ADA.key_pem, ""),
        ("another's key", ADA.certificate_pem + RSA.key_pem, ""),
        ("the wrong password", base64.b64encode(ADA.pfx("pw")).decode(), "other"),
        ("no password for an encrypted key", ADA.encrypted_pem("pw"), ""),
        ("a mangled key", ADA.certificate_pem + "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", ""),
        ("a lone surrogate", "\ud800", ""),
    ],
)
def test_what_cannot_be_used_is_refused_and_not_repeated(case: str, text: str, password: str) -> None:
    with pytest.raises(AskedWrongly) as refused:
        read_certificate(text, password, target="pfx")
    assert (refused.value.code, refused.value.target) == ("InvalidCertificate", "pfx"), case
    assert text not in refused.value.message


def _der(tag: int, *contents: bytes) -> bytes:
    content = b"".join(contents)
    return bytes([tag, 0x82]) + len(content).to_bytes(2) + content


_SALT, _ROUNDS = _der(0x04, b"saltsalt"), _der(0x02, (5_000_000).to_bytes(4))
_DERIVED = _der(0x30, _der(0x30, _SALT, _ROUNDS), _der(0x04, b"cipher"))
_IN_PIECES = b"\x24\x80" + _der(0x04, _DERIVED[:9]) + _der(0x04, _DERIVED[9:]) + b"\0\0"


@pytest.mark.parametrize(
    ("case", "encoded"),
    [
        ("plain", _DERIVED),
        ("inside a string", _der(0x30, _der(0x02, b"\3"), _der(0x04, _DERIVED))),
        ("no length said", b"\x30\x80" + _DERIVED + b"\0\0"),
        ("a string in pieces", _der(0x30, _IN_PIECES)),
        ("too deep", b"\x30\x80" * 100),
    ],
)
def test_a_file_that_asks_for_too_much_work_is_not_begun_with(case: str, encoded: bytes) -> None:
    text = base64.b64encode(encoded).decode()
    pem = f"{ADA.certificate_pem}-----BEGIN ENCRYPTED PRIVATE KEY-----\n{text}\n-----END ENCRYPTED PRIVATE KEY-----\n"
    for given_text in (text, pem):
        with pytest.raises(AskedWrongly) as refused:
            read_certificate(given_text, "pw", target="certificate")
        assert refused.value.code == "InvalidCertificate", case
        assert ("rounds" in refused.value.message) is (case != "too deep"), case


@given(st.binary(max_size=200))
def test_the_rounds_of_anything_are_counted_or_it_nests_too_deeply(encoded: bytes) -> None:
    try:
        assert most_rounds(encoded) >= 0
    except (ValueError, RecursionError):
        assert len(encoded) > 40


def test_a_form_gives_a_client_certificate() -> None:
    method = SignInMethod(
        kind=SignInKind.CLIENT_CERTIFICATE,
        parameters=(ConnectionParameter(name="pfx", is_secret=True),),
        certificate_parameter="pfx",
        password_parameter="password",
    )
    credential = credential_of(method, {"pfx": base64.b64encode(ADA.pfx("pw")).decode(), "password": "pw"})
    assert isinstance(credential, CertificateCredential)
    shown = sign_in_parts(method, credential).client_certificate
    assert shown is not None
    assert shown.key_pem == ADA.key_pem
    assert secrets_of(credential) == (ADA.key_pem,)
    assert "PRIVATE" not in repr(credential) + repr(shown)


def parts(assertion: str) -> tuple[dict[str, str], dict[str, str], bytes, bytes]:
    head, claims, signature = assertion.split(".")

    def decoded(text: str) -> bytes:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))

    return json.loads(decoded(head)), json.loads(decoded(claims)), f"{head}.{claims}".encode(), decoded(signature)


def credential(made: object) -> CertificateCredential:
    return CertificateCredential(
        certificate_pem=made.certificate_pem,  # type: ignore[attr-defined]
        key_pem=made.key_pem,  # type: ignore[attr-defined]
        subject="CN=app",
        not_after=NOW,
    )


@pytest.mark.parametrize(("is_entra", "algorithm"), [(True, "PS256"), (False, "RS256")])
def test_an_assertion_says_who_for_whom_and_when(is_entra: bool, algorithm: str) -> None:
    assertion = client_assertion(
        credential(RSA), "app", "https://id.example/token", now=NOW, jti="once", is_entra=is_entra
    )
    header, claims, signed, signature = parts(assertion)
    digest = base64.urlsafe_b64encode(RSA.certificate.fingerprint(hashes.SHA256())).rstrip(b"=").decode()
    assert (header["alg"], header["x5t#S256"]) == (algorithm, digest)
    assert claims == {
        "iss": "app", "sub": "app", "aud": "https://id.example/token", "jti": "once",
        "iat": int(NOW.timestamp()), "nbf": int(NOW.timestamp()) - 60, "exp": int(NOW.timestamp()) + 300,
    }  # fmt: skip
    key = RSA.key.public_key()
    assert isinstance(key, rsa.RSAPublicKey)
    pad = padding.PSS(padding.MGF1(hashes.SHA256()), 32) if is_entra else padding.PKCS1v15()
    key.verify(signature, signed, pad, hashes.SHA256())


def test_an_elliptic_key_signs_too() -> None:
    header, _, _, signature = parts(
        client_assertion(credential(ADA), "app", "https://id.example/t", now=NOW, jti="1", is_entra=False)
    )
    assert header["alg"] == "ES256"
    assert len(signature) == 64


@settings(deadline=None)  # an RSA key takes its time
@given(st.one_of(st.text(max_size=200), st.sampled_from([ADA.pem, RSA.pem]).flatmap(_mangled)), st.text(max_size=20))
def test_whatever_is_given_is_read_or_refused_plainly(text: str, password: str) -> None:
    said = ""
    try:
        read_certificate(text, password, target="pfx")
    except AskedWrongly as refused:
        said = refused.code
    assert said in {"", "InvalidCertificate"}
