"""Foreach and Until (wdl.md §6)."""

from typing import Any

import pytest

from core.run.driving import NOT_FOUND, OK, Drive, after, compose, failing, flow_of, http, run
from flowmend.core.definition.flow import Packaging
from flowmend.core.outcome import Outcome, Status
from flowmend.core.run import CallOperation

Actions = dict[str, Any]


def foreach(items: Any, actions: Actions, **parts: Any) -> Actions:
    return {"type": "Foreach", "foreach": items, "actions": actions} | parts


def until(expression: Any, actions: Actions, **parts: Any) -> Actions:
    return {"type": "Until", "expression": expression, "actions": actions} | parts


COUNT: Actions = {
    "N": {"type": "InitializeVariable", "inputs": {"variables": [{"name": "n", "type": "integer", "value": 0}]}}
}
ADD: Actions = {"type": "IncrementVariable", "inputs": {"name": "n"}}


def test_each_item_gets_a_pass_of_its_own() -> None:
    drive = run({"L": foreach(["a", "b"], {"C": compose("@concat(item(), items('l'))")})})
    assert [drive.record("C", index).outputs for index in (0, 1)] == ["aa", "bb"]
    assert drive.record("L").status is Status.SUCCEEDED


@pytest.mark.parametrize(
    ("word", "items", "kind"),
    [("null", "@null", "Null"), ("object", "@json('{}')", "Object"), ("text", "@string('a')", "String")],
)
def test_only_an_array_can_be_looped_over(word: str, items: str, kind: str) -> None:
    drive = run({"L": foreach(items, {"C": compose()})})
    record = drive.record("L")
    assert record.error is not None
    assert (record.code, record.error.code) == ("BadRequest", "ExpressionEvaluationFailed")
    assert f"is of type '{kind}'" in record.error.message
    assert drive.statuses()["C"] == "Skipped"


def test_an_empty_array_succeeds_without_a_pass() -> None:
    drive = run({"L": foreach([], {"C": compose()}), "After": compose("@length(outputs('C'))")})
    assert drive.statuses() == {"L": "Succeeded", "After": "Succeeded"}
    assert drive.record("After").outputs == 0


def test_all_items_run_even_if_one_fails_and_then_the_loop_fails() -> None:
    drive = run({"L": foreach([1, 0, 2], {"C": compose("@div(4, item())")}, operationOptions="Sequential")})
    assert [drive.statuses()[f"C[{index}]"] for index in range(3)] == ["Succeeded", "Failed", "Succeeded"]
    assert (drive.record("L").status, drive.record("L").code) == (Status.FAILED, "ActionFailed")


def test_a_handler_inside_each_pass_lets_the_loop_succeed() -> None:
    drive = run({"L": foreach([1, 2], {"C": failing(), "H": compose(runAfter=after(C="Failed"))})})
    assert drive.status == "Succeeded"


@pytest.mark.parametrize(
    ("word", "parts", "packaging", "at_once"),
    [
        ("logic_apps", {}, Packaging.PLAIN, 20),
        ("power_automate", {}, Packaging.SOLUTION, 1),
        ("set", {"runtimeConfiguration": {"concurrency": {"repetitions": 3}}}, Packaging.SOLUTION, 3),
        ("sequential", {"operationOptions": "Sequential"}, Packaging.PLAIN, 1),
    ],
)
def test_as_many_passes_run_at_once_as_allowed(word: str, parts: Actions, packaging: Packaging, at_once: int) -> None:
    drive = Drive(flow_of({"L": foreach("@range(0, 50)", {"A": http()}, **parts)}, packaging=packaging))
    drive.begin()
    assert [call.key[1][0] for call in drive.calls] == list(range(at_once))
    drive.answer(drive.calls[0])
    assert len(drive.calls) == at_once + 1


def test_a_foreach_inside_a_foreach_runs_one_at_a_time() -> None:
    inner = foreach([1, 2], {"A": http()}, runtimeConfiguration={"concurrency": {"repetitions": 50}})
    drive = Drive(flow_of({"L": foreach(["x", "y"], {"M": inner})}))
    drive.begin()
    assert [call.key for call in drive.calls] == [("A", (0, 0)), ("A", (1, 0))]


def test_nested_items_are_told_apart_by_name() -> None:
    inner = foreach("@item()['b']", {"C": compose("@concat(items('Outer')['a'], item())")})
    drive = run({"Outer": foreach([{"a": "x", "b": ["1", "2"]}], {"Inner": inner})})
    assert [drive.record("C", 0, index).outputs for index in (0, 1)] == ["x1", "x2"]


def test_from_outside_a_foreach_its_actions_outputs_are_an_array() -> None:
    drive = run({"L": foreach([1, 2], {"C": compose("@mul(item(), 10)")}), "All": compose("@outputs('C')")})
    assert drive.record("All").outputs == [10, 20]


def test_within_a_pass_actions_mean_those_of_the_same_pass() -> None:
    drive = run({"L": foreach([1, 2], {"C": compose("@item()"), "D": compose("@outputs('C')")})})
    assert [drive.record("D", index).outputs for index in (0, 1)] == [1, 2]


