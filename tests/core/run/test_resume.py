"""Resume, shape by shape: what stands, what is opened again, what is done again."""

from typing import Any

import pytest

from core.run.any_flow import ADD, VARIABLES, WAIT
from core.run.driving import (
    ACCEPTED,
    NOT_FOUND,
    OK,
    UNAUTHORIZED,
    UNAVAILABLE,
    Drive,
    after,
    child,
    compose,
    failing,
    flow_of,
    http,
    run,
    start_of,
    webhook,
)
from core.run.resuming import Resumed, resumed, resumption, shown
from flowmend.core.outcome import ErrorDetail, Outcome, Status
from flowmend.core.run import (
    CallInDoubt,
    CallOperation,
    CancelRequested,
    DoubtAnswered,
    FollowUp,
    HttpCall,
    Recovered,
    TimerFired,
)
from flowmend.core.run.effects import CallFacts, repeated_effects
from flowmend.core.run.looking_back import entries_before, past_scope, past_state
from flowmend.core.run.resume import Pass, Refusal, Resumption, ran_on_failure
from flowmend.core.run.same_definition import Difference

Actions = dict[str, Any]

POST = http(method="POST")
LOST = Outcome(status=Status.FAILED, code="RequestTimeout", error=ErrorDetail("RequestTimeout", "No answer."))
BOTH = "Succeeded Failed"


def scope(actions: Actions, **parts: Any) -> Actions:
    return {"type": "Scope", "actions": actions} | parts


def if_true(
    actions: Actions, otherwise: Actions | None = None, expression: str = "@equals(1, 1)", **parts: Any
) -> Actions:
    return {"type": "If", "expression": expression, "actions": actions, "else": {"actions": otherwise or {}}} | parts


def switch(actions: Actions) -> Actions:
    cases = {"Two": {"case": 2, "actions": actions}, "One": {"case": 1, "actions": {"NotTaken": POST}}}
    return {"type": "Switch", "expression": "@int('2')", "cases": cases, "default": {"actions": {"Default": POST}}}


def each(actions: Actions, count: int = 3, *, at_once: int = 1) -> Actions:
    repetitions = {"runtimeConfiguration": {"concurrency": {"repetitions": at_once}}}
    return {"type": "Foreach", "foreach": f"@range(0, {count})", "actions": actions} | repetitions


def until(actions: Actions, expression: str = "@greaterOrEquals(iterationIndexes('U'), 2)") -> Actions:
    return {"type": "Until", "expression": expression, "limit": {"count": 5}, "actions": actions}


def terminate(status: str = "Failed", **parts: Any) -> Actions:
    return {"type": "Terminate", "inputs": {"runStatus": status}} | parts


def put(name: str, value: Any, **parts: Any) -> Actions:
    return {"type": "SetVariable", "inputs": {"name": name, "value": value}} | parts


#: Order posted, then the audit call: what everybody fears to repeat.
PAIR: Actions = {"Order": POST, "Audit": http(), "Note": compose("@outputs('Audit')")}

