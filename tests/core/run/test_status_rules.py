"""wdl.md §6 as one table: for each rule a flow, how it ends, and the status and code of each action."""

from itertools import combinations
from typing import Any

import pytest

from core.run.driving import NOT_FOUND, Answers, after, compose, failing, http, run
from flowmend.core.outcome import Outcome, Status

Actions = dict[str, Any]
S, F, K, T, C = "Succeeded", "Failed", "Skipped", "TimedOut", "Cancelled"
EVERY = f"{S} {F} {K} {T}"
TIMED_OUT = Outcome(status=Status.TIMED_OUT, code="ActionTimedOut")
LIST = {"type": "InitializeVariable", "inputs": {"variables": [{"name": "n", "type": "integer", "value": 0}]}}
ADD = {"type": "IncrementVariable", "inputs": {"name": "n"}}


def scope(**actions: Any) -> Actions:
    return {"type": "Scope", "actions": actions}


def if_(expression: Any, yes: Actions, no: Actions | None = None) -> Actions:
    return {"type": "If", "expression": expression, "actions": yes, "else": {"actions": no or {}}}


def switch(value: Any) -> Actions:
    cases = {"Text": {"case": "1", "actions": {"X": compose()}}, "Number": {"case": 1, "actions": {"Y": compose()}}}
    return {"type": "Switch", "expression": value, "cases": cases, "default": {"actions": {"Z": compose()}}}


def foreach(items: str, **actions: Any) -> Actions:
    return {"type": "Foreach", "foreach": items, "actions": actions, "operationOptions": "Sequential"}


def until(expression: str, actions: Actions, **parts: Any) -> Actions:
    return {"type": "Until", "expression": expression, "actions": actions, "limit": {"count": 2}} | parts


def terminate(status: str, **error: Any) -> Actions:
    inputs = {"runStatus": status} | ({"runError": error} if error else {})
    return {"type": "Terminate", "inputs": inputs}


