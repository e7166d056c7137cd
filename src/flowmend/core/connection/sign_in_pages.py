"""Signs that a service answered with its sign-in instead of data, and of scopes that were not granted."""

import re
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

_PASSWORD_FIELD = re.compile(r"<input[^>]{0,300}type\s*=\s*[\"']?password", re.IGNORECASE)
_SIGN_IN_TITLE = re.compile(r"<title>[^<]{0,80}\b(?:sign|log)[ -]?in\b", re.IGNORECASE)
_IDENTITY_PROVIDER = re.compile(
    r"login\.microsoftonline|login\.live\.com|accounts\.google\.com|\.okta(?:preview)?\.com|\.auth0\.com|onelogin\.com"
    r"|pingidentity|/oauth2?/|/authorize\b|/saml|samlrequest|/adfs/|/openid|/realms/[^/]+/protocol",
    re.IGNORECASE,
)
_SIGN_IN_PLACE = re.compile(r"log-?_?in\b|sign-?_?in\b|logon\b|authenticate\b|/sso\b|/session(?:s)?/new", re.IGNORECASE)


def signs_of_sign_in(status: int, headers: Mapping[str, str], body: str) -> Iterator[str]:
    """The signs, as codes that rules can name.

    `sign-in-page`: a page with a password field where data was asked for. `identity-provider-page`: such a page, or one
    that passes the browser on, of an identity provider. `sign-in-redirect`, `identity-provider-redirect`: sent there.
    `html-page`: any page. `scopes-not-granted`: the headers list scopes of which the token has none.
    """
    if 300 <= status < 400 and (location := headers.get("location", "")):
        place = urlsplit(location) if "[" not in location else None
        if _IDENTITY_PROVIDER.search(location):
            yield "identity-provider-redirect"
        elif place is not None and _SIGN_IN_PLACE.search(f"{place.netloc}{place.path}"):
            yield "sign-in-redirect"
    elif status in {200, 203} and "<" in body[:200] and "<html" in body.lower():
        is_titled = "<form" in body.lower() and _SIGN_IN_TITLE.search(body)
        if is_titled or _PASSWORD_FIELD.search(body) or "samlrequest" in body.lower():
            yield "identity-provider-page" if _IDENTITY_PROVIDER.search(body) else "sign-in-page"
    if "<html" in body[:2000].lower():
        yield "html-page"
    if status in {403, 404} and (accepted := _scopes(headers.get("x-accepted-oauth-scopes", ""))):
        granted = headers.get("x-oauth-scopes")
        if granted is not None and not accepted & _scopes(granted):
            yield "scopes-not-granted"


def _scopes(header: str) -> set[str]:
    return {one.strip() for one in header.split(",") if one.strip()}
