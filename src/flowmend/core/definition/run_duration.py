"""How long a run of a flow may take before it is ended as TimedOut.

    "metadata": {"flowmend": {"runDuration": "P7D"}}

Source: wdl.md §6; learn.microsoft.com/azure/logic-apps/logic-apps-limits-and-configuration (run duration)
"""

from collections.abc import Mapping
from datetime import timedelta

from flowmend.core.definition.durations import parse_duration
from flowmend.core.definition.flow import Definition, Flow
from flowmend.core.errors import InvalidDocument
from flowmend.core.json_value import Json

_POWER_AUTOMATE = timedelta(days=30)
_LOGIC_APPS = timedelta(days=90)


def longest_run(flow: Flow, *, otherwise: timedelta | None = None) -> timedelta:
    """The flow's own limit where it reads; else `otherwise`, or what the service the flow comes from allows.

    Zero, which only `otherwise` can be, is no limit.
    """
    try:
        own = read_run_duration(flow.definition)
    except InvalidDocument:
        own = None  # the checker says so
    if own is not None:
        return own
    if otherwise is not None:
        return otherwise
    return _POWER_AUTOMATE if flow.packaging.is_power_automate else _LOGIC_APPS


def read_run_duration(definition: Definition) -> timedelta | None:
    """The flow's own limit, None where it sets none. Errors: InvalidDocument for what is no time of at least a second."""
    ours: Json = definition.metadata.get("flowmend")
    written = ours.get("runDuration") if isinstance(ours, Mapping) else None
    if written is None:
        return None
    length = parse_duration(written) if isinstance(written, str) else timedelta()
    if not timedelta(seconds=1) <= length <= timedelta(days=36_500):
        raise InvalidDocument(
            "The flow's 'runDuration' is no time from a second to a hundred years.", code="InvalidDuration"
        )
    return length