def test_result_of_a_foreach_has_each_child_once() -> None:
    drive = run({"L": foreach([1, 2], {"C": compose("@item()"), "D": compose()}), "R": compose("@result('L')")})
    result = drive.record("R").outputs
    assert [one["name"] for one in result] == ["C", "D"]
    assert [view["outputs"] for view in result[0]["outputs"]] == [1, 2]


def test_until_runs_its_body_before_the_test_and_stops_when_it_is_true() -> None:
    drive = run(COUNT | {"U": until("@greaterOrEquals(variables('n'), 3)", {"A": ADD})})
    assert drive.statuses()["U"] == "Succeeded"
    assert [key[1] for key in drive.records if key[0] == "A"] == [(0,), (1,), (2,)]


def test_iteration_indexes_start_at_zero_inside_and_in_the_condition() -> None:
    drive = run({"U": until("@equals(iterationIndexes('U'), 2)", {"A": compose("@iterationIndexes('U')")})})
    assert [record.outputs for key, record in drive.records.items() if key[0] == "A"] == [0, 1, 2]


def test_until_reads_the_last_pass_of_its_actions() -> None:
    drive = run(
        {
            "U": until("@equals(outputs('A'), 1)", {"A": compose("@iterationIndexes('U')")}),
            "B": compose("@outputs('A')"),
        }
    )
    assert drive.record("B").outputs == 1


@pytest.mark.parametrize(
    ("word", "inner", "expression", "status"),
    [
        ("last_succeeds", "@div(4, iterationIndexes('U'))", "@equals(iterationIndexes('U'), 1)", "Succeeded"),
        ("last_fails", "@div(4, sub(1, iterationIndexes('U')))", "@equals(iterationIndexes('U'), 1)", "Failed"),
    ],
)
def test_an_untils_status_is_its_last_passes(word: str, inner: str, expression: str, status: str) -> None:
    assert run({"U": until(expression, {"A": compose(inner)})}).statuses()["U"] == status


@pytest.mark.parametrize(
    ("word", "parts", "passes", "status"),
    [
        ("count", {"limit": {"count": 4}}, 4, "Succeeded"),
        ("default_count", {}, 60, "Succeeded"),
        ("strict_count", {"limit": {"count": 2}, "operationOptions": "FailWhenLimitsReached"}, 2, "TimedOut"),
    ],
)
def test_a_limit_ends_an_until(word: str, parts: Actions, passes: int, status: str) -> None:
    drive = run(COUNT | {"U": until("@false", {"A": ADD}, **parts)})
    assert (drive.state.variables["n"].value, drive.statuses()["U"]) == (passes, status)


@pytest.mark.parametrize(("word", "timeout", "passes"), [("given", {"timeout": "PT25M"}, 3), ("default", {}, 6)])
def test_an_untils_time_is_tested_between_passes(word: str, timeout: Actions, passes: int) -> None:
    wait = {"type": "Wait", "inputs": {"interval": {"count": 10, "unit": "Minute"}}}
    drive = run({"U": until("@false", {"W": wait}, limit=timeout)})
    assert len([key for key in drive.records if key[0] == "W"]) == passes


def test_an_until_whose_condition_is_bad_fails_after_its_first_pass() -> None:
    drive = run({"U": until("@variables('nobody')", {"A": compose()})})
    record = drive.record("U")
    assert record.error is not None
    assert (record.status, record.error.code, drive.statuses()["A[0]"]) == (
        Status.FAILED,
        "InvalidTemplate",
        "Succeeded",
    )


def test_result_of_an_until_is_its_last_pass_with_the_count() -> None:
    drive = run(
        {
            "U": until("@equals(iterationIndexes('U'), 1)", {"A": compose("@iterationIndexes('U')")}),
            "R": compose("@result('U')"),
        }
    )
    assert [(one["outputs"], one["repetitionCount"]) for one in drive.record("R").outputs] == [(1, 2)]


def test_parallel_passes_end_in_any_order() -> None:
    drive = Drive(
        flow_of({"L": foreach([0, 1, 2], {"A": http(), "B": compose("@body('A')")}), "R": compose("@outputs('B')")})
    )
    drive.begin()
    for call in reversed(list(drive.calls)):
        drive.answer(call, Outcome(status=Status.SUCCEEDED, code="OK", outputs={"body": call.key[1][0]}))
    assert drive.record("R").outputs == [0, 1, 2]


def test_one_failing_call_in_a_pass_fails_the_loop_but_not_the_others() -> None:
    def answer(call: CallOperation) -> Outcome:
        return NOT_FOUND if call.key[1] == (1,) else OK

    drive = run({"L": foreach([0, 1, 2], {"A": http()})}, answer)
    assert [drive.statuses()[f"A[{index}]"] for index in range(3)] == ["Succeeded", "Failed", "Succeeded"]
    assert drive.status == "Failed"
