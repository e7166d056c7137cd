"""wdl.md §6: who starts, who is skipped with which words, and how the leaves decide the end."""

from typing import Any

import pytest

from core.run.driving import NOT_FOUND, Drive, after, compose, failing, flow_of, http, run
from flowmend.core.errors import InvalidDocument
from flowmend.core.run import compile_flow

Actions = dict[str, Any]
S, F, K = "Succeeded", "Failed", "Skipped"


@pytest.mark.parametrize(
    ("word", "actions", "status"),
    [
        ("nothing", {}, S),
        ("one", {"A": compose()}, S),
        ("failing", {"A": failing()}, F),
        ("caught", {"A": failing(), "B": compose(runAfter=after(A=F))}, S),
        ("not_caught", {"A": failing(), "B": compose()}, F),
        ("handler_not_needed", {"A": compose(), "B": compose(runAfter=after(A=F))}, S),
        ("handler_fails", {"A": failing(), "B": failing(runAfter=after(A=F))}, F),
        (
            "parallel_ok_and_error_leaves",
            {"A": failing(), "Ok": compose(runAfter=after(A=S)), "Err": compose(runAfter=after(A=F))},
            F,
        ),
        ("one_handler_for_all", {"A": failing(), "B": compose(runAfter=after(A=f"{S} {F} {K} TimedOut"))}, S),
        ("skipped_far_from_failure", {"A": failing(), "B": compose(), "C": compose(), "D": compose()}, F),
        ("failure_handled_then_more", {"A": failing(), "B": compose(runAfter=after(A=F)), "C": compose()}, S),
        (
            "either_branch_failed",
            {"A": compose(), "B": failing(runAfter={}), "C": compose(runAfter=after(A=S, B=S))},
            F,
        ),
        ("statuses_ignore_case", {"A": compose(), "B": compose(runAfter={"A": ["SUCCEEDED"]})}, S),
        ("names_ignore_case", {"First": compose(), "B": compose(runAfter={"first": ["Succeeded"]})}, S),
    ],
)
def test_the_leaves_decide_how_the_run_ends(word: str, actions: Actions, status: str) -> None:
    drive = run(actions)
    assert drive.status == status, drive.statuses()
    if status == F:
        assert (drive.end.code, drive.end.error.message) == (
            "ActionFailed",
            "An action failed. No dependent actions succeeded.",
        )


def test_an_unsatisfied_run_after_says_which_statuses_were_expected() -> None:
    record = run({"A": failing(), "B": compose(runAfter=after(A="Succeeded TimedOut"))}).record("B")
    assert (record.status.value, record.code, record.error.code) == (K, "ActionSkipped", "ActionConditionFailed")
    assert record.error.message == (
        "The execution of template action 'B' is skipped: the 'runAfter' condition for action 'A' is not satisfied. "
        "Expected status values 'Succeeded, TimedOut' and actual value 'Failed'."
    )


def test_an_action_starts_when_all_its_predecessors_have_ended() -> None:
    drive = run(
        {"A": http() | {"runAfter": {}}, "B": http() | {"runAfter": {}}, "C": compose(runAfter=after(A=S, B=S))},
    )
    ends = [entry.name for entry in drive.entries if getattr(entry, "ended_at", None)]
    assert ends.index("C") > max(ends.index("A"), ends.index("B"))


def test_independent_actions_run_at_the_same_time() -> None:
    drive = Drive(flow_of({"A": http() | {"runAfter": {}}, "B": http() | {"runAfter": {}}}))
    drive.begin()
    assert [call.key[0] for call in drive.calls] == ["A", "B"]


def test_a_failed_call_keeps_its_outputs_and_names_its_status() -> None:
    record = run({"A": http()}, {"A": NOT_FOUND}).record("A")
    assert (record.status.value, record.code, record.error, record.outputs) == (
        F,
        "NotFound",
        None,
        {"statusCode": 404},
    )


def test_a_chain_longer_than_pythons_stack_still_ends() -> None:
    actions = {"A0": failing()} | {f"A{index}": compose() for index in range(1, 3000)}
    assert run(actions).status == F


@pytest.mark.parametrize(
    ("word", "actions", "code"),
    [
        ("circle", {"A": compose(runAfter=after(B=S)), "B": compose(runAfter=after(A=S))}, "CyclicRunAfter"),
        (
            "same_name_inside",
            {"A": compose(), "S": {"type": "Scope", "actions": {"a": compose()}}},
            "DuplicateName",
        ),
    ],
)
def test_a_flow_that_could_never_end_is_refused_with_a_pointer(word: str, actions: Actions, code: str) -> None:
    with pytest.raises(InvalidDocument) as refused:
        compile_flow(flow_of(actions))
    assert refused.value.problems[0].code == code
    assert refused.value.problems[0].pointer


def test_a_bad_expression_fails_only_its_action() -> None:
    drive = run({"A": compose("@nonsense("), "B": compose("ok", runAfter=after(A=F))})
    record = drive.record("A")
    assert (record.code, record.error.code) == ("BadRequest", "InvalidTemplate")
    assert record.error.message.startswith(
        "Unable to process template language expressions in action 'A' inputs at line '0' and column '0': '"
    )
    assert (record.inputs, record.outputs) == (None, None)
    assert drive.status == S


def test_an_unknown_type_fails_with_its_pointer() -> None:
    record = run({"A": {"type": "Xslt", "inputs": {}}}).record("A")
    assert record.code.startswith("Unsupported")
    assert "/actions/A" in record.error.message
