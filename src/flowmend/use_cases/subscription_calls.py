"""The calls of a subscription as they are kept: sealed, for they hold the callback URL and may hold what signs in."""

from collections.abc import Mapping
from typing import Any

import msgspec

from flowmend.core.json_value import Json
from flowmend.core.run import Call, ConnectorCall, FollowUp, HttpCall
from flowmend.vault import Binding, Vault


class SubscriptionCalls(msgspec.Struct, frozen=True, kw_only=True):
    """begin: None once it is over with. end, renew: None where there is none, or none is known yet.

    callback: the URL the service calls. mappings: {connection reference: connection id} as when it was begun.
    is_uncertain: the request to begin was sent, and whether it was carried out is not known.
    """

    callback: str
    mappings: dict[str, str]
    begin: Call
    end: Call | None = None
    renew: Call | None = None
    is_uncertain: bool = False


def seal_calls(calls: SubscriptionCalls, subscription_id: str, vault: Vault) -> bytes:
    kept = {
        "callback": calls.callback,
        "mappings": calls.mappings,
        "begin": _written(calls.begin),
        "end": _written(calls.end),
        "renew": _written(calls.renew),
        "is_uncertain": calls.is_uncertain,
    }
    return vault.seal_json(kept, bound_to=calls_binding(subscription_id))


def open_calls(sealed: bytes, subscription_id: str, vault: Vault) -> SubscriptionCalls:
    """Errors: SecretUnreadable."""
    kept: dict[str, Any] = vault.open_json(sealed, bound_to=calls_binding(subscription_id))
    begin = _read(kept["begin"])
    if begin is None:
        raise ValueError("A subscription is kept without the request that begins it.")
    return SubscriptionCalls(
        callback=kept["callback"],
        mappings=kept["mappings"],
        begin=begin,
        end=_read(kept["end"]),
        renew=_read(kept["renew"]),
        is_uncertain=kept["is_uncertain"],
    )


def _written(call: Call | None) -> Json:
    if isinstance(call, FollowUp):
        return {"kind": "follow", "of": _written(call.call), "method": call.method, "location": call.location}
    if isinstance(call, HttpCall | ConnectorCall):
        kind = "http" if isinstance(call, HttpCall) else "connector"
        return {"kind": kind, "call": msgspec.to_builtins(call)}
    return None


def _read(kept: Json) -> Call | None:
    if not isinstance(kept, Mapping):
        return None
    if kept["kind"] == "follow":
        of = _read(kept["of"])
        if isinstance(of, HttpCall | ConnectorCall):
            return FollowUp(call=of, method=kept["method"], location=kept["location"])
        return None
    if kept["kind"] == "http":
        return msgspec.convert(kept["call"], HttpCall)
    return msgspec.convert(kept["call"], ConnectorCall)


def calls_binding(subscription_id: str) -> Binding:
    """What a subscription's calls are bound to."""
    return Binding(kind="subscription", parts=(subscription_id,))
