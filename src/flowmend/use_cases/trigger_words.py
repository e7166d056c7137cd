"""What turning a flow on begins, as facts the portal, the API and the CLI word for their readers."""

from flowmend.core.checking.parameters import missing_parameters
from flowmend.core.definition.flow import Flow, Trigger
from flowmend.core.definition.recurrence_expressions import evaluated_trigger
from flowmend.core.json_value import Json
from flowmend.use_cases.poll_states import POLLED_TYPES
from flowmend.use_cases.subscription_types import SUBSCRIBED_TYPES


def what_will_begin(flow: Flow) -> str:
    """One English sentence about what starts runs of this flow."""
    trigger = next(iter(flow.definition.triggers.values()), None)
    if trigger is None:
        return "Nothing starts this flow: it has no trigger."
    if trigger.type in {"Recurrence", "SlidingWindow"}:
        return _schedule(evaluated_trigger(trigger, _parameters(flow), unknown=missing_parameters(flow)))
    if trigger.type == "Request":
        return "A run starts each time somebody calls its URL or chooses Run."
    if trigger.type == "Batch":
        return "A run starts each time enough messages were sent to its batch."
    if trigger.type in POLLED_TYPES:
        known = trigger if trigger.recurrence else None
        every = (
            ""
            if known is None
            else _interval(evaluated_trigger(known, _parameters(flow), unknown=missing_parameters(flow)))
        )
        return f"A run starts for what is new from now on; its trigger asks {every or 'every minute'}."
    if trigger.type in SUBSCRIBED_TYPES:
        return "A run starts each time the service calls back."
    return f"Flowmend cannot wait for a {trigger.type} trigger yet; runs are started by hand."


def _schedule(trigger: Trigger) -> str:
    every = _interval(trigger)
    return f"A run starts {every}." if every else "A run starts on a schedule that is not known yet."


def _interval(trigger: Trigger) -> str:
    """`every 5 minutes`; "" where that is not known."""
    interval = str(trigger.recurrence.get("interval", 1))
    frequency = str(trigger.recurrence.get("frequency", "")).lower()
    if not (frequency.isalpha() and interval.isdecimal()):
        return ""
    return f"every {frequency}" if interval == "1" else f"every {interval} {frequency}s"


def _parameters(flow: Flow) -> dict[str, Json]:
    defaults = {name: parameter.default for name, parameter in flow.definition.parameters.items()}
    return {**defaults, **flow.parameter_values}
