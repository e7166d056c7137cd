"""What a provider publishes of itself: its issuer, where codes for other devices and revocations are, how apps prove themselves.

Asked without any credential, beside the address of its sign-in page. What it says is believed only where it names
that very page as its own, and never about another origin than that of the token endpoint.
Source: RFC 8414 §3, OpenID Connect Discovery 1.0 §4, RFC 9207 §3.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from flowmend.core.connection.token_endpoint import Answer, answer_fields
from flowmend.core.connector import HttpRequest, HttpResponse, TokenEndpointAuth, origin_of
from flowmend.core.json_value import Json

_WELL_KNOWN = ("openid-configuration", "oauth-authorization-server")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderMetadata:
    """What was learnt; each "" or the usual where nothing was. issuer_is_required: every answer names the issuer."""

    issuer: str = ""
    issuer_is_required: bool = False
    device_authorization_url: str = ""
    revocation_url: str = ""
    token_endpoint_auth: TokenEndpointAuth = TokenEndpointAuth.BODY


def discover_provider(authorization_url: str, token_url: str) -> Generator[HttpRequest, Answer, ProviderMetadata]:
    """What the provider with these endpoints says of itself. Nothing learnt is no failure: most say nothing.

    authorization_url: "" where the app only signs in as itself.
    """
    known = authorization_url or token_url
    name = "authorization_endpoint" if authorization_url else "token_endpoint"
    for url in _places_to_look(known):
        answer = yield HttpRequest(
            method="GET", url=url, headers={"Accept": "application/json", "User-Agent": "flowmend"}
        )
        if not isinstance(answer, HttpResponse) or answer.status != 200:
            continue
        fields = answer_fields(answer)
        if _same_page(fields.get(name), known):
            return _metadata(fields, origin_of(token_url))
    return ProviderMetadata()


def _places_to_look(known_url: str) -> tuple[str, ...]:
    """At the origin, and before `/authorize`, where providers of several tenants or realms have them.

    The second form of RFC 8414 puts the path behind the well-known name; the first is OpenID Connect's.
    """
    origin = origin_of(known_url)
    if not origin:
        return ()
    pieces = [piece for piece in urlsplit(known_url).path.split("/") if piece][:-1]
    prefixes = ["", *("/" + "/".join(pieces[:count]) for count in range(len(pieces), 0, -1))][:4]
    found = [f"{origin}{prefix}/.well-known/{_WELL_KNOWN[0]}" for prefix in prefixes]
    found += [f"{origin}/.well-known/{_WELL_KNOWN[1]}{prefix}" for prefix in prefixes[:2]]
    return tuple(found)


def _same_page(said: Json, known: str) -> bool:
    return isinstance(said, str) and said.partition("?")[0].rstrip("/") == known.partition("?")[0].rstrip("/")


def _metadata(fields: Mapping[str, Json], token_origin: str) -> ProviderMetadata:
    methods = fields.get("token_endpoint_auth_methods_supported")
    only_basic = (
        isinstance(methods, list) and TokenEndpointAuth.BASIC in methods and TokenEndpointAuth.BODY not in methods
    )
    return ProviderMetadata(
        issuer=str(fields.get("issuer") or ""),
        issuer_is_required=fields.get("authorization_response_iss_parameter_supported") is True,
        device_authorization_url=_there(fields.get("device_authorization_endpoint"), token_origin),
        revocation_url=_there(fields.get("revocation_endpoint"), token_origin),
        token_endpoint_auth=TokenEndpointAuth.BASIC if only_basic else TokenEndpointAuth.BODY,
    )


def _there(url: Json, origin: str) -> str:
    return url if isinstance(url, str) and origin and origin_of(url) == origin else ""
