"""What turning a flow on begins, as facts the portal, the API and the CLI word for their readers."""

from flowmend.core.checking.parameters import missing_parameters
from flowmend.core.definition.flow import Flow, Trigger
from flowmend.core.definition.recurrence_expressions import evaluated_trigger
from flowmend.core.json_value import Json


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
    return f"Flowmend cannot wait for a {trigger.type} trigger yet; runs are started by hand."


def _schedule(trigger: Trigger) -> str:
    interval = str(trigger.recurrence.get("interval", 1))
    frequency = str(trigger.recurrence.get("frequency", "")).lower()
    if not (frequency.isalpha() and interval.isdecimal()):
        return "A run starts on a schedule that is not known yet."
    return f"A run starts every {frequency}." if interval == "1" else f"A run starts every {interval} {frequency}s."


def _parameters(flow: Flow) -> dict[str, Json]:
    defaults = {name: parameter.default for name, parameter in flow.definition.parameters.items()}
    return {**defaults, **flow.parameter_values}