#: (shape, actions, the calls that fail, the calls a resume makes)
SHAPES: list[tuple[str, Actions, set[str], list[str]]] = [
    ("straight", PAIR, {"Audit"}, ["Audit"]),
    ("the first action", PAIR, {"Order"}, ["Order", "Audit"]),
    ("skipped followers run", {**PAIR, "Mail": POST}, {"Audit"}, ["Audit", "Mail"]),
    ("in a scope", {"S": scope(PAIR), "Mail": POST}, {"Audit"}, ["Audit", "Mail"]),
    ("in a scope in a scope", {"S": scope({"T": scope(PAIR), "V": POST})}, {"Audit"}, ["Audit", "V"]),
    ("in the branch that was taken", {"If": if_true(PAIR, {"E": POST})}, {"Audit"}, ["Audit"]),
    ("in the other branch", {"If": if_true({"E": POST}, PAIR, "@equals(1, 2)")}, {"Audit"}, ["Audit"]),
    ("in a case", {"Sw": switch(PAIR), "Z": POST}, {"Audit"}, ["Audit", "Z"]),
    ("beside what went well", {"A": POST | {"runAfter": {}}, "B": http() | {"runAfter": {}}, "C": POST | {"runAfter": after(A="Succeeded", B="Succeeded")}}, {"B"}, ["B", "C"]),
    ("beside a branch with followers", {"S": scope({"A": POST, "A2": POST}) | {"runAfter": {}}, "B": http() | {"runAfter": {}}}, {"B"}, ["B"]),
    ("two at once", {"A": http() | {"runAfter": {}}, "B": http() | {"runAfter": {}}}, {"A", "B"}, ["A", "B"]),
    ("one pass of a loop", {"L": each(PAIR), "Z": POST}, {"Audit[1]"}, ["Audit[1]", "Z"]),
    ("passes of a loop, one at a time", {"L": each(PAIR)}, {"Audit[0]", "Audit[2]"}, ["Audit[0]", "Audit[2]"]),
    ("passes of a loop, side by side", {"L": each(PAIR, at_once=3)}, {"Order[0]", "Audit[2]"}, ["Order[0]", "Audit[2]", "Audit[0]"]),
    ("a loop in a loop", {"L": each({"M": each(PAIR, 2)}, 2)}, {"Audit[1][0]"}, ["Audit[1][0]"]),
    ("two inner loops", {"L": each({"M": each(PAIR, 2), "N": POST}, 2)}, {"Audit[0][1]", "Order[1][0]"}, ["Audit[0][1]", "N[0]", "Order[1][0]", "Audit[1][0]", "N[1]"]),
    ("a branch in a loop", {"L": each({"If": if_true(PAIR), "N": POST})}, {"Audit[2]"}, ["Audit[2]", "N[2]"]),
    ("a scope in a branch in a loop", {"L": each({"If": if_true({"S": scope(PAIR)})})}, {"Audit[0]", "Order[1]"}, ["Audit[0]", "Order[1]", "Audit[1]"]),
    ("the last pass of an Until", {"U": until(PAIR), "Z": POST}, {"Audit[2]"}, ["Audit[2]", "Z"]),
    ("an Until that failed on and on", {"U": until({"Ask": http()}, "@equals(body('Ask')?['a'], 1)"), "Z": POST}, {"Ask[1]", "Ask[2]", "Ask[3]", "Ask[4]"}, ["Ask[1]", "Ask[2]", "Ask[3]", "Ask[4]", "Z"]),
    ("an Until that did things all the same", {"U": until(PAIR)}, {"Audit[1]", "Audit[2]"}, ["Audit[2]"]),
    ("an Until in a loop", {"L": each({"U": until({"Order": POST, "Audit": http()}, "@true")}, 2)}, {"Audit[1][0]"}, ["Audit[1][0]"]),
    ("what ran whatever happened is not repeated", {"A": http(), "Always": POST | {"runAfter": after(A=BOTH)}, "B": POST | {"runAfter": after(A="Succeeded", Always="Succeeded")}}, {"A"}, ["A", "B"]),
    ("a handler goes", {"A": http(), "Sorry": POST | {"runAfter": after(A="Failed")}, "B": POST | {"runAfter": after(A="Succeeded")}}, {"A"}, ["A", "B"]),
    ("a handler that failed too", {"A": http(), "Sorry": POST | {"runAfter": after(A="Failed")}}, {"A", "Sorry"}, ["A"]),
    ("a failure that was handled stays", {"A": http(), "Make": POST | {"runAfter": after(A="Failed")}, "B": http()}, {"A", "B"}, ["B"]),
    ("try and catch", {"Try": scope(PAIR), "Catch": scope({"Sorry": POST, "Stop": terminate()}, runAfter=after(Try="Failed")), "Mail": POST | {"runAfter": after(Try="Succeeded")}}, {"Audit"}, ["Audit", "Mail"]),
    ("a decision on what failed is made anew", {"Try": scope(PAIR), "If": if_true({"Mail": POST}, {"Sorry": POST, "Stop": terminate()}, "@equals(actions('Try').status, 'Succeeded')", runAfter=after(Try=BOTH))}, {"Audit"}, ["Audit", "Mail"]),
    ("a Terminate beside it", {"A": http() | {"runAfter": {}}, "Stop": terminate(runAfter=after(A="Failed")), "Slow": POST | {"runAfter": {}}}, {"A"}, ["A", "Slow"]),
    ("a child flow", {"Order": POST, "C": child(), "Z": http()}, {"C"}, ["C", "Z"]),
    ("a webhook that could not subscribe", {"Order": POST, "W": webhook()}, {"W"}, ["W", "W"]),
]  # fmt: skip


