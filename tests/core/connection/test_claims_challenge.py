import base64

import pytest

from flowmend.core.connection.claims_challenge import claims_in_header, claims_text

CLAIMS = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}'


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_the_claims_of_a_challenge_are_read(encode: object) -> None:
    text = encode(CLAIMS.encode()).decode()  # type: ignore[operator]
    header = f'Bearer realm="", error="insufficient_claims", claims="{text}", authorization_uri="https://x/y"'
    assert claims_in_header(header) == CLAIMS
    assert claims_in_header(header.replace("=", "", 0).replace(text, text.rstrip("="))) == CLAIMS


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Basic",
        'Bearer error="invalid_token"',
        'Bearer claims="%%%"',
        'Bearer claims="AAAA"',
        'Bearer claims="W10="',
    ],
)
def test_what_is_no_claims_challenge_asks_for_nothing(header: str) -> None:
    assert claims_in_header(header) == ""


@pytest.mark.parametrize("claims", [None, 3, "", "hello", "[]", "{", "{" * 5000])
def test_a_token_endpoint_that_asks_for_nothing(claims: object) -> None:
    assert claims_text(claims) == ""


def test_a_token_endpoint_that_asks_for_more() -> None:
    assert claims_text(CLAIMS) == CLAIMS
