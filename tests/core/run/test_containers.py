"""If, Switch and Scope (wdl.md §4 and §6)."""

from typing import Any

import pytest

from core.run.driving import Drive, after, compose, failing, flow_of, http, run
from flowmend.core.outcome import Status
from flowmend.core.run import TimerFired, WaitUntil

Actions = dict[str, Any]


def scope(actions: Actions, **parts: Any) -> Actions:
    return {"type": "Scope", "actions": actions} | parts


def condition(expression: Any, yes: Actions, no: Actions | None = None, **parts: Any) -> Actions:
    return {"type": "If", "expression": expression, "actions": yes, "else": {"actions": no or {}}} | parts


def switch(expression: Any, cases: dict[str, Any], default: Actions) -> Actions:
    return {
        "type": "Switch",
        "expression": expression,
        "cases": {f"Case_{name}": {"case": value, "actions": {name: compose()}} for name, value in cases.items()},
        "default": {"actions": default},
    }


@pytest.mark.parametrize(
    ("word", "expression", "taken"),
    [
        ("text", "@equals(1, 1)", "Yes"),
        ("false", "@equals(1, 2)", "No"),
        ("object", {"and": [{"equals": ["@triggerBody()['n']", 3]}, {"not": {"equals": [1, 2]}}]}, "Yes"),
        ("empty_and", {"and": []}, "Yes"),
        ("or", {"or": [{"greater": [1, 2]}, {"contains": ["abc", "x"]}]}, "No"),
    ],
)
def test_an_if_takes_one_branch_and_skips_the_other(word: str, expression: Any, taken: str) -> None:
    drive = run({"If": condition(expression, {"Yes": compose()}, {"No": compose(), "Later": compose()})})
    assert drive.status == "Succeeded"
    statuses = drive.statuses()
    other = "No" if taken == "Yes" else "Yes"
    assert (statuses[taken], statuses[other]) == ("Succeeded", "Skipped")
    assert drive.record("If").inputs == {"expressionResult": taken == "Yes"}
    assert drive.record("If").code == "NotSpecified"
    error = drive.record(other).error
    assert error is not None
    assert error.code == "ActionBranchingConditionNotSatisfied"
    assert error.message == (
        f"The execution of template action '{other}' skipped: the branching condition for this action is not satisfied."
    )


def test_the_later_actions_of_an_untaken_branch_are_skipped_one_after_the_other() -> None:
    drive = run(
        {"If": condition("@true", {}, {"A": compose(), "B": compose(), "C": compose(runAfter=after(B="Skipped"))})}
    )
    errors = [drive.record(name).error for name in ("B", "C")]
    assert [error.code for error in errors if error] == ["ActionConditionFailed"] * 2
    assert drive.status == "Succeeded"


@pytest.mark.parametrize(
    ("word", "expression", "code"),
    [
        ("does_not_evaluate", "@outputs('Nobody')", "InvalidTemplate"),
        ("no_boolean", "@string('true')", "ExpressionEvaluationFailed"),
        ("does_not_parse", "@equals(1,", "InvalidTemplate"),
    ],
)
def test_a_bad_condition_fails_the_if_and_skips_both_branches(word: str, expression: str, code: str) -> None:
    drive = run({"If": condition(expression, {"Yes": compose()}, {"No": scope({"Deep": compose()})})})
    record = drive.record("If")
    assert record.error is not None
    assert (record.status, record.code, record.error.code) == (Status.FAILED, "BadRequest", code)
    assert [drive.statuses()[name] for name in ("Yes", "No", "Deep")] == ["Skipped"] * 3
    yes, deep = drive.record("Yes").error, drive.record("Deep").error
    assert yes is not None
    assert deep is not None
    assert yes.message == (
        "The execution of template action 'Yes' is skipped: dependant action 'If' completed with status 'Failed' and code "
        "'BadRequest'."
    )
    assert (deep.code, "'No' completed with status 'Skipped' and code 'ActionSkipped'" in deep.message) == (
        "ActionDependencyFailed",
        True,
    )
    assert drive.status == "Failed"