#: (rule, actions, answers, the run's status, {action or action[pass]: (status, code)})
RULES: list[tuple[str, Actions, Answers | None, str, dict[str, tuple[str, str]]]] = [
    # -- an action starts when every predecessor is through and accepted
    ("at the start", {"A": compose()}, None, S, {"A": (S, "OK")}),
    (
        "and over predecessors",
        {"A": compose(runAfter={}), "B": failing(runAfter={}), "D": compose(runAfter=after(A=S, B=S))},
        None,
        F,
        {"D": (K, "ActionSkipped")},
    ),
    (
        "timed out is caught",
        {"A": http(), "B": compose(runAfter=after(A=T))},
        {"A": TIMED_OUT},
        S,
        {"A": (T, "ActionTimedOut"), "B": (S, "OK")},
    ),
    (
        "skipped is caught",
        {"A": failing(), "B": compose(), "D": compose(runAfter=after(B=K))},
        None,
        S,
        {"B": (K, "ActionSkipped"), "D": (S, "OK")},
    ),
    # -- who is skipped why
    ("not satisfied", {"A": failing(), "B": compose()}, None, F, {"B": (K, "ActionSkipped")}),
    (
        "untaken branch",
        {"I": if_("@equals(1, 1)", {"Y": compose()}, {"N": failing()})},
        None,
        S,
        {"Y": (S, "OK"), "N": (K, "ActionSkipped"), "I": (S, "NotSpecified")},
    ),
    (
        "inside a skipped container",
        {"A": failing(), "S": scope(B=compose())},
        None,
        F,
        {"S": (K, "ActionSkipped"), "B": (K, "ActionSkipped")},
    ),
    (
        "after a terminate",
        {"A": terminate(S), "B": compose(runAfter=after(A=S))},
        None,
        S,
        {"A": (S, "NotSpecified"), "B": (K, "Terminated")},
    ),
    # -- a container is what its leaves are
    ("failing leaf", {"S": scope(A=failing())}, None, F, {"S": (F, "ActionFailed")}),
    ("caught inside", {"S": scope(A=failing(), B=compose(runAfter=after(A=F)))}, None, S, {"S": (S, "NotSpecified")}),
    (
        "parallel ok and error leaves",
        {"S": scope(A=failing(), Ok=compose(runAfter=after(A=S)), Err=compose(runAfter=after(A=F)))},
        None,
        F,
        {"Ok": (K, "ActionSkipped"), "Err": (S, "OK"), "S": (F, "ActionFailed")},
    ),
    ("a handler not needed", {"S": scope(A=compose(), H=compose(runAfter=after(A=F)))}, None, S, {"S": (S, "NotSpecified")}),
    (
        "try and catch",
        {"Try": scope(A=failing()), "Catch": compose(runAfter=after(Try=f"{F} {T}"))},
        None,
        S,
        {"Try": (F, "ActionFailed"), "Catch": (S, "OK")},
    ),
    ("an empty scope", {"S": scope()}, None, S, {"S": (S, "NotSpecified")}),
    (
        "a timed out leaf",
        {"S": scope(A=http())},
        {"A": TIMED_OUT},
        F,
        {"A": (T, "ActionTimedOut"), "S": (F, "ActionFailed")},
    ),
    # -- codes of what succeeded and what a service refused
    ("a call that failed", {"A": http()}, {"A": NOT_FOUND}, F, {"A": (F, "NotFound")}),
    (
        "codes of data and variables",
        {
            "V": LIST,
            "I": ADD,
            "P": {"type": "ParseJson", "inputs": {"content": "1", "schema": {}}},
            "Q": {"type": "Query", "inputs": {"from": "@range(0, 2)", "where": "@equals(1, 1)"}},
            "E": {"type": "Select", "inputs": {"from": "@range(0, 2)", "select": "@item()"}},
            "W": {"type": "Wait", "inputs": {"interval": {"count": 1, "unit": "Second"}}},
        },
        None,
        S,
        {
            "V": (S, "NotSpecified"),
            "I": (S, "NotSpecified"),
            "P": (S, "OK"),
            "Q": (S, "NotSpecified"),
            "E": (S, "NotSpecified"),
            "W": (S, "OK"),
        },
    ),
    # -- If and Switch
    (
        "a condition that fails",
        {"I": if_("@int('x')", {"Y": compose()}, {"N": compose()})},
        None,
        F,
        {"I": (F, "BadRequest"), "Y": (K, "ActionSkipped"), "N": (K, "ActionSkipped")},
    ),
    ("a condition that is none", {"I": if_("@string('x')", {})}, None, F, {"I": (F, "BadRequest")}),
    ("an empty branch", {"I": if_("@equals(1, 2)", {"Y": failing()})}, None, S, {"I": (S, "NotSpecified")}),
    ("a failing branch", {"I": if_("@equals(1, 1)", {"Y": failing()})}, None, F, {"I": (F, "ActionFailed")}),
    ("a case by text", {"W": switch("1")}, None, S, {"X": (S, "OK"), "Y": (K, "ActionSkipped"), "Z": (K, "ActionSkipped")}),
    ("a case by number", {"W": switch("@int('1')")}, None, S, {"Y": (S, "OK"), "X": (K, "ActionSkipped")}),
    ("the default", {"W": switch("other")}, None, S, {"Z": (S, "OK"), "X": (K, "ActionSkipped")}),
    ("null is no case", {"W": switch("@null")}, None, F, {"W": (F, "BadRequest"), "Z": (K, "ActionSkipped")}),
    # -- Foreach
    ("no array", {"L": foreach("@null", A=compose())}, None, F, {"L": (F, "BadRequest"), "A": (K, "ActionSkipped")}),
    ("no items", {"L": foreach("@json('[]')", A=failing())}, None, S, {"L": (S, "NotSpecified")}),
    (
        "all items run although one fails",
        {"L": foreach("@range(0, 3)", A=compose("@div(6, item())"))},
        None,
        F,
        {"L": (F, "ActionFailed"), "A[0]": (F, "BadRequest"), "A[1]": (S, "OK"), "A[2]": (S, "OK")},
    ),
    (
        "a handler inside each pass",
        {"L": foreach("@range(0, 2)", A=failing(), H=compose(runAfter=after(A=F)))},
        None,
        S,
        {"L": (S, "NotSpecified"), "H[1]": (S, "OK")},
    ),
    # -- Until
    ("the body before the test", {"U": until("@equals(1, 1)", {"A": compose()})}, None, S, {"A[0]": (S, "OK"), "U": (S, "NotSpecified")}),
    (
        "a failed pass does not stop it",
        {"V": LIST, "U": until("@equals(variables('n'), 2)", {"I": ADD, "A": compose("@div(1, sub(variables('n'), 1))")})},
        None,
        S,
        {"A[0]": (F, "BadRequest"), "A[1]": (S, "OK"), "U": (S, "NotSpecified")},
    ),
    ("its status is the last pass's", {"U": until("@equals(1, 2)", {"A": failing()})}, None, F, {"U": (F, "ActionFailed")}),
    ("a limit ends it well", {"U": until("@equals(1, 2)", {"A": compose()})}, None, S, {"U": (S, "NotSpecified"), "A[1]": (S, "OK")}),
    (
        "a limit that is a failure",
        {"U": until("@equals(1, 2)", {"A": compose()}, operationOptions="FailWhenLimitsReached")},
        None,
        F,
        {"U": (T, "ActionTimedOut")},
    ),
    (
        "its time is tested between passes",
        {
            "U": until(
                "@equals(1, 2)",
                {"A": {"type": "Wait", "inputs": {"interval": {"count": 2, "unit": "Hour"}}}},
                limit={"count": 9, "timeout": "PT1H"},
            )
        },
        None,
        S,
        {"A[0]": (S, "OK"), "U": (S, "NotSpecified")},
    ),
    # -- Terminate
    ("terminate failed", {"A": terminate(F, code="E1", message="m")}, None, F, {"A": (S, "NotSpecified")}),
    (
        "terminate stops what runs, what is around it, and every handler",
        {
            "Slow": http() | {"runAfter": {}},
            "S": scope(A=terminate(C), B=compose()) | {"runAfter": {}},
            "H": compose(runAfter=after(S=EVERY)),
        },
        lambda _call: NOT_FOUND,
        C,
        {"S": (C, "ActionCancelled"), "A": (S, "NotSpecified"), "B": (K, "Terminated"), "H": (K, "Terminated")},
    ),
    # -- Response
    (
        "a response nobody waits for fails nothing",
        {"R": {"type": "Response", "inputs": {}}, "Q": {"type": "Response", "inputs": {}, "runAfter": {"R": [F]}}},
        None,
        S,
        {"R": (S, "OK"), "Q": (K, "ActionSkipped")},
    ),
    # -- tracked properties
    ("a tracked property that fails", {"A": compose(trackedProperties={"x": "@int('x')"})}, None, S, {"A": (S, "OK")}),
    # -- limit.timeout
    (
        "a container's time is over",
        {"S": scope(W={"type": "Wait", "inputs": {"interval": {"count": 1, "unit": "Hour"}}}) | {"limit": {"timeout": "PT1M"}}},
        None,
        F,
        {"S": (T, "ActionTimedOut"), "W": (C, "ActionCancelled")},
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("actions", "answers", "status", "expected"), [row[1:] for row in RULES], ids=[row[0] for row in RULES]
)
def test_a_rule_of_the_language_holds(
    actions: Actions, answers: Answers | None, status: str, expected: dict[str, tuple[str, str]]
) -> None:
    drive = run(actions, answers)
    found = {
        name + "".join(f"[{index}]" for index in repetition): (record.status.value, record.code)
        for (name, repetition), record in drive.records.items()
    }
    assert drive.status == status, found
    assert {name: found[name] for name in expected} == expected
    if status == F and not any(action.get("type") == "Terminate" for action in actions.values()):
        assert drive.end.code == "ActionFailed"


# -- the rule of the leaves, all of it -----------------------------------------------------------------------

STATUSES = (S, F, K, T)
ACCEPTED = [" ".join(chosen) for size in range(1, 5) for chosen in combinations(STATUSES, size)]


def _predecessor(status: str, *, began_well: bool) -> tuple[Actions, Answers]:
    """Actions that end with one, `A`, of this status. began_well: of a skipped one, whether what it waited for succeeded."""
    if status == K:
        first = compose() if began_well else failing()
        return {"A0": first, "A": compose(runAfter=after(A0=F if began_well else S))}, {}
    return {"A": http()}, {"A": {F: NOT_FOUND, T: TIMED_OUT}.get(status, Outcome(status=Status.SUCCEEDED, code="OK"))}


@pytest.mark.parametrize("accepted", ACCEPTED)
@pytest.mark.parametrize("leaf", [S, F])
def test_a_leaf_ends_the_run_as_the_rule_says(accepted: str, leaf: str) -> None:
    for status in STATUSES:
        for began_well in (True, False):
            actions, answers = _predecessor(status, began_well=began_well)
            handler = (compose if leaf == S else failing)(runAfter=after(A=accepted))
            drive = run(actions | {"B": handler}, answers)
            if status in accepted.split():
                expected, of_leaf = leaf, leaf
            else:  # a skipped leaf counts as what it waited for, and that again if it was skipped
                expected = (S if began_well else F) if status == K else (S if status == S else F)
                of_leaf = K
            assert (drive.record("B").status.value, drive.status) == (of_leaf, expected), (status, began_well)