def failed_at(actions: Actions, fails: set[str], outcome: Outcome = UNAUTHORIZED) -> Drive:
    return run(actions, lambda call: outcome if shown(call) in fails else OK)


@pytest.mark.parametrize(("shape", "actions", "fails", "calls"), SHAPES, ids=[one[0] for one in SHAPES])
def test_only_what_failed_is_done_again(shape: str, actions: Actions, fails: set[str], calls: list[str]) -> None:
    failed = failed_at(actions, fails)
    assert failed.status == "Failed"
    again = resumed(failed)
    assert again.called() == calls, shape
    assert again.status == "Succeeded"
    assert all(one.from_run in {"R1", ""} for one in again.found.entries)


def test_where_it_goes_on_is_told_with_its_passes() -> None:
    failed = failed_at({"L": each({"M": each(PAIR, 7)}, 2)}, {"Audit[1][2]"})
    found = resumption(failed)
    assert isinstance(found, Resumption)
    assert found.begins_with == ("Audit", (1, 2))
    assert found.passes == (Pass(loop="L", number=2, of=2), Pass(loop="M", number=3, of=7))
    # Fourteen orders, thirteen audits with their notes, and the inner loop that went well.
    assert found.kept == 14 + 13 + 13 + 1


def test_the_first_failure_is_where_it_goes_on() -> None:
    actions = {"Slow": http() | {"runAfter": {}}, "Quick": http() | {"runAfter": {}}}
    drive = Drive(flow_of(actions))
    drive.begin()
    slow, quick = drive.calls
    drive.answer(quick, UNAUTHORIZED)
    drive.later(seconds=1)
    drive.answer(slow, UNAUTHORIZED)
    found = resumption(drive)
    assert isinstance(found, Resumption)
    assert found.begins_with == ("Quick", ())


def test_what_it_takes_over_says_where_it_comes_from_also_the_second_time() -> None:
    first = failed_at({**PAIR, "Mail": POST}, {"Audit"})
    second = resumed(first, {"Mail": UNAUTHORIZED})
    third = resumed(second, name="R3")
    assert third.called() == ["Mail"]
    came_from = {one.name: one.from_run for one in third.found.entries}
    assert came_from == {"Order": "R1", "Audit": "R2", "Note": "R2"}
    assert third.status == "Succeeded"


def test_a_sequential_loop_stays_sequential() -> None:
    failed = failed_at({"L": each(PAIR, 5)}, {f"Audit[{index}]" for index in range(5)})
    again = Resumed(failed)
    open_at_once = []

    def answer(call: CallOperation) -> Outcome:
        open_at_once.append(sum(1 for one in again.state.unfinished.values() if one.key))
        return OK

    again.finish(answer)
    assert again.called() == [f"Audit[{index}]" for index in range(5)]
    assert set(open_at_once) == {1}


def test_items_are_those_of_the_first_run() -> None:
    loop = each({"A": http(body="@items('L')")}) | {"foreach": "@createArray(guid(), guid(), guid())"}
    failed = failed_at({"L": loop}, {"A[1]"})
    again = resumed(failed)
    assert again.record("A", 1).inputs == failed.record("A", 1).inputs


# -- variables ----------------------------------------------------------------------------------------------------


