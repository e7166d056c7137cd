"""Every trigger type Flowmend knows by name, and which of them it can wait for."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerType:
    """One type. name: canonical spelling. has_host: Flowmend itself waits for it, so that a flow with it can be on.

    A flow whose trigger has no host is read, checked and run by hand or as a mock. uses_connection: it asks a service by one
    of the flow's connections.
    """

    name: str
    has_host: bool = False
    uses_connection: bool = False


_HOSTED = ("Request", "Recurrence", "SlidingWindow", "Batch", "Http", "HttpWebhook")
_BY_CONNECTION = (
    *("ApiConnection", "ApiConnectionWebhook", "ApiConnectionNotification"),
    *("OpenApiConnection", "OpenApiConnectionWebhook", "OpenApiConnectionNotification"),
    "ServiceProvider",
)
_KNOWN = ("EventGrid",)

#: {type in lower case: TriggerType}. `manual` is the older name of Request (wdl.md §3).
TRIGGER_TYPES: Mapping[str, TriggerType] = MappingProxyType(
    {
        **{name.lower(): TriggerType(name=name, has_host=True) for name in _HOSTED},
        **{name.lower(): TriggerType(name=name, has_host=True, uses_connection=True) for name in _BY_CONNECTION},
        **{name.lower(): TriggerType(name=name) for name in _KNOWN},
        "manual": TriggerType(name="Request", has_host=True),
    }
)

#: The spellings of `kind` a trigger may have, {kind in lower case: canonical}.
TRIGGER_KINDS: Mapping[str, str] = MappingProxyType(
    {
        kind.lower(): kind
        for kind in (
            *("Http", "Button", "PowerApp", "PowerAppV2", "PowerPages", "Skills", "VirtualAgent", "Agent"),
            *("ApiConnection", "Alert", "EventGrid", "Geofence", "TeamsWebhook", "Polling"),
        )
    }
)


def trigger_type(name: str) -> TriggerType | None:
    """The table's entry, looked up ignoring case; None for a type Flowmend has never heard of."""
    return TRIGGER_TYPES.get(name.lower())
