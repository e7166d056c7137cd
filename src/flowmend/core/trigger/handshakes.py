"""How services make sure that a callback URL is ours before they call it: what each asks, and what it wants to hear.

Each is a row of the table. Nothing of a service's own is needed to answer: what it sent is sent back.
Source: learn.microsoft.com/graph/change-notifications-delivery-webhooks (validationToken), docs.slack.dev/reference/events/url_verification,
developers.asana.com/docs/webhooks-guide (X-Hook-Secret), learn.microsoft.com/azure/event-grid/end-point-validation-event-grid-events-schema,
W3C WebSub §5.3 (hub.challenge)
"""

from collections.abc import Callable, Mapping

import msgspec

from flowmend.core.json_value import Json

_LONGEST_ECHO = 4_096
_VALIDATION_EVENT = "Microsoft.EventGrid.SubscriptionValidationEvent"


class HandshakeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What to answer with 200. body: text goes as text/plain."""

    headers: dict[str, str] = msgspec.field(default_factory=dict)
    body: Json = None


def answer_handshake(
    method: str, queries: Mapping[str, str], headers: Mapping[str, str], body: Json
) -> HandshakeAnswer | None:
    """The answer to a request that asks whether we are there; None for one that brings news. headers: by any case."""
    folded = {name.lower(): text for name, text in headers.items()}
    for recognise in _HANDSHAKES:
        answer = recognise(method.upper(), queries, folded, body)
        if answer is not None:
            return answer
    return None


def _by_query(name: str, only_method: str = "") -> "_Recognise":
    """A service that sends a token in the query and wants it back as text."""

    def recognise(
        method: str, queries: Mapping[str, str], _headers: Mapping[str, str], _body: Json
    ) -> HandshakeAnswer | None:
        if only_method and method != only_method:
            return None
        return _echo(queries.get(name))

    return recognise


def _slack(
    _method: str, _queries: Mapping[str, str], _headers: Mapping[str, str], body: Json
) -> HandshakeAnswer | None:
    is_asked = isinstance(body, Mapping) and body.get("type") == "url_verification"
    return _echo(body.get("challenge")) if is_asked else None


def _hook_secret(
    _method: str, _queries: Mapping[str, str], headers: Mapping[str, str], _body: Json
) -> HandshakeAnswer | None:
    secret = headers.get("x-hook-secret", "")
    return HandshakeAnswer(headers={"X-Hook-Secret": secret}) if secret and len(secret) <= _LONGEST_ECHO else None


def _event_grid(
    _method: str, _queries: Mapping[str, str], _headers: Mapping[str, str], body: Json
) -> HandshakeAnswer | None:
    first = body[0] if isinstance(body, list) and len(body) == 1 else None
    if not isinstance(first, Mapping) or first.get("eventType") != _VALIDATION_EVENT:
        return None
    told = first.get("data")
    code = told.get("validationCode") if isinstance(told, Mapping) else None
    return HandshakeAnswer(body={"validationResponse": code}) if isinstance(code, str) else None


def _cloud_events(
    method: str, _queries: Mapping[str, str], headers: Mapping[str, str], _body: Json
) -> HandshakeAnswer | None:
    origin = headers.get("webhook-request-origin", "")
    return HandshakeAnswer(headers={"WebHook-Allowed-Origin": origin}) if method == "OPTIONS" and origin else None


def _echo(text: Json) -> HandshakeAnswer | None:
    if not isinstance(text, str) or not text or len(text) > _LONGEST_ECHO:
        return None
    return HandshakeAnswer(headers={"Content-Type": "text/plain", "X-Content-Type-Options": "nosniff"}, body=text)


_Recognise = Callable[[str, Mapping[str, str], Mapping[str, str], Json], HandshakeAnswer | None]

_HANDSHAKES: tuple[_Recognise, ...] = (
    _by_query("validationToken"),
    _by_query("hub.challenge", "GET"),
    _by_query("challenge", "GET"),
    _slack,
    _hook_secret,
    _event_grid,
    _cloud_events,
)
