"""What turning a flow on begins, as facts the portal, the API and the CLI word for their readers."""

from flowmend.core.definition.flow import Flow


def what_will_begin(flow: Flow) -> str:
    """One English sentence about what starts runs of this flow."""
    trigger = next(iter(flow.definition.triggers.values()), None)
    if trigger is None:
        return "Nothing starts this flow: it has no trigger."
    if trigger.type in {"Recurrence", "SlidingWindow"}:
        interval = trigger.recurrence.get("interval", 1)
        frequency = str(trigger.recurrence.get("frequency", "")).lower()
        return (
            f"A run starts every {frequency}."
            if str(interval) == "1"
            else f"A run starts every {interval} {frequency}s."
        )
    if trigger.type == "Request":
        return "A run starts each time somebody calls its URL or chooses Run."
    if trigger.type == "Batch":
        return "A run starts each time enough messages were sent to its batch."
    return f"Flowmend cannot wait for a {trigger.type} trigger yet; runs are started by hand."
