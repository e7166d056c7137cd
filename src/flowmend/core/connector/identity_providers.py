"""The providers a connector folder names in its `oAuthSettings`, and where each lets one sign in.

`aad` and `aadcertificate` are the Microsoft identity platform: tenants, scopes made of a v1 resource, no URLs given.
`facebook` and `docusign` are known by name. All others (`oauth2`, `oauth2generic`, …) give their URLs, or leave them to
`securityDefinitions`.
Source: learn.microsoft.com/entra/identity-platform/v2-protocols, …/v2-permissions-and-consent#the-default-scope
"""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from flowmend.core.connector.operation import OAuthSettings, TokenEndpointAuth
from flowmend.core.json_value import Json

_IN_BRACKETS = re.compile(r"[<>\[\]{}]")
_PLACEHOLDER = re.compile(
    r"[<>\[\]{}]|(?<![a-z])(?:dummy|please|enter|your|placeholder)(?![a-z])|^x+$|^client_?id$", re.IGNORECASE
)
_MICROSOFT = frozenset({"aad", "aadcertificate"})
_AZURE_LOGIN = "https://login.microsoftonline.com"
#: The same service under its first name, which issues tokens as the new one.
_OLD_AZURE_LOGIN = "https://login.windows.net"
_GRAPH = "https://graph.microsoft.com"
#: Where the author's own API was registered as the app itself; its bare scopes are Microsoft Graph's.
_OWN_API = "{clientid}"
_OF_OPENID = frozenset({"openid", "profile", "email", "offline_access"})

#: Providers known by name: authorization and token URL. What `securityDefinitions` says of these is often a leftover.
#: Source: developers.facebook.com/docs/facebook-login/guides/advanced/manual-flow, developers.docusign.com/platform/auth
_BY_NAME = {
    "facebook": ("https://www.facebook.com/dialog/oauth", "https://graph.facebook.com/oauth/access_token"),
    "docusign": ("https://account.docusign.com/oauth/auth", "https://account.docusign.com/oauth/token"),
}
#: Scopes these want joined otherwise than by a space.
_DELIMITERS = {"facebook": ","}
#: Without these, no refresh token comes: by the host of the sign-in page.
#: Source: developers.google.com/identity/protocols/oauth2/web-server, zoho.com/accounts/protocol/oauth,
#: developers.dropbox.com/oauth-guide
_FOR_A_REFRESH_TOKEN = {
    "accounts.google.com": (("access_type", "offline"), ("prompt", "consent")),
    "www.dropbox.com": (("token_access_type", "offline"),),
}
#: What `authorizationUrlQueryStringTemplate` repeats of the request itself.
_OUR_OWN = frozenset({
    "client_id", "response_type", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method",
})  # fmt: skip

#: What of a sign-in app a folder may ask for by a parameter of its own, lower case, and what we call it.
APP_PARAMETERS = {
    "token:clientid": "client_id",
    "token:clientsecret": "client_secret",
    "token:tenantid": "tenant",
    "token:clientcertificatesecret": "certificate",
    "token:clientcertificatepassword": "certificate_password",
}


def asks_for_itself(settings: Mapping[str, Json]) -> bool:
    """Whether the app signs in as itself, nobody being asked."""
    return _custom(settings).get("granttype", "").lower() in {"client_credentials", "managed_identity"}


def read_oauth_settings(
    settings: Mapping[str, Json], declared: Mapping[str, Json], security: Mapping[str, Json]
) -> OAuthSettings | None:
    """The provider's endpoints, or None where neither its name nor its settings say where they are.

    settings: `oAuthSettings`. declared: all connection parameters of the way to sign in. security: `securityDefinitions`.
    """
    provider = str(settings.get("identityProvider", "")).lower()
    custom = _custom(settings)
    app_parameters = {APP_PARAMETERS[name.lower()]: name for name in declared if name.lower() in APP_PARAMETERS}
    if provider in _MICROSOFT:
        return _microsoft(provider, settings, custom, app_parameters)
    flow = next((_mapping(node) for node in security.values() if _mapping(node).get("type") == "oauth2"), {})
    known = _BY_NAME.get(provider, ("", ""))
    authorization_url = (
        custom.get("authorizationurl")
        or custom.get("authorizationurltemplate")
        or known[0]
        or str(flow.get("authorizationUrl") or "")
    )
    token_url = custom.get("tokenurl") or custom.get("tokenurltemplate") or known[1] or str(flow.get("tokenUrl") or "")
    if not token_url or not (authorization_url or asks_for_itself(settings)):
        return None
    return OAuthSettings(
        identity_provider=provider,
        authorization_url=authorization_url,
        token_url=token_url,
        refresh_url=custom.get("refreshurl") or custom.get("refreshurltemplate") or token_url,
        scopes=tuple(str(scope) for scope in _list(settings.get("scopes")) if scope),
        scope_delimiter=custom.get("scopelistdelimiter") or _DELIMITERS.get(provider, " "),
        client_id=_known(settings.get("clientId")),
        resource=custom.get("resourceuri", ""),
        issuer=custom.get("issuer", ""),
        authorization_queries=_queries(custom, authorization_url),
        device_authorization_url=custom.get("deviceauthorizationurl", ""),
        revocation_url=custom.get("revocationurl", ""),
        token_endpoint_auth=_auth(custom),
        app_parameters=app_parameters,
        wants_certificate="certificate" in app_parameters,
        is_managed_identity=custom.get("granttype", "").lower() == "managed_identity",
    )


