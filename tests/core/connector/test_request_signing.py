"""Requests signed with a key instead of showing it."""

import base64
import hashlib
import hmac
from datetime import UTC, datetime

from flowmend.core.connector import HttpRequest, SignInKind, SignInMethod
from flowmend.core.connector.operation import ConnectionParameter
from flowmend.core.connector.request_signing import SHARED_KEY, signed

NOW = datetime(2026, 3, 2, 8, 30, tzinfo=UTC)
KEY = base64.b64encode(b"a key").decode()
METHOD = SignInMethod(
    kind=SignInKind.API_KEY,
    signature=SHARED_KEY,
    parameters=(ConnectionParameter(name="id"), ConnectionParameter(name="key", is_secret=True)),
)
REQUEST = HttpRequest(
    method="POST",
    url="https://w.example/api/logs?api-version=1",
    headers={"Content-Type": "application/json"},
    body=b"[1]",
)


def test_a_shared_key_signs_length_type_date_and_path() -> None:
    made = signed(REQUEST, METHOD, {"id": "w", "key": KEY}, NOW)
    date = "Mon, 02 Mar 2026 08:30:00 GMT"
    text = f"POST\n3\napplication/json\nx-ms-date:{date}\n/api/logs"
    proof = base64.b64encode(hmac.digest(b"a key", text.encode(), hashlib.sha256)).decode()
    assert made.headers["x-ms-date"] == date
    assert made.headers["Authorization"] == f"SharedKey w:{proof}"
    assert KEY not in str(made.headers)


def test_a_key_that_cannot_be_one_signs_nothing() -> None:
    assert signed(REQUEST, METHOD, {"id": "w", "key": "no base64!"}, NOW) is REQUEST
    assert signed(REQUEST, SignInMethod(kind=SignInKind.BASIC), {"id": "w", "key": KEY}, NOW) is REQUEST
