"""The Http action's inputs to a request (wdl.md §4, row Http).

Source: learn.microsoft.com/azure/connectors/connectors-native-http
"""

import base64
import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import quote, urlsplit

import msgspec

from flowmend.core.connector.building import NO_SIGN_IN, SignInParts
from flowmend.core.connector.draft import check_header
from flowmend.core.connector.request import HttpRequest, UnbuildableRequest
from flowmend.core.errors import ExpressionError
from flowmend.core.expression.content import encode_body
from flowmend.core.json_value import Json

_DROPPED = frozenset(
    {"allow", "cookie", "expires", "host", "last-modified", "origin", "set-cookie", "transfer-encoding"}
)
_KEPT_CONTENT_HEADERS = frozenset({"content-disposition", "content-encoding", "content-type"})
_URL_SAFE = "%/?:@!$&'()*+,;=-._~[]"
#: An address that is sent exactly as written: nothing in it to fold, encode or leave out.
_PLAIN_URL = re.compile(
    r"https?://[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[1-9][0-9]{0,3})?"
    r"/[\w%/:@!$&'()*+,;=.~-]*(?:\?[\w%/?:@!$&'()*+,;=.~-]+)?",
    re.ASCII,
)


def build_http_action(
    *,
    method: str,
    uri: str,
    headers: Mapping[str, Json],
    queries: Mapping[str, Json],
    body: Json,
    has_body: bool,
    authentication: Json,
    sign_in: SignInParts = NO_SIGN_IN,
) -> HttpRequest | UnbuildableRequest:
    """The request of an Http action's evaluated inputs; secrets of `authentication` go into its headers.

    sign_in: of a connection that signs in, with `authentication` None then.
    """
    url = called_url(uri, queries)
    if isinstance(url, UnbuildableRequest):
        return url
    if not method.isalpha():
        return UnbuildableRequest(code="InvalidMethod", message=f"'{method[:40]}' is not an HTTP method.")
    sent: dict[str, str] = {}
    for name, value in headers.items():
        if value is None or is_dropped(name):
            continue
        sent[name] = _header_text(value)
        refusal = check_header(name, sent[name])
        if refusal is not None:
            return refusal
    content: bytes | None = None
    if has_body and body is not None:
        try:
            content, content_type = encode_body(body)
        except ExpressionError as error:
            return UnbuildableRequest(code=error.code, message=error.message)
        _set_content_type(sent, content_type)
    authorization = _authorization(authentication)
    if isinstance(authorization, UnbuildableRequest):
        return authorization
    signed = {**sign_in.headers, **({"Authorization": authorization} if authorization is not None else {})}
    for name, value in signed.items():
        refusal = check_header(name, value)
        if refusal is not None:
            return UnbuildableRequest(code=refusal.code, message="The value of 'authentication' holds a line break.")
    if signed:
        given = {name.lower() for name in signed}
        sent = {name: value for name, value in sent.items() if name.lower() not in given} | signed
    certificate = sign_in.client_certificate
    return HttpRequest(method=method.upper(), url=url, headers=sent, body=content, client_certificate=certificate)


@lru_cache(maxsize=1024)
def is_dropped(name: str) -> bool:
    """Whether a request header is one the service drops in silence."""
    lower = name.lower()
    if lower.startswith("content-"):
        return lower not in _KEPT_CONTENT_HEADERS
    return lower in _DROPPED or lower.startswith("accept-")


def called_url(uri: str, queries: Mapping[str, Json]) -> str | UnbuildableRequest:
    """The address as it is sent: percent-encoded, without user information and fragment, `queries` for its own."""
    if not queries and _PLAIN_URL.fullmatch(uri):
        return uri
    text = uri.strip().partition("#")[0]
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
        port = parts.port
        if host and not host.isascii():
            host = host.encode("idna").decode("ascii")
    except ValueError:
        host, port = "", None
        parts = urlsplit("")
    if parts.scheme.lower() not in {"http", "https"} or not host or any(c in text for c in "\r\n\0"):
        return UnbuildableRequest(
            code="InvalidUri", message="The 'uri' of the action is not an absolute http or https URL."
        )
    authority = f"[{host}]" if ":" in host else quote(host, safe="-._~")
    if port is not None:
        authority += f":{port}"
    query = parts.query
    if queries:
        query = "&".join(
            f"{quote(name, safe='$')}={quote(_header_text(value), safe='')}"
            for name, value in queries.items()
            if value is not None
        )
    url = f"{parts.scheme.lower()}://{authority}{quote(parts.path, safe=_URL_SAFE) or '/'}"
    return f"{url}?{quote(query, safe=_URL_SAFE)}" if query else url


def _set_content_type(headers: dict[str, str], content_type: str | None) -> None:
    given = next((name for name in headers if name.lower() == "content-type"), None)
    if content_type is None:
        return
    if given is None:
        headers["Content-Type"] = content_type
    elif content_type.startswith("multipart/") and "boundary" not in headers[given].lower():
        headers[given] = content_type  # without its boundary the parts could not be found


def _authorization(authentication: Json) -> str | UnbuildableRequest | None:
    if authentication is None or authentication in ("", {}):
        return None
    if not isinstance(authentication, dict):
        return UnbuildableRequest(
            code="InvalidAuthentication", message="The 'authentication' of the action is no object."
        )
    kind = str(authentication.get("type", "")).lower()
    if kind == "none":
        return None
    if kind == "raw":
        return _header_text(authentication.get("value") or "") or None
    if kind == "basic":
        pair = f"{authentication.get('username') or ''}:{authentication.get('password') or ''}"
        return "Basic " + base64.b64encode(pair.encode()).decode("ascii")
    return UnbuildableRequest(
        code="MissingSignIn",
        message=f"Flowmend does not know the authentication type '{authentication.get('type')}'.",
    )


def _header_text(value: Json) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "True" if value else "False"
    return msgspec.json.encode(value).decode()
