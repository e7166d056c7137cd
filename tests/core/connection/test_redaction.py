import base64
import json
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.connection.redaction import Redactor, redact
from flowmend.core.connector import HttpResponse

SECRETS = st.lists(st.text(min_size=1, max_size=12), min_size=1, max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(secrets=SECRETS, parts=st.lists(st.text(), max_size=5))
def test_no_secret_survives_in_a_text(secrets: list[str], parts: list[str]) -> None:
    text = secrets[0].join(["", *parts, ""])
    cleaned = redact(text, secrets)
    assert not any(secret in cleaned for secret in secrets)


@given(secrets=SECRETS, value=JSON)
def test_no_secret_survives_in_json(secrets: list[str], value: Any) -> None:
    cleaned = Redactor(secrets).json([value, secrets[-1], {secrets[0]: 1}])
    assert not any(secret in text for secret in secrets for text in _texts(cleaned))


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for key, item in value.items() for text in (*_texts(key), *_texts(item))]
    if isinstance(value, list):
        return [text for item in value for text in _texts(item)]
    return []


@given(secret=st.text(min_size=1), body=st.binary(), after=st.binary())
def test_no_secret_survives_in_the_bytes_of_an_answer(secret: str, body: bytes, after: bytes) -> None:
    raw = secret.encode("utf-8", "surrogatepass")
    answer = HttpResponse(status=200, headers={"x": f"a{secret}b"}, body=body + raw + after)
    cleaned = Redactor([secret]).answer(answer)
    assert raw not in cleaned.body
    assert secret not in cleaned.headers["x"]


SECRET = 'pä&ss"w/ö+d 1'
FORMS = {
    "plain": SECRET,
    "percent": quote(SECRET, safe=""),
    "percent, lower case": quote(SECRET, safe="").lower(),
    "form": quote(SECRET, safe="").replace("%20", "+"),
    "base64": base64.b64encode(SECRET.encode()).decode(),
    "json": json.dumps(SECRET, ensure_ascii=False)[1:-1],
    "html": SECRET.replace("&", "&amp;").replace('"', "&quot;"),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_secret_is_known_in_every_form(form: str) -> None:
    assert form not in Redactor([SECRET]).text(f"before {form} after")


FIELDS = [
    '{"error":"x","access_token":"abcdef"}',
    '{"Password" : "abcdef"}',
    "grant_type=refresh_token&refresh_token=abcdef&x=1",
    "Authorization: Bearer abcdef",
    "sent with Basic abcdefgh==",
    "https://x.example/?sig=abcdef&sp=1",
    '{"client_secret":"abc\\"abcdef"}',
    'cut off {"api_key":"abcdef',
]


@pytest.mark.parametrize("text", FIELDS)
def test_secret_looking_fields_are_removed_from_messages(text: str) -> None:
    assert "abcdef" not in redact(text)


@pytest.mark.parametrize(
    "text", ["Unexpected token < in JSON", "The password has expired.", "a basic plan", "token_expired"]
)
def test_words_about_secrets_stay(text: str) -> None:
    assert redact(text) == text


def test_a_number_that_is_the_secret_goes_too() -> None:
    assert Redactor(["12345"]).json({"pin": 12345, "n": 7}) == {"pin": "*sanitized*", "n": 7}


def test_a_value_without_secrets_is_the_same_object() -> None:
    value, answer = {"a": [1, "b"]}, HttpResponse(status=200, headers={}, body=b"x")
    redactor = Redactor(["secret"])
    assert redactor.json(value) is value
    assert redactor.answer(answer) is answer
    assert "secret" not in repr(redactor)
    assert msgspec.json.encode(value)