@pytest.mark.parametrize(
    ("word", "value", "taken"),
    [
        ("text", "red", "Red"),
        ("case_sensitive", "Red", "Other"),
        ("number", 1, "One"),
        ("type_strict", "1", "Other"),
        ("unknown", "blue", "Other"),
    ],
)
def test_a_switch_takes_the_case_of_the_very_value(word: str, value: Any, taken: str) -> None:
    drive = run({"Switch": switch(value, {"Red": "red", "One": 1}, {"Other": compose()})})
    taken_ones = [name for name, status in drive.statuses().items() if status == "Succeeded" and name != "Switch"]
    assert taken_ones == [taken]
    assert drive.record("Switch").inputs == {"expressionResult": value}


@pytest.mark.parametrize("value", ["@null", "@true", "@json('[]')", "@float('1.5')"])
def test_a_switch_over_something_else_fails(value: str) -> None:
    record = run({"Switch": switch(value, {"Red": "red"}, {})}).record("Switch")
    assert record.error is not None
    assert record.error.code == "ExpressionEvaluationFailed"


@pytest.mark.parametrize(
    ("word", "container"),
    [
        ("scope", scope({})),
        ("if", condition("@true", {}, {"No": compose()})),
        ("switch", switch(1, {"A": 2}, {})),
        ("foreach", {"type": "Foreach", "foreach": [1, 2], "actions": {}}),
        ("until", {"type": "Until", "expression": "@true", "actions": {}, "limit": {"count": 3}}),
    ],
)
def test_an_empty_branch_succeeds(word: str, container: Actions) -> None:
    assert run({"C": container}).statuses()["C"] == "Succeeded"


@pytest.mark.parametrize(
    ("word", "inner", "status"),
    [
        ("leaf_fails", {"A": failing()}, "Failed"),
        ("handled_inside", {"A": failing(), "H": compose(runAfter=after(A="Failed"))}, "Succeeded"),
        ("two_leaves", {"A": failing(), "Ok": compose(runAfter=after(A="Succeeded"))}, "Failed"),
        ("deep", {"S": scope({"T": scope({"A": failing()})})}, "Failed"),
    ],
)
def test_a_scope_ends_as_its_leaves_do(word: str, inner: Actions, status: str) -> None:
    drive = run({"Try": scope(inner)})
    record = drive.record("Try")
    assert (record.status.value, drive.status) == (status, status)
    if status == "Failed":
        assert record.error is not None
        assert (record.code, record.error.message) == (
            "ActionFailed",
            "An action failed. No dependent actions succeeded.",
        )


def test_a_failed_try_with_a_succeeding_catch_lets_the_run_succeed() -> None:
    drive = run(
        {
            "Try": scope({"A": failing(), "B": compose()}),
            "Catch": scope({"Why": compose("@result('Try')")}, runAfter=after(Try="Failed TimedOut")),
        }
    )
    assert drive.status == "Succeeded"
    why = drive.record("Why").outputs
    assert [(one["name"], one["status"]) for one in why] == [("A", "Failed"), ("B", "Skipped")]
    assert why[0]["error"]["code"] == "InvalidTemplate"
    assert "inputs" not in why[0]


def test_a_containers_time_limit_cancels_what_runs_in_it_and_skips_the_rest() -> None:
    inner = {"Slow": http(), "Next": compose()}
    actions = {"S": scope(inner, limit={"timeout": "PT1M"}), "H": compose(runAfter=after(S="TimedOut"))}
    drive = Drive(flow_of(actions))
    drive.begin()
    (timer,) = [command for command in drive.commands if isinstance(command, WaitUntil)]
    drive.moment.now = timer.at
    commands = drive.send(TimerFired(timer.key))
    assert drive.statuses() == {
        "S": "TimedOut", "Slow": "Cancelled", "Next": "Skipped", "H": "Succeeded",
    }  # fmt: skip
    assert drive.record("S").code == "ActionTimedOut"
    assert "AbandonCall" in [type(command).__name__ for command in commands]
    assert drive.status == "Succeeded"
