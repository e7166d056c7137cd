"""What people call the thing a run is about, e.g. the number of an order: runs are found by it, incidents count it.

    "metadata": {"flowmend": {"businessKey": "@triggerBody()?['orderNumber']"}}

It is kept among the run's tracked values.
"""

from collections.abc import Mapping
from functools import lru_cache

from flowmend.core.errors import ExpressionError
from flowmend.core.expression import Template, compile_template, to_text
from flowmend.core.json_value import Json
from flowmend.core.run import RunStart, new_state
from flowmend.core.run.scope import RunScope
from flowmend.store.journal import AddTracked, Write
from flowmend.store.rows import TrackedValueRow
from flowmend.store.tracked_values import findable_value
from flowmend.use_cases.loaded_flows import LoadedFlow
from flowmend.use_cases.ports import Services

#: The name under which it stands among a run's tracked values.
BUSINESS_KEY = "businessKey"


def business_key(services: Services, loaded: LoadedFlow, start: RunStart) -> str:
    """What this event is about, by the flow's own word; "" where it has none or does not compute.

    Also "" where the trigger's outputs are secure: the key is shown and searched.
    """
    expression = _expression(loaded)
    if expression is None:
        return ""
    try:
        value = _compiled(expression).evaluate(RunScope(new_state(loaded.compiled, start), services.clock, (), ()))
    except ExpressionError:
        return ""
    return "" if value is None else findable_value(to_text(value))


def track_business_key(services: Services, loaded: LoadedFlow, start: RunStart) -> tuple[Write, ...]:
    """To be written together with the run; empty where it has no key."""
    key = business_key(services, loaded, start)
    if not key:
        return ()
    row = TrackedValueRow(run_name=start.run_name, flow_id=start.flow_id, name=BUSINESS_KEY, value=key)
    return (AddTracked(row),)


def has_business_key(loaded: LoadedFlow) -> bool:
    """Whether the flow has a word for what its events are about."""
    return _expression(loaded) is not None


def _expression(loaded: LoadedFlow) -> str | None:
    ours: Json = loaded.flow.definition.metadata.get("flowmend")
    expression = ours.get(BUSINESS_KEY) if isinstance(ours, Mapping) else None
    return expression if isinstance(expression, str) and not loaded.has_secure_trigger else None


@lru_cache(maxsize=256)  # a flow's key is computed at each of its runs
def _compiled(expression: str) -> Template:
    return compile_template(expression)
