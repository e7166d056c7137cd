"""Which flow another one means when it calls it."""

from urllib.parse import quote

from flowmend.store.rows import FlowState
from flowmend.use_cases.loaded_flows import LoadedFlow
from flowmend.use_cases.ports import Services


def flow_named(services: Services, name: str) -> LoadedFlow | None:
    """The flow another flow means by an id, a reference name or its display name, ignoring case; None where there is none."""
    row = services.store.flows.get(name) or services.store.flows.get(name.lower())
    if row is None:
        folded = name.lower()
        rows = services.store.flows.list()
        fitting = [one for one in rows if folded in {one.name.lower(), quote(one.name.lower()), one.flow_id.lower()}]
        # Of two flows of one name the one that is on is meant.
        row = next((one for one in fitting if one.state is FlowState.ON), next(iter(fitting), None))
    return None if row is None else services.flows.latest(row.flow_id)
