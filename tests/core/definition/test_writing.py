"""Writing: read∘write is identity, whatever a definition holds."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from flowmend.core.definition import Packaging, read_flow, write_definition
from flowmend.core.definition.action_types import ACTION_TYPES
from flowmend.core.definition.trigger_types import TRIGGER_TYPES

NAMES = st.text(alphabet="ABcd_1é~/ ", min_size=1, max_size=6)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
STATUSES = st.sampled_from(["Succeeded", "FAILED", "skipped", "TimedOut", "Nonsense"])


def spelled(names: Any) -> Any:
    return st.sampled_from(sorted(names)).flatmap(lambda name: st.sampled_from([name, name.upper(), name.title()]))


def nodes(inner: Any) -> Any:
    actions = st.dictionaries(NAMES, inner, max_size=3)
    return st.fixed_dictionaries(
        {"type": spelled(ACTION_TYPES)},
        optional={
            "inputs": VALUES,
            "kind": st.text(max_size=5),
            "runAfter": st.dictionaries(NAMES, st.lists(STATUSES, max_size=2), max_size=2) | VALUES,
            "expression": VALUES,
            "foreach": VALUES,
            "actions": actions,
            "else": st.fixed_dictionaries({"actions": actions}) | VALUES,
            "cases": st.dictionaries(NAMES, st.fixed_dictionaries({"case": VALUES, "actions": actions}), max_size=2),
            "default": st.fixed_dictionaries({"actions": actions}),
            "limit": VALUES,
            "runtimeConfiguration": VALUES,
            "operationOptions": VALUES,
            "metadata": VALUES,
            "unknown": VALUES,
        },
    )


ACTIONS = st.recursive(nodes(st.nothing()), nodes, max_leaves=6)
TRIGGERS = st.fixed_dictionaries(
    {"type": spelled(TRIGGER_TYPES)}, optional={"inputs": VALUES, "recurrence": VALUES, "conditions": VALUES}
)
DEFINITIONS = st.fixed_dictionaries(
    {"triggers": st.dictionaries(NAMES, TRIGGERS, max_size=2), "actions": st.dictionaries(NAMES, ACTIONS, max_size=4)},
    optional={
        "$schema": st.text(max_size=8),
        "parameters": st.dictionaries(NAMES, VALUES, max_size=2),
        "outputs": VALUES,
        "staticResults": VALUES,
        "metadata": VALUES,
        "correlation": VALUES,
    },
)


@given(DEFINITIONS, st.sampled_from(Packaging))
def test_what_was_read_is_written_back_unchanged(definition: dict[str, Any], packaging: Packaging) -> None:
    read = read_flow({"definition": definition}, packaging=packaging, name="any")
    assert read.flow is not None
    assert write_definition(read.flow.definition) == definition
