"""What a provider says of itself, believed only where it speaks of the very pages that are used."""

import json
from typing import Any

import pytest

from flowmend.core.connection.provider_discovery import ProviderMetadata, discover_provider
from flowmend.core.connector import HttpResponse, TokenEndpointAuth, TransportFailure

AUTHORIZE, TOKEN = "https://id.example/realms/x/auth?prompt=login", "https://id.example/realms/x/token"
NOT_FOUND = HttpResponse(status=404, headers={}, body=b"")


def said(**more: Any) -> HttpResponse:
    document = {"issuer": "https://id.example/realms/x", "authorization_endpoint": "https://id.example/realms/x/auth"}
    return HttpResponse(status=200, headers={}, body=json.dumps(document | more).encode())


def discovered(answers: list[Any], authorization_url: str = AUTHORIZE) -> tuple[ProviderMetadata, list[str]]:
    steps = discover_provider(authorization_url, TOKEN)
    asked: list[str] = []
    answer: Any = None
    try:
        while True:
            request = next(steps) if answer is None else steps.send(answer)
            asked.append(request.url)
            assert not {"authorization", "cookie"} & {name.lower() for name in request.headers}
            answer = answers.pop(0) if answers else NOT_FOUND
    except StopIteration as end:
        return end.value, asked


def test_it_is_looked_for_at_the_origin_and_beside_the_page() -> None:
    metadata, asked = discovered([])
    assert metadata == ProviderMetadata()
    assert asked[0] == "https://id.example/.well-known/openid-configuration"
    assert "https://id.example/realms/x/.well-known/openid-configuration" in asked
    assert "https://id.example/.well-known/oauth-authorization-server/realms/x" in asked


def test_what_it_says_is_taken() -> None:
    answer = said(
        authorization_response_iss_parameter_supported=True,
        device_authorization_endpoint="https://id.example/device",
        revocation_endpoint="https://id.example/revoke",
        token_endpoint_auth_methods_supported=["client_secret_basic"],
    )
    metadata, asked = discovered([NOT_FOUND, answer])
    assert len(asked) == 2
    assert metadata == ProviderMetadata(
        issuer="https://id.example/realms/x",
        issuer_is_required=True,
        device_authorization_url="https://id.example/device",
        revocation_url="https://id.example/revoke",
        token_endpoint_auth=TokenEndpointAuth.BASIC,
    )


@pytest.mark.parametrize(
    "answer",
    [
        said(authorization_endpoint="https://id.example/other/auth"),
        HttpResponse(status=200, headers={}, body=b"<html>"),
        HttpResponse(status=200, headers={}, body=b"[]"),
        HttpResponse(status=302, headers={}, body=b""),
        TransportFailure(code="ConnectionReset", message="", was_sent=True),
    ],
)
def test_what_speaks_of_something_else_is_passed_over(answer: Any) -> None:
    metadata, asked = discovered([answer])
    assert metadata == ProviderMetadata()
    assert len(asked) > 1


def test_secrets_are_led_to_no_other_origin() -> None:
    metadata, _ = discovered(
        [said(device_authorization_endpoint="https://evil.example/d", revocation_endpoint="http://id.example/r")]
    )
    assert (metadata.device_authorization_url, metadata.revocation_url) == ("", "")
    assert metadata.issuer


def test_a_sign_in_of_an_app_alone_is_known_by_its_token_endpoint() -> None:
    metadata, _ = discovered([said(token_endpoint=TOKEN)], authorization_url="")
    assert metadata.issuer


@pytest.mark.parametrize("url", ["", "not an address", "ftp://x/y", "https:///"])
def test_an_address_that_is_none_is_not_asked(url: str) -> None:
    steps = discover_provider(url, "")
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value == ProviderMetadata()
