"""Expressions computed once more from a journal: what they came to then, and never a secret."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from flowmend.core.definition.flow import Packaging
from flowmend.core.definition.reading import read_flow
from flowmend.core.expression import compile_expression
from flowmend.core.run.looking_back import entries_before, last_scope, past_scope, past_state
from flowmend.core.run.tracing import trace_action
from flowmend.use_cases.run_once import RunOnceResult, run_once

pytestmark = pytest.mark.anyio


class Then:
    now = datetime(2026, 3, 2, 8, tzinfo=UTC)

    def guid(self) -> UUID:
        return UUID(int=1)

    def draw(self) -> float:
        return 0.5


async def ran(actions: dict[str, Any], *, outputs: Any = None, values: Any = None, **parts: Any) -> RunOnceResult:
    document = {
        "definition": {
            "triggers": {"manual": {"type": "Request", "kind": "Http", "inputs": {}, **parts.pop("trigger", {})}},
            "actions": actions,
            **parts,
        }
    }
    flow = read_flow(document, packaging=Packaging.PLAIN, name="flow").flow
    assert flow is not None
    return await run_once(flow, trigger_outputs=outputs or {"body": {"a": 1}}, mock=True, parameters=values or {})


def traced(run: RunOnceResult, name: str, *repetition: int) -> list[dict[str, Any]]:
    node = run.compiled.nodes[name]
    before = entries_before(node, repetition, run.entries)
    assert before is not None
    state = past_state(run.compiled, run.start, before)
    return trace_action(node, past_scope(state, Then(), node, repetition), run.compiled.secrecy)


def evaluated(run: RunOnceResult, text: str) -> Any:
    return compile_expression(text).evaluate(last_scope(past_state(run.compiled, run.start, run.entries), Then()))


def compose(inputs: Any, after: str = "", **parts: Any) -> dict[str, Any]:
    return {"type": "Compose", "inputs": inputs, "runAfter": {after: ["Succeeded"]} if after else {}, **parts}


def variable(name: str, value: Any, after: str = "", **parts: Any) -> dict[str, Any]:
    inputs = {"variables": [{"name": name, "type": "integer", "value": value}]}
    return {
        "type": "InitializeVariable",
        "inputs": inputs,
        "runAfter": {after: ["Succeeded"]} if after else {},
        **parts,
    }


async def test_an_action_is_traced_with_the_values_of_then_and_not_with_later_ones() -> None:
    run = await ran(
        {
            "N": variable("n", 1),
            "See": compose("@add(variables('n'), 10)", "N"),
            "More": {
                "type": "SetVariable",
                "inputs": {"name": "n", "value": 5},
                "runAfter": {"See": ["Succeeded"]},
            },
        }
    )
    (trace,) = traced(run, "See")
    assert (trace["text"], trace["value"]) == ("@add(variables('n'), 10)", 11)
    assert {"text": "variables('n')", "value": 1} in trace["subexpressions"][0]["subexpressions"]
    assert evaluated(run, "variables('n')") == 5


async def test_a_pass_of_a_loop_sees_its_own_item() -> None:
    loop = {
        "type": "Foreach",
        "foreach": "@createArray('a', 'b')",
        "runAfter": {},
        "actions": {"Up": compose("@toUpper(item())")},
    }
    run = await ran({"Each": loop})
    assert [traced(run, "Up", index)[0]["value"] for index in (0, 1)] == ["A", "B"]
    assert traced(run, "Each")[0]["value"] == ["a", "b"]


async def test_the_condition_of_an_until_is_traced_as_it_ended_the_loop() -> None:
    loop = {
        "type": "Until",
        "expression": "@equals(variables('n'), 3)",
        "limit": {"count": 10},
        "runAfter": {"N": ["Succeeded"]},
        "actions": {"More": {"type": "IncrementVariable", "inputs": {"name": "n", "value": 1}, "runAfter": {}}},
    }
    run = await ran({"N": variable("n", 0), "Loop": loop})
    (trace,) = traced(run, "Loop")
    assert trace["value"] is True


async def test_time_and_chance_are_marked_as_not_repeatable() -> None:
    run = await ran({"See": compose({"at": "@utcNow()", "fixed": "@add(1, 2)", "id": "x@{guid()}"})})
    marks = {trace["path"]: trace.get("repeatable", True) for trace in traced(run, "See")}
    assert marks == {"at": False, "fixed": True, "id": False}


async def test_an_action_that_was_skipped_or_never_reached_computed_nothing() -> None:
    run = await ran({"See": compose(1), "Never": {**compose("@add(1, 2)"), "runAfter": {"See": ["Failed"]}}})
    assert entries_before(run.compiled.nodes["Never"], (), run.entries) is None
    assert entries_before(run.compiled.nodes["See"], (9,), run.entries) is None


SECURE: dict[str, Any] = {"runtimeConfiguration": {"secureData": {"properties": ["inputs", "outputs"]}}}


async def test_no_expression_reaches_what_is_secure() -> None:
    run = await ran(
        {
            "Hidden": compose("@parameters('password')", **SECURE),
            "Kept": {
                "type": "InitializeVariable",
                "inputs": {"variables": [{"name": "kept", "type": "string", "value": "@outputs('Hidden')"}]},
                "runAfter": {"Hidden": ["Succeeded"]},
            },
            "Open": compose("@concat('a', 'b')", "Kept"),
        },
        outputs={"body": {"pin": "sesame-4711"}},
        values={"password": "sesame-4711"},
        parameters={"password": {"type": "SecureString"}},
        trigger={"runtimeConfiguration": {"secureData": {"properties": ["outputs"]}}},
    )
    for text in (
        "parameters('password')",
        "parameters(concat('pass', 'word'))",
        "outputs('Hidden')",
        "actions(concat('Hid', 'den'))",
        "variables('kept')",
        "variables(concat('ke', 'pt'))",
        "trigger()",
        "triggerOutputs()",
    ):
        assert "sesame" not in str(evaluated(run, text)), text
        assert "*sanitized*" in str(evaluated(run, text)), text
    assert traced(run, "Hidden") == []
    assert traced(run, "Open")[0]["value"] == "ab"


async def test_a_condition_on_a_secret_is_not_traced() -> None:
    condition = {
        "type": "If",
        "expression": {"equals": ["@parameters('password')", "x"]},
        "actions": {},
        "runAfter": {},
    }
    run = await ran({"If": condition}, values={"password": "y"}, parameters={"password": {"type": "SecureString"}})
    assert traced(run, "If") == []