def test_variables_are_as_the_kept_actions_left_them() -> None:
    actions = VARIABLES | {"One": put("n", 1), "A": http(), "Sorry": put("n", 9, runAfter=after(A="Failed")), "Two": put("list", ["@variables('n')"]) | {"runAfter": after(A="Succeeded")}}  # fmt: skip
    again = resumed(failed_at(actions, {"A"}))
    assert again.state.variables["n"].read() == 1
    assert again.state.variables["list"].read() == [1]


def test_what_a_handler_counted_counts_no_more() -> None:
    good, bad = ADD | {"runAfter": after(A="Succeeded")}, ADD | {"runAfter": after(A="Failed")}
    failed = failed_at(VARIABLES | {"L": each({"A": http(), "Bad": bad, "Good": good})}, {"A[0]"})
    assert failed.state.variables["n"].read() == 3
    again = resumed(failed)
    assert again.called() == ["A[0]"]
    assert again.state.variables["n"].read() == 3


def test_an_append_keeps_its_order() -> None:
    collect = {"type": "AppendToArrayVariable", "inputs": {"name": "list", "value": "@item()"}}
    failed = failed_at(VARIABLES | {"L": each({"P": collect, "A": http()}, 3)}, {"A[1]"})
    assert resumed(failed).state.variables["list"].read() == [0, 1, 2]


def test_each_pass_that_goes_on_sets_its_variable_first() -> None:
    said = http(method="POST", body="@variables('n')")
    actions = VARIABLES | {"L": each({"Set": put("n", "@item()"), "Again": put("n", "@add(variables('n'), 1)"), "If": if_true({"Mail": said})}, 4)}  # fmt: skip
    failed = failed_at(actions, {"Mail[1]", "Mail[2]", "Mail[3]"})
    again = resumed(failed)
    assert again.called() == ["Mail[1]", "Mail[2]", "Mail[3]"]
    assert [told(call) for call in again.calls] == [2, 3, 4]


def test_what_read_a_variable_that_was_not_yet_set_reads_it_again() -> None:
    actions = VARIABLES | {"Try": scope({"A": http(), "Set": put("n", 7)}), "Finally": compose("@variables( 'N' )", runAfter=after(Try=BOTH)), "B": http(body="@outputs('Finally')"), "C": http() | {"runAfter": after(Try="Succeeded")}}  # fmt: skip
    again = resumed(failed_at(actions, {"A", "B"}))
    assert sorted(again.called()) == ["A", "B", "C"]
    assert again.record("B").inputs["body"] == 7


def test_what_read_an_action_whose_name_has_an_apostrophe_reads_it_again() -> None:
    read = compose("@outputs('Bob''s')", runAfter=after(**{"Bob's": BOTH}))
    actions = {"Bob's": http(), "Read": read, "B": http() | {"runAfter": after(**{"Bob's": "Succeeded"})}}
    assert resumed(failed_at(actions, {"Bob's"})).record("Read").outputs["statusCode"] == 200


def test_a_container_goes_on_only_after_what_is_done_again_before_it_and_its_time_begins_then() -> None:
    both = after(A=BOTH)
    late = scope({"Order": POST, "B": http()}, limit={"timeout": "PT10S"}, runAfter=both)
    failed = failed_at({"A": http(), "S": late, "C": http() | {"runAfter": after(A="Succeeded")}}, {"A", "B"})
    again = Resumed(failed)
    commands = again.send(Recovered())
    assert again.called() == ["A"]
    again.later(hours=1)
    again.send(TimerFired(("S", ())))
    again.to_end(None, [command for command in commands if isinstance(command, CallOperation)])
    assert (sorted(again.called()), again.status) == (["A", "B", "C"], "Succeeded")


