"""The log says who asked for what, and nothing secret."""

import io
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flowmend.api.security.access_log import SecretFilter, log_request, without_secrets


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("GET /workflows/1/triggers/m/paths/invoke?sp=%2F&sv=1.0&sig=AbC-dEf_123", "AbC-dEf_123"),
        ("Authorization: Bearer fm_AbCdEf123456", "fm_AbCdEf123456"),
        ("authorization: basic YWRhOnNlY3JldA==", "YWRhOnNlY3JldA=="),
        ("/login?link=s3cr3tlink&x=1", "s3cr3tlink"),
        ("/oauth/callback?code=4%2Fabc&state=xyz123", "4%2Fabc"),
        ("/oauth/callback?code=4%2Fabc&state=xyz123", "xyz123"),
        ("POST refresh_token=rt-99 client_secret=cs-88", "cs-88"),
    ],
)
def test_secrets_are_starred_out(text: str, secret: str) -> None:
    assert secret not in without_secrets(text)
    assert "***" in without_secrets(text)


@given(st.text(alphabet="ABCDEFabcdef0123456789-_", min_size=8))
def test_no_signature_survives(signature: str) -> None:
    assert signature not in without_secrets(f"/x?sig={signature}&a=1")


def test_a_path_cannot_start_a_line_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="flowmend.access"):
        log_request(method="GET", path="/a\r\nforged line", status=404, milliseconds=1.0, caller="::1", request_id="r")
    assert "\n" not in caplog.messages[0]
    assert "\r" not in caplog.messages[0]


def test_the_filter_cleans_what_libraries_log() -> None:
    record = logging.LogRecord("any", logging.INFO, "f.py", 1, "asked %s", ("/x?sig=abcdefgh",), None)

    assert SecretFilter().filter(record)
    assert record.getMessage() == "asked /x?sig=***"


def test_a_traceback_quotes_no_signature() -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.addFilter(SecretFilter())
    try:
        int("/x?sig=abcdefgh")
    except ValueError:
        record = logging.LogRecord("any", logging.ERROR, "f.py", 1, "broke", (), sys.exc_info())
    handler.handle(record)

    assert "ValueError: invalid literal" in written.getvalue()
    assert "/x?sig=***" in written.getvalue()
    assert "abcdefgh" not in written.getvalue()
