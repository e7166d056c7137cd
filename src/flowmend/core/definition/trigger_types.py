"""Every trigger type Flowmend knows by name, and which of them it can wait for."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerType:
    """One type. name: canonical spelling. is_supported: a flow with it can be turned on."""

    name: str
    is_supported: bool = False


_SUPPORTED = ("Request", "Recurrence")
_KNOWN = (
    *("SlidingWindow", "Http", "HttpWebhook", "Batch", "ServiceProvider", "EventGrid"),
    *("ApiConnection", "ApiConnectionWebhook", "ApiConnectionNotification"),
    *("OpenApiConnection", "OpenApiConnectionWebhook", "OpenApiConnectionNotification"),
)

#: {type in lower case: TriggerType}. `manual` is the older name of Request (wdl.md §3).
TRIGGER_TYPES: Mapping[str, TriggerType] = MappingProxyType(
    {
        **{name.lower(): TriggerType(name=name, is_supported=True) for name in _SUPPORTED},
        **{name.lower(): TriggerType(name=name) for name in _KNOWN},
        "manual": TriggerType(name="Request", is_supported=True),
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