@pytest.mark.parametrize(
    ("late", "count"),
    [
        (scope({"Order": POST, "B": http()}), None),
        (each({"Order": POST, "B": http()}, 3), 3),
        (until({"B": http()}), 1),
    ],
)
def test_a_run_cancelled_before_a_container_goes_on_tells_its_passes_and_is_resumed_once_more(
    late: Actions, count: int | None
) -> None:
    last = {"C": http() | {"runAfter": after(A="Succeeded")}}
    flow = {"A": http(), "U": late | {"runAfter": after(A=BOTH)}, **last}
    failed = run(flow, lambda call: OK if call.key[0] == "Order" else UNAUTHORIZED)
    again = Resumed(failed)
    again.send(Recovered())
    again.send(CancelRequested())
    assert (again.status, again.record("U").status) == ("Cancelled", Status.CANCELLED)
    assert again.record("U").details.get("count") == count
    third = resumed(again, name="R3")
    assert third.status == "Succeeded"
    assert "Order" not in {call.key[0] for call in third.calls}


def told(call: CallOperation) -> Any:
    assert isinstance(call.call, HttpCall)
    return call.call.body


# -- endings ------------------------------------------------------------------------------------------------------


def test_a_flow_that_ended_itself_has_nothing_to_resume() -> None:
    found = resumption(run({"A": POST, "If": if_true({"Stop": terminate()}), "B": POST}))
    assert isinstance(found, Refusal)
    assert found.code == "EndedByTerminate"


def test_what_the_flow_stopped_beside_itself_did_not_fail() -> None:
    actions = {"Slow": POST | {"runAfter": {}}, "Stop": terminate(runAfter={})}
    found = resumption(run(actions))
    assert isinstance(found, Refusal)
    assert found.code == "EndedByTerminate"


def test_a_run_that_was_cancelled_goes_on_where_it_stood() -> None:
    drive = Drive(flow_of({"A": POST, "S": scope({"B": POST, "C": POST}), "D": POST}))
    drive.begin()
    drive.answer(drive.calls[0])
    drive.send(CancelRequested(by="ada"))
    again = resumed(drive)
    assert again.called() == ["B", "C", "D"]
    assert again.found.kept_keys[0].key == drive.calls[1].client_request_id  # nobody knows whether it happened


def test_a_run_that_was_cancelled_between_two_actions_goes_on_with_the_next() -> None:
    drive = Drive(flow_of({"A": POST, "B": POST}))
    drive.send(CancelRequested())
    again = resumed(drive)
    assert (again.called(), again.found.begins_with) == (["A", "B"], ("A", ()))


def test_a_wait_that_was_cancelled_begins_again() -> None:
    drive = Drive(flow_of({"A": POST, "W": WAIT, "B": POST}))
    drive.begin()
    drive.answer(drive.calls[0])
    drive.send(CancelRequested())
    assert resumed(drive).called() == ["B"]


def test_a_container_that_timed_out_has_its_time_anew() -> None:
    actions = {"S": scope({"A": POST, "B": http(), "C": POST}, limit={"timeout": "PT10S"})}
    drive = Drive(flow_of(actions))
    drive.begin()
    drive.answer(drive.calls[0])
    drive.later(seconds=20)
    drive.to_end(None, [command for command in drive.commands if type(command).__name__ == "WaitUntil"])
    assert drive.status == "Failed"
    again = resumed(drive)
    assert (again.called(), again.status) == (["B", "C"], "Succeeded")


def test_an_until_that_reached_its_limit_has_as_many_passes_anew() -> None:
    unmet = until({"Ask": http()}, "@equals(body('Ask')?['a'], 1)")
    unmet |= {"limit": {"count": 2}, "operationOptions": "FailWhenLimitsReached"}
    failed = run({"U": unmet, "Z": POST})
    assert failed.record("U").status is Status.TIMED_OUT
    again = resumed(failed)
    assert (again.called(), again.record("U").details) == (["Ask[2]", "Ask[3]"], {"count": 4})
    met = Outcome(status=Status.SUCCEEDED, code="OK", outputs={"statusCode": 200, "body": {"a": 1}})
    assert resumed(again, {"Ask": met}, name="R3").called() == ["Ask[4]", "Z"]


