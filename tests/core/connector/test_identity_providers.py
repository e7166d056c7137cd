"""Providers named in a connector's `oAuthSettings`: where one signs in, what is asked for, and as whom."""

from typing import Any

import pytest

from flowmend.core.connector import SignInKind, SignInMethod, TokenEndpointAuth, read_connector

MINIMAL: dict[str, Any] = {
    "swagger": "2.0",
    "info": {"title": "X"},
    "host": "x.example.com",
    "schemes": ["https"],
    "paths": {"/me": {"get": {"operationId": "Me", "responses": {"200": {"description": "ok"}}}}},
}


def method(
    provider: str, *, scopes: list[str] | None = None, more: dict[str, Any] | None = None, **custom: str
) -> SignInMethod:
    settings = {
        "identityProvider": provider,
        "clientId": "<<your id>>",
        "scopes": scopes or [],
        "customParameters": {name: {"value": value} for name, value in custom.items()},
    }
    declared = {"token": {"type": "oauthSetting", "oAuthSettings": settings}, **(more or {})}
    reading = read_connector(MINIMAL, {"connectionParameters": declared}, connector_id="x")
    assert reading.connector is not None
    return reading.connector.sign_in[0]


@pytest.mark.parametrize(
    ("case", "resource", "scopes", "expected"),
    [
        ("a v1 resource alone", "https://api.example/", [], ("https://api.example/.default", "offline_access")),
        ("an id as resource", "11-22", [], ("11-22/.default", "offline_access")),
        ("bare permissions of a resource", "https://api.example", ["A.Read"], ("https://api.example/A.Read", "offline_access")),
        ("Graph's stay bare", "https://graph.microsoft.com", ["A.Read B.Read"], ("A.Read", "B.Read", "offline_access")),
        ("whole scopes stand", "https://api.example", ["api://x/P"], ("api://x/P", "offline_access")),
        ("the app is its own API", "<<put it here>>", [], ("{clientid}/.default", "offline_access")),
        ("what is no scope goes", "https://api.partnercenter.example", ["client_credentials"],
         ("https://api.partnercenter.example/.default", "offline_access")),
        ("who signs in, and the resource", "https://api.example", ["openid"],
         ("openid", "https://api.example/.default", "offline_access")),
    ],
)  # fmt: skip
def test_scopes_of_the_microsoft_identity_platform(
    case: str, resource: str, scopes: list[str], expected: tuple[str, ...]
) -> None:
    settings = method("aad", scopes=scopes, resourceUri=resource).oauth
    assert settings is not None, case
    assert settings.scopes == expected


def test_a_tenant_is_a_place_in_the_addresses() -> None:
    settings = method("aad", more={"token:TenantId": {"type": "string"}}, tenantId="contoso.example").oauth
    assert settings is not None
    assert settings.tenant == "contoso.example"
    assert settings.app_parameters == {"tenant": "token:TenantId"}
    assert settings.device_authorization_url == "https://login.microsoftonline.com/{tenantid}/oauth2/v2.0/devicecode"
    assert settings.issuer == "https://login.microsoftonline.com/{tenantid}/v2.0"


def test_a_service_principal_signs_in_as_itself() -> None:
    more = {
        "token:TenantId": {"type": "string"},
        "token:clientId": {"type": "string"},
        "token:clientSecret": {"type": "securestring"},
        "token:grantType": {"type": "string"},
    }
    found = method("aad", more=more, resourceUri="https://api.example", grantType="client_credentials")
    assert found.kind is SignInKind.CLIENT_CREDENTIALS
    assert found.oauth is not None
    assert found.oauth.scopes == ("https://api.example/.default",)
    assert found.oauth.app_parameters == {
        "tenant": "token:TenantId",
        "client_id": "token:clientId",
        "client_secret": "token:clientSecret",
    }
    assert [field.name for field in found.parameters] == ["token:TenantId", "token:clientId", "token:clientSecret"]


def test_a_certificate_proves_the_app() -> None:
    more = {"token:clientCertificateSecret": {"type": "clientCertificate"}}
    found = method("aadcertificate", more=more, resourceUri="https://api.example", grantType="client_credentials")
    assert found.oauth is not None
    assert found.oauth.wants_certificate
    assert found.secret_names == {"token:clientCertificateSecret"}


def test_a_certificate_without_a_provider_is_shown_to_the_server() -> None:
    declared = {"pfx": {"type": "clientCertificate"}, "password": {"type": "securestring"}}
    reading = read_connector(MINIMAL, {"connectionParameters": declared}, connector_id="x")
    assert reading.connector is not None
    found = reading.connector.sign_in[0]
    assert found.kind is SignInKind.CLIENT_CERTIFICATE
    assert (found.certificate_parameter, found.password_parameter) == ("pfx", "password")


def test_managed_identity_asks_for_nothing() -> None:
    found = method("aad", resourceUri="https://api.example", grantType="managed_identity")
    assert found.kind is SignInKind.CLIENT_CREDENTIALS
    assert found.oauth is not None
    assert found.oauth.is_managed_identity


@pytest.mark.parametrize(
    ("provider", "host"), [("facebook", "https://graph.facebook.com"), ("DocuSign", "https://account.docusign.com")]
)
def test_providers_known_by_name_need_no_addresses(provider: str, host: str) -> None:
    settings = method(provider, scopes=["a", "b"]).oauth
    assert settings is not None
    assert settings.token_url.startswith(host)


def test_what_makes_a_provider_give_a_refresh_token_is_asked_for() -> None:
    google = method(
        "oauth2", authorizationUrl="https://accounts.google.com/o/oauth2/auth", tokenUrl="https://oauth2.example/t"
    )
    assert google.oauth is not None
    assert dict(google.oauth.authorization_queries) == {"access_type": "offline", "prompt": "consent"}
    template = "?response_type=code&client_id={clientId}&scope={Scopes}&access_type=offline&prompt=login"
    other = method(
        "oauth2generic",
        authorizationUrlTemplate="https://id{Host}/a",
        tokenUrlTemplate="https://id{Host}/t",
        authorizationUrlQueryStringTemplate=template,
        tokenEndpointAuth="client_secret_basic",
    )
    assert other.oauth is not None
    assert dict(other.oauth.authorization_queries) == {"access_type": "offline", "prompt": "login"}
    assert other.oauth.token_endpoint_auth is TokenEndpointAuth.BASIC


@pytest.mark.parametrize(
    ("client_id", "is_known"),
    [("92a0e022-cc2e-43df-a843-86cc6e60dafb", True), ("microsoft.flow", True), ("Enter your client ID", False),
     ("YOUR_CLIENT_ID", False), ("CLIENTID", False), ("XXXXX", False), ("[DUMMY]", False), ("PLACEHOLDER_CLIENTID", False)],
)  # fmt: skip
def test_a_placeholder_is_no_client_id(client_id: str, is_known: bool) -> None:
    settings = {"identityProvider": "aad", "clientId": client_id, "scopes": []}
    declared = {"token": {"type": "oauthSetting", "oAuthSettings": settings}}
    reading = read_connector(MINIMAL, {"connectionParameters": declared}, connector_id="x")
    assert reading.connector is not None
    oauth = reading.connector.sign_in[0].oauth
    assert oauth is not None
    assert bool(oauth.client_id) is is_known