def _microsoft(
    provider: str, settings: Mapping[str, Json], custom: Mapping[str, str], app_parameters: Mapping[str, str]
) -> OAuthSettings:
    login = (custom.get("loginuri") or custom.get("loginuriaad") or _AZURE_LOGIN).rstrip("/")
    login = _AZURE_LOGIN if login.lower() == _OLD_AZURE_LOGIN else login
    base = f"{login}/{{tenantid}}/oauth2/v2.0"
    resource = custom.get("resourceuri", "")
    resource = _OWN_API if not resource or _IN_BRACKETS.search(resource) else resource
    by_itself = asks_for_itself(settings)
    return OAuthSettings(
        identity_provider=provider,
        authorization_url=f"{base}/authorize",
        token_url=f"{base}/token",
        refresh_url=f"{base}/token",
        scopes=(_default_scope(resource),) if by_itself else _microsoft_scopes(settings, resource),
        client_id=_known(settings.get("clientId")),
        resource=resource,
        tenant=custom.get("tenantid") or "common",
        issuer=f"{login}/{{tenantid}}/v2.0",
        device_authorization_url="" if by_itself else f"{base}/devicecode",
        app_parameters=app_parameters,
        wants_certificate=provider == "aadcertificate" or "certificate" in app_parameters,
        is_managed_identity=custom.get("granttype", "").lower() == "managed_identity",
    )


def _microsoft_scopes(settings: Mapping[str, Json], resource: str) -> tuple[str, ...]:
    """v2 scopes. Bare ones are permissions of the resource; of a v1 resource alone, all that were granted (`.default`)."""
    declared = [scope for given in _list(settings.get("scopes")) for scope in str(given).split()]
    asked = [_qualified(scope, resource) for scope in declared if scope.lower() != "client_credentials"]
    if all(scope in _OF_OPENID for scope in asked):
        asked.append(_default_scope(resource))
    return tuple(dict.fromkeys((*asked, "offline_access")))


def _qualified(scope: str, resource: str) -> str:
    is_whole = scope in _OF_OPENID or "/" in scope or resource.rstrip("/") in {_GRAPH, _OWN_API}
    return scope if is_whole else f"{resource.rstrip('/')}/{scope}"


def _default_scope(resource: str) -> str:
    return f"{resource.rstrip('/')}/.default"


def _queries(custom: Mapping[str, str], authorization_url: str) -> tuple[tuple[str, str], ...]:
    template = custom.get("authorizationurlquerystringtemplate", "").lstrip("?")
    fixed = [(name, value) for name, value in parse_qsl(template) if "{" not in value and name not in _OUR_OWN]
    host = (urlsplit(authorization_url).hostname or "") if "{" not in authorization_url.partition("/")[0] else ""
    return tuple({**dict(_FOR_A_REFRESH_TOKEN.get(host, ())), **dict(fixed)}.items())


def _auth(custom: Mapping[str, str]) -> TokenEndpointAuth:
    given = custom.get("tokenendpointauth", "")
    return TokenEndpointAuth.BASIC if given == TokenEndpointAuth.BASIC else TokenEndpointAuth.BODY


def _custom(settings: Mapping[str, Json]) -> dict[str, str]:
    """`customParameters` by name in lower case."""
    given = _mapping(settings.get("customParameters"))
    return {name.lower(): str(_mapping(node).get("value") or "") for name, node in given.items()}


def _known(client_id: Json) -> str:
    """The client id, "" where a placeholder stands in its place."""
    text = str(client_id or "")
    return "" if _PLACEHOLDER.search(text) else text


def _list(value: Json) -> list[Json]:
    return value if isinstance(value, list) else []


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}