def test_an_answer_that_was_given_is_not_given_again() -> None:
    actions = {"A": POST, "R": {"type": "Response", "inputs": {"body": "ok"}}, "B": http()}
    again = resumed(failed_at(actions, {"B"}))
    assert again.called() == ["B"]
    assert again.record("R").from_run == "R1"
    assert not again.state.answer_is_missing


def test_a_caller_that_heard_of_the_failure_is_not_answered_once_more() -> None:
    sorry = {"type": "Response", "inputs": {"statusCode": 502}, "runAfter": after(A="Failed")}
    good = {"type": "Response", "inputs": {}, "runAfter": after(A="Succeeded")}
    failed = failed_at(
        {"A": http(), "Sorry": sorry, "Good": good, "B": http() | {"runAfter": after(A="Succeeded")}}, {"A"}
    )
    again = resumed(failed)
    assert (again.called(), again.record("Good").code) == (["A", "B"], "ActionResponseSkipped")


# -- keys ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("outcomes", "keeps"),
    [
        ([UNAUTHORIZED], False),
        ([LOST], True),
        ([UNAVAILABLE] * 5, True),
        ([UNAVAILABLE, UNAUTHORIZED], True),  # the first try may have happened
    ],
)
def test_a_call_of_unknown_fate_keeps_its_key_and_a_refused_one_gets_a_new_one(
    outcomes: list[Outcome],
    keeps: bool,  # a column of the table
) -> None:
    failed = run({"A": POST}, {"A": outcomes})
    again = resumed(failed)
    assert (again.calls[0].client_request_id == failed.calls[0].client_request_id) is keeps
    assert again.record("A").key == again.calls[0].client_request_id


def test_a_kept_key_stays_until_its_call_succeeds() -> None:
    flow: Actions = {"P": http() | {"runAfter": {}}, "A": POST | {"runAfter": after(P=BOTH)}}
    first = run(flow, {"P": OK, "A": LOST})
    refused = resumed(first, {"A": UNAUTHORIZED})
    stopped = Resumed(refused, name="R3")
    stopped.send(CancelRequested())  # before it was made
    last = resumed(stopped, name="R4")
    assert {drive.calls[-1].client_request_id for drive in (first, refused, last)} == {first.record("A").key}
    assert effects(refused) == [("A", 1, False, False)]
    again = resumed(run(flow | {"Z": http()}, {"A": LOST}), {"Z": UNAUTHORIZED})
    assert Resumed(again, name="R3").start.kept_keys == ()


def test_a_call_in_doubt_that_its_owner_let_fail_keeps_its_key() -> None:
    drive = Drive(flow_of({"A": POST}))
    drive.begin()
    drive.send(CallInDoubt(("A", ())))
    drive.send(DoubtAnswered(("A", ()), "fail"))
    again = resumed(drive)
    assert again.calls[0].client_request_id == drive.calls[0].client_request_id


def test_a_call_its_service_has_taken_up_is_asked_about_and_not_made_again() -> None:
    failed = run({"A": POST}, {"A": [ACCEPTED, UNAUTHORIZED]})
    assert failed.status == "Failed"
    again = resumed(failed)
    (call,) = again.calls
    assert isinstance(call.call, FollowUp)
    assert (call.call.method, call.call.location, again.status) == ("GET", "/jobs/7", "Succeeded")


def test_a_call_whose_service_said_that_it_failed_is_made_again() -> None:
    gone = Outcome(status=Status.FAILED, code="Gone", outputs={"statusCode": 410}, was_refused=True)
    again = resumed(run({"A": POST}, {"A": [ACCEPTED, gone]}))
    assert not isinstance(again.calls[0].call, FollowUp)


# -- another definition -------------------------------------------------------------------------------------------


def changed(actions: Actions, **changes: Actions) -> Any:
    return flow_of({name: changes.get(name, action) for name, action in actions.items()})


LONG: Actions = {"Order": POST, "S": scope({"A": POST, "B": http(), "C": POST}), "Mail": POST}


