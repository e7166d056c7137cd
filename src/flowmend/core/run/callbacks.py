"""The callback URL of a webhook action, as the engine and the journal know it.

The real URL holds a signature, and so a secret, and the address this Flowmend has today. Expressions get a stand-in
instead; whoever sends the call puts the real one in its place, so neither stands in a history.
"""

from collections.abc import Mapping
from urllib.parse import quote

import msgspec

from flowmend.core.json_value import Json
from flowmend.core.run.events import Call, ConnectorCall, FollowUp, HttpCall

#: Nothing answers here (RFC 2606), should a stand-in ever be sent unresolved.
_ORIGIN = "https://callback.flowmend.invalid"


def callback_path(run_name: str, action: str, repetition: tuple[int, ...]) -> str:
    """Where below its flow an action is called back: `runs/{r}/actions/{a}[/repetitions/000001-000000]/callback`."""
    place = f"runs/{run_name}/actions/{action}"
    if repetition:
        place += f"/repetitions/{'-'.join(f'{index:06d}' for index in repetition)}"
    return f"{place}/callback"


def callback_placeholder(run_name: str, action: str, repetition: tuple[int, ...]) -> str:
    """What `listCallbackUrl()` gives: stands for the real URL until the call is sent."""
    return f"{_ORIGIN}/{quote(callback_path(run_name, action, repetition))}"


def with_callback_url(value: Json, placeholder: str, url: str) -> Json:
    """A value with the stand-in replaced at any depth, also where an expression has percent-encoded it."""
    if isinstance(value, str):
        if _ORIGIN not in value and quote(_ORIGIN, safe="") not in value:
            return value
        return value.replace(placeholder, url).replace(quote(placeholder, safe=""), quote(url, safe=""))
    if isinstance(value, Mapping):
        return {key: with_callback_url(inner, placeholder, url) for key, inner in value.items()}
    if isinstance(value, list):
        return [with_callback_url(inner, placeholder, url) for inner in value]
    return value


def call_with_callback_url(call: Call, placeholder: str, url: str) -> Call:
    """The call as it is sent: the stand-in replaced wherever its request may hold it."""
    if isinstance(call, FollowUp):
        return msgspec.structs.replace(call, call=call_with_callback_url(call.call, placeholder, url))
    parts: tuple[str, ...] = ()
    if isinstance(call, HttpCall):
        parts = ("uri", "headers", "queries", "body")
    elif isinstance(call, ConnectorCall):
        parts = ("parameters", "path", "queries", "headers", "body", "notification_url")
    changes = {part: with_callback_url(getattr(call, part), placeholder, url) for part in parts}
    return msgspec.structs.replace(call, **changes)
