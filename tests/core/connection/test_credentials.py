import base64
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from flowmend.core.connection.credentials import (
    ApiKeyCredential,
    BasicCredential,
    Credential,
    MissingSecrets,
    OAuthCredential,
    credential_of,
    decode_credential,
    encode_credential,
    read_tokens,
    secret_parameters,
    secrets_of,
    sign_in_parts,
)
from flowmend.core.connector import ConnectionParameter, KeyPlacement, Location, SignInKind, SignInMethod
from flowmend.core.errors import SecretUnreadable

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
BASIC = SignInMethod(
    kind=SignInKind.BASIC,
    parameters=(ConnectionParameter(name="user"), ConnectionParameter(name="pw", is_secret=True)),
    user_parameter="user",
    password_parameter="pw",
)
KEYS = SignInMethod(
    kind=SignInKind.API_KEY,
    parameters=(
        ConnectionParameter(name="key", is_secret=True),
        ConnectionParameter(name="extra", is_secret=True, is_required=False),
        ConnectionParameter(name="host"),
    ),
    placements=(
        KeyPlacement(parameter="key", location=Location.HEADER, name="X-Key"),
        KeyPlacement(parameter="extra", location=Location.QUERY, name="extra"),
    ),
)
CREDENTIALS: list[Credential] = [
    BasicCredential(user="ada", password="s3cret"),
    ApiKeyCredential(values={"key": "s3cret"}),
    OAuthCredential(
        access_token="s3cret", refresh_token="s3cret2", issued_at=NOW, expires_at=NOW, scopes=("a",), account="ada"
    ),
]


@pytest.mark.parametrize("credential", CREDENTIALS, ids=lambda one: type(one).__name__)
def test_a_credential_survives_sealing_as_json_and_hides_itself(credential: Credential) -> None:
    sealed = msgspec.json.decode(msgspec.json.encode(encode_credential(credential)))
    assert decode_credential(sealed) == credential
    assert "s3cret" not in repr(credential)
    assert any("s3cret" in secret for secret in secrets_of(credential))


@pytest.mark.parametrize("value", [None, {}, {"kind": "other"}, {"kind": "basic"}, []])
def test_what_is_no_credential_is_unreadable(value: object) -> None:
    with pytest.raises(SecretUnreadable):
        decode_credential(value)


def test_a_forms_values_make_a_credential() -> None:
    assert credential_of(BASIC, {"user": "ada", "pw": "x"}) == BasicCredential(user="ada", password="x")
    assert credential_of(KEYS, {"key": "k", "host": "h"}) == ApiKeyCredential(values={"key": "k"})
    assert credential_of(BASIC, {"user": "ada"}) == MissingSecrets(names=("pw",))
    assert credential_of(KEYS, {}) == MissingSecrets(names=("key",))
    assert credential_of(SignInMethod(kind=SignInKind.NONE), {}) is None


def test_each_kind_signs_requests_its_way() -> None:
    basic = sign_in_parts(BASIC, CREDENTIALS[0])
    assert basic.headers == {"Authorization": "Basic " + base64.b64encode(b"ada:s3cret").decode()}
    keys = sign_in_parts(KEYS, ApiKeyCredential(values={"key": "k", "extra": "e"}))
    assert (keys.headers, keys.queries) == ({"X-Key": "k"}, {"extra": "e"})
    assert sign_in_parts(SignInMethod(kind=SignInKind.OAUTH2), CREDENTIALS[2]).headers == {
        "Authorization": "Bearer s3cret"
    }
    assert secret_parameters(BASIC, CREDENTIALS[0]) == {"user": "ada", "pw": "s3cret"}
    assert secret_parameters(KEYS, None) == {}


@pytest.mark.parametrize(
    ("lifetime", "left", "is_due"),
    [(3600, 301, False), (3600, 300, True), (60, 7, False), (60, 6, True), (60, -1, True)],
)
def test_a_token_is_due_before_it_expires(lifetime: int, left: int, is_due: bool) -> None:
    token = OAuthCredential(access_token="a", issued_at=NOW, expires_at=NOW + timedelta(seconds=lifetime))
    assert token.is_due(NOW + timedelta(seconds=lifetime - left)) is is_due


def test_a_token_without_expiry_is_never_due() -> None:
    assert not OAuthCredential(access_token="a", issued_at=NOW).is_due(NOW + timedelta(days=9999))


def test_what_a_refresh_leaves_out_stays() -> None:
    before = OAuthCredential(access_token="a", refresh_token="r", issued_at=NOW, scopes=("x",), account="ada")
    after = read_tokens({"access_token": "b", "expires_in": "3600"}, now=NOW, before=before)
    assert (after.access_token, after.refresh_token, after.scopes, after.account) == ("b", "r", ("x",), "ada")
    assert after.expires_at == NOW + timedelta(hours=1)
    rotated = read_tokens({"access_token": "b", "refresh_token": "r2", "scope": "y z"}, now=NOW, before=before)
    assert (rotated.refresh_token, rotated.scopes, rotated.expires_at) == ("r2", ("y", "z"), None)


def test_the_account_is_read_from_the_id_token() -> None:
    payload = base64.urlsafe_b64encode(b'{"preferred_username":"ada@example.com"}').rstrip(b"=").decode()
    assert read_tokens({"access_token": "a", "id_token": f"x.{payload}.y"}, now=NOW).account == "ada@example.com"


@pytest.mark.parametrize("token", ["", "a.b", "a.!!.c", "a.e30.c", 5, "a.W10.c"])
def test_an_id_token_that_does_not_read_names_nobody(token: object) -> None:
    assert read_tokens({"access_token": "a", "id_token": token}, now=NOW).account == ""


@pytest.mark.parametrize("lifetime", [None, "soon", -5, 0, {}, float("nan")])
def test_a_lifetime_that_does_not_read_is_unknown(lifetime: object) -> None:
    assert read_tokens({"access_token": "a", "expires_in": lifetime}, now=NOW).expires_at is None