@pytest.mark.parametrize(
    ("shape", "onto"),
    [
        ("what failed is another call", LONG | {"S": scope({"A": POST, "B": http(uri="http://service/y"), "C": POST})}),
        ("what comes later is another call", LONG | {"Mail": http(method="PUT")}),
        ("something comes later", LONG | {"More": POST}),
        ("something comes later inside", LONG | {"S": scope({"A": POST, "B": http(), "C": POST, "D": POST})}),
        ("what comes later is gone", {"Order": POST, "S": scope({"A": POST, "B": http()})}),
        ("what failed is gone", {"Order": POST, "S": scope({"A": POST, "C": POST}), "Mail": POST}),
    ],
)
def test_another_definition_is_taken_where_it_says_the_same_of_what_has_run(shape: str, onto: Actions) -> None:
    again = resumed(failed_at(LONG, {"B"}), onto=flow_of(onto))
    assert again.status == "Succeeded", shape
    assert not {"Order", "A"} & set(again.called())


@pytest.mark.parametrize(
    ("shape", "onto", "found"),
    [
        ("finished, other inputs", LONG | {"Order": http(method="PUT")}, [("Order", "inputs")]),
        ("finished, gone", {"S": LONG["S"], "Mail": POST}, [("S", "runAfter"), ("Order", "removed")]),
        ("finished, elsewhere", LONG | {"S": scope({"B": http(), "C": POST}), "A": POST}, [("A", "moved")]),
        ("finished, after another", {"New": POST, **LONG}, [("Order", "runAfter")]),
        ("its container is another", LONG | {"S": if_true(LONG["S"]["actions"])}, [("S", "type"), ("S", "condition")]),
    ],
)
def test_another_definition_is_refused_with_what_differs(
    shape: str, onto: Actions, found: list[tuple[str, str]]
) -> None:
    refusal = resumption(failed_at(LONG, {"B"}), flow_of(onto))
    assert isinstance(refusal, Refusal), shape
    assert refusal.code == "DefinitionDiffers"
    expected = [Difference(action=action, what=what) for action, what in found]
    assert [one for one in refusal.differences if one in expected] == expected


def test_what_was_skipped_for_what_came_before_it_must_still_be_skipped_for_that() -> None:
    old = {"A": POST, "H": POST | {"runAfter": after(A="Failed")}, "B": http() | {"runAfter": after(A="Succeeded")}}
    refusal = resumption(failed_at(old, {"B"}), flow_of(old | {"H": POST | {"runAfter": after(A="Succeeded")}}))
    assert isinstance(refusal, Refusal)
    assert refusal.differences == (Difference(action="H", what="runAfter"),)


def test_what_was_in_a_branch_that_was_not_taken_is_decided_anew_where_it_is_now() -> None:
    taken = {"X": POST, "B": http()}
    failed = failed_at({"If": if_true(taken, {"N": POST, "M": POST})}, {"B"})
    unchained = {"N": POST, "M": POST | {"runAfter": {}}}
    assert resumed(failed, onto=flow_of({"If": if_true(taken, unchained)})).called() == ["B"]
    assert resumed(failed, onto=flow_of({"If": if_true(taken), "N": POST})).called() == ["B", "N"]


def test_a_finished_container_is_the_same_only_with_what_is_in_it() -> None:
    flow = {"S": scope({"A": POST}), "B": http()}
    refusal = resumption(failed_at(flow, {"B"}), flow_of(flow | {"S": scope({"A": POST, "New": POST})}))
    assert isinstance(refusal, Refusal)
    assert refusal.differences == (Difference(action="S", what="actions"),)


# -- effects ------------------------------------------------------------------------------------------------------


def facts(node: Any, record: Any) -> CallFacts:
    is_read = record.inputs.get("method") == "GET"
    return CallFacts(is_read=is_read, honours_key=node.name == "Order", words=f"do {node.name}")


def effects(drive: Drive) -> list[tuple[str, int, bool, bool]]:
    found = resumption(drive)
    assert isinstance(found, Resumption)
    listed = repeated_effects(
        drive.compiled, found.dropped, facts, kept_keys=found.kept_keys, on_failure=found.on_failure
    )
    return [(one.action, one.count, one.is_certain, one.key_is_honoured) for one in listed]


def test_a_handler_s_mail_is_sent_again_only_if_it_fails_again_and_a_kept_order_never() -> None:
    failed = failed_at({"Order": POST, "A": http(), "Sorry": POST | {"runAfter": after(A="Failed")}, "B": http() | {"runAfter": after(A="Succeeded")}}, {"A"})  # fmt: skip
    assert effects(failed) == [("Sorry", 1, True, False)]
    on_failure = ran_on_failure(failed.compiled, failed.entries)
    everything = repeated_effects(failed.compiled, failed.records.values(), facts, on_failure=on_failure)
    assert [(one.action, one.operation, one.only_on_failure) for one in everything] == [
        ("Order", "do Order", False), ("Sorry", "do Sorry", True),
    ]  # fmt: skip


def test_a_call_of_unknown_fate_may_happen_twice_unless_its_service_knows_the_key() -> None:
    assert effects(run({"Order": POST}, {"Order": LOST})) == [("Order", 1, False, True)]
    assert effects(run({"Mail": POST}, {"Mail": LOST})) == [("Mail", 1, False, False)]
    assert effects(run({"Mail": POST}, {"Mail": UNAUTHORIZED})) == []


def test_what_subscribed_or_started_a_flow_is_told_to_do_so_again() -> None:
    assert effects(run({"C": child()}, {"C": LOST})) == [("C", 1, False, False)]
    assert effects(run({"C": child()}, {"C": UNAUTHORIZED})) == [("C", 1, False, False)]
    drive = Drive(flow_of({"W": webhook()}))
    drive.begin()
    drive.answer(drive.calls[0])
    drive.send(CancelRequested())
    assert effects(drive) == [("W", 1, False, False)]


def test_passes_of_a_loop_are_counted_together_and_child_flows_are_named() -> None:
    failed = failed_at({"L": each({"Order": POST, "C": child()}, 3), "Z": http()}, {"Z"})
    listed = repeated_effects(failed.compiled, failed.records.values(), facts)
    assert [(one.action, one.count, one.starts_flow) for one in listed] == [("Order", 3, False), ("C", 3, True)]


def test_expressions_of_what_was_taken_over_can_be_looked_back_at() -> None:
    loop = each({"M": each(PAIR, 2), "Last": http()}, 2)
    again = resumed(failed_at({"L": loop}, {"Last[1]"}))
    node, at = again.compiled.nodes["Order"], (1, 1)
    entries = entries_before(node, at, again.entries)
    assert entries is not None
    scope_then = past_scope(past_state(again.compiled, again.start, entries), again.moment, node, at)
    assert (scope_then.items("M"), scope_then.items("L")) == (1, 1)


# -- what the run can read ----------------------------------------------------------------------------------------


def test_a_run_reads_which_attempt_it_is() -> None:
    said = compose("@workflow()['run']")
    failed = failed_at({"A": http(), "B": said}, {"A"})
    view = resumed(failed).record("B").outputs
    assert (view["attempt"], view["originRunName"], view["isResume"]) == (2, "R1", True)
    first = run({"B": said}, start=start_of()).record("B").outputs
    assert (first["attempt"], first["originRunName"], first["isResume"]) == (1, None, False)


def test_a_run_that_succeeded_or_failed_without_a_failure_is_refused() -> None:
    assert isinstance(resumption(run({"A": http()})), Refusal)
    handled = run({"A": failing(), "B": compose(runAfter=after(A="Failed"))})
    found = resumption(handled)
    assert isinstance(found, Refusal)
    assert found.code == "NothingToResume"


def test_what_was_not_found_and_not_handled_is_asked_for_again() -> None:
    assert resumed(run({"A": POST, "B": http()}, {"B": NOT_FOUND})).called() == ["B"]
