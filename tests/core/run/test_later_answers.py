"""Answers that come later: accepted calls are polled, child flows awaited, webhooks called back."""

from datetime import timedelta
from typing import Any

import pytest

from core.run.driving import BEGINNING, NOT_FOUND, OK, UNAVAILABLE, Drive, compose, flow_of, http, start_of
from flowmend.core.outcome import Outcome, Status
from flowmend.core.run import (
    AnswerArrived,
    AnswerAwaited,
    CallFinished,
    CallInDoubt,
    CancelRequested,
    ChildCall,
    DoubtAnswered,
    FollowUp,
    HttpCall,
    Recovered,
    TimerFired,
    Unsubscribe,
    WaitUntil,
)

ACCEPTED = Outcome(
    status=Status.SUCCEEDED,
    code="Accepted",
    outputs={"statusCode": 202, "headers": {"Location": "/jobs/7"}, "body": {}},
    retry_after_seconds=3.0,
)
STILL = Outcome(status=Status.SUCCEEDED, code="Accepted", outputs={"statusCode": 202, "headers": {}})
WEBHOOK: dict[str, Any] = {
    "type": "HttpWebhook",
    "inputs": {
        "subscribe": {
            "method": "POST",
            "uri": "http://service/hooks",
            "body": {"url": "@{listCallbackUrl()}"},
            "authentication": {"type": "Basic", "username": "ann", "password": "s3cret"},
        },
        "unsubscribe": {"method": "DELETE", "uri": "http://service@{action()?['outputs']?['headers']?['Location']}"},
    },
}
SUBSCRIBED = Outcome(
    status=Status.SUCCEEDED, code="Created", outputs={"statusCode": 201, "headers": {"Location": "/hooks/1"}}
)
CALLBACK = Outcome(status=Status.SUCCEEDED, code="OK", outputs={"headers": {}, "body": {"decision": "Approve"}})
CHILD: dict[str, Any] = {"type": "Workflow", "inputs": {"host": {"workflow": {"id": "/a/workflows/child"}}, "body": 1}}
ANSWER = Outcome(status=Status.SUCCEEDED, code="OK", outputs={"statusCode": 200, "headers": {}, "body": 5})


def webhook(**parts: Any) -> Drive:
    drive = Drive(flow_of({"W": WEBHOOK | parts, "Z": compose("@body('W')?['decision']")}))
    drive.begin()
    return drive


# -- accepted calls ------------------------------------------------------------------------------------------


def test_an_accepted_call_is_asked_for_at_its_location_until_it_is_done() -> None:
    drive = Drive(flow_of({"A": http(), "Z": compose("@body('A')")}))
    drive.begin()
    (wait,) = drive.answer(drive.calls[0], ACCEPTED)
    assert wait == WaitUntil(("A", ()), BEGINNING + timedelta(seconds=3))
    drive.later(seconds=3)
    (poll,) = drive.send(TimerFired(("A", ())))
    assert isinstance(poll.call, FollowUp)
    assert (poll.call.method, poll.call.location, poll.call.call) == ("GET", "/jobs/7", drive.calls[0].call)
    (again,) = drive.answer(poll, STILL)
    assert again == WaitUntil(("A", ()), drive.moment.now + timedelta(seconds=10))
    drive.later(seconds=10)
    (second,) = drive.send(TimerFired(("A", ())))
    assert second.call.location == "/jobs/7"
    drive.answer(second, OK)
    assert (drive.status, drive.record("A").outputs, drive.record("A").code) == ("Succeeded", OK.outputs, "OK")


def test_a_poll_that_fails_is_how_the_action_ended() -> None:
    drive = Drive(flow_of({"A": http()}))
    drive.to_end({"A": [ACCEPTED, NOT_FOUND]})
    assert (drive.record("A").status, drive.record("A").code) == (Status.FAILED, "NotFound")


def test_a_poll_that_is_not_answered_is_tried_again() -> None:
    drive = Drive(flow_of({"A": http()})).to_end({"A": [ACCEPTED, UNAVAILABLE, OK]})
    assert (drive.status, [type(call.call).__name__ for call in drive.calls]) == (
        "Succeeded",
        ["HttpCall", "FollowUp", "FollowUp"],
    )


def test_polling_ends_with_the_actions_time() -> None:
    drive = Drive(flow_of({"A": http() | {"limit": {"timeout": "PT1M"}}})).to_end(lambda _call: ACCEPTED)
    assert (drive.record("A").status, drive.record("A").code) == (Status.TIMED_OUT, "ActionTimedOut")
    assert drive.moment.now <= BEGINNING + timedelta(minutes=2)


def test_without_the_async_pattern_202_is_the_answer() -> None:
    drive = Drive(flow_of({"A": http() | {"operationOptions": "DisableAsyncPattern"}})).to_end({"A": ACCEPTED})
    assert (drive.record("A").outputs["statusCode"], len(drive.calls)) == (202, 1)


def test_202_without_an_address_is_the_answer() -> None:
    assert Drive(flow_of({"A": http()})).to_end({"A": STILL}).record("A").code == "Accepted"


# -- webhooks ------------------------------------------------------------------------------------------------


def test_a_webhook_subscribes_waits_and_unsubscribes() -> None:
    drive = webhook()
    subscribing = drive.calls[0].call
    assert isinstance(subscribing, HttpCall)
    assert subscribing.body["url"].startswith("https://callback.flowmend.invalid/runs/R1/actions/W/callback")
    assert drive.answer(drive.calls[0], SUBSCRIBED) == []
    assert (drive.record("W").status, drive.record("W").code) == (Status.WAITING, "AwaitingCallback")
    (unsubscribing,) = drive.send(AnswerArrived(("W", ()), CALLBACK))
    assert (unsubscribing.call.method, unsubscribing.call.uri) == ("DELETE", "http://service/hooks/1")
    assert drive.state.end is None
    drive.answer(unsubscribing, OK)
    assert (drive.record("W").outputs, drive.record("W").code) == (CALLBACK.outputs, "OK")
    assert (drive.status, drive.record("Z").outputs) == ("Succeeded", "Approve")


@pytest.mark.parametrize("outcome", [NOT_FOUND, UNAVAILABLE])
def test_how_the_unsubscribing_ends_changes_nothing(outcome: Outcome) -> None:
    drive = webhook()
    drive.answer(drive.calls[0], SUBSCRIBED)
    (call,) = drive.send(AnswerArrived(("W", ()), CALLBACK))
    drive.answer(call, outcome)
    assert (drive.status, drive.record("W").outputs) == ("Succeeded", CALLBACK.outputs)


def test_a_callback_that_comes_twice_or_late_changes_nothing() -> None:
    drive = webhook()
    drive.answer(drive.calls[0], SUBSCRIBED)
    (call,) = drive.send(AnswerArrived(("W", ()), CALLBACK))
    other = Outcome(status=Status.SUCCEEDED, code="OK", outputs={"headers": {}, "body": {"decision": "Reject"}})
    assert drive.send(AnswerArrived(("W", ()), other)) == []
    drive.answer(call)
    assert drive.send(AnswerArrived(("W", ()), other)) == []
    assert drive.record("Z").outputs == "Approve"


def test_a_callback_may_come_before_its_subscription_is_through() -> None:
    drive = webhook()
    assert drive.send(AnswerArrived(("W", ()), CALLBACK)) == []
    (call,) = drive.recovered().send(Recovered())[:1]
    assert call.is_repeat
    (unsubscribing,) = drive.answer(drive.calls[0], SUBSCRIBED)
    drive.answer(unsubscribing)
    assert drive.record("Z").outputs == "Approve"


def test_a_callback_shows_that_a_failed_subscribing_happened() -> None:
    drive = webhook()
    drive.send(AnswerArrived(("W", ()), CALLBACK))
    drive.to_end(None, drive.answer(drive.calls[0], UNAVAILABLE))
    assert (drive.status, drive.record("Z").outputs) == ("Succeeded", "Approve")


def test_a_subscribing_that_is_refused_fails_the_action() -> None:
    drive = webhook()
    drive.answer(drive.calls[0], NOT_FOUND)
    assert (drive.record("W").status, drive.record("W").code) == (Status.FAILED, "NotFound")


def test_a_webhook_times_out_and_unsubscribes() -> None:
    drive = webhook(limit={"timeout": "PT1H"})
    drive.answer(drive.calls[0], SUBSCRIBED)
    drive.later(hours=1)
    (call,) = drive.send(TimerFired(("W", ())))
    assert call.call.method == "DELETE"
    drive.send(TimerFired(("W", ())))  # the same timer again
    drive.answer(call)
    record = drive.record("W")
    assert (record.status, record.code, record.outputs) == (Status.TIMED_OUT, "ActionTimedOut", None)


def test_cancelling_leaves_an_unsubscribing_behind() -> None:
    drive = webhook()
    drive.answer(drive.calls[0], SUBSCRIBED)
    commands = drive.send(CancelRequested())
    assert [one.call.method for one in commands if isinstance(one, Unsubscribe)] == ["DELETE"]
    assert drive.record("W").status is Status.CANCELLED


def test_a_secret_of_the_subscribing_is_sent_and_not_recorded() -> None:
    drive = webhook()
    assert drive.calls[0].call.authentication["password"] == "s3cret"
    assert "s3cret" not in str(drive.entries)


def test_a_subscribing_in_doubt_may_be_confirmed_or_shown_by_its_callback() -> None:
    drive = webhook()
    drive.send(CallInDoubt(("W", ())))
    confirmed = drive.recovered()
    confirmed.send(DoubtAnswered(("W", ()), "happened"))
    assert confirmed.record("W").code == "AwaitingCallback"
    (call,) = drive.send(AnswerArrived(("W", ()), CALLBACK))
    drive.answer(call)
    assert drive.record("W").error is None
    assert drive.record("Z").outputs == "Approve"


def test_a_connector_webhook_is_told_where_to_call_and_deletes_its_subscription() -> None:
    action = {
        "type": "OpenApiConnectionWebhook",
        "inputs": {"host": {"connectionName": "shared_approvals", "operationId": "Start"}, "parameters": {"a": 1}},
    }
    drive = Drive(flow_of({"L": {"type": "Foreach", "foreach": "@range(0, 2)", "actions": {"W": action}}}))
    drive.begin()
    first = next(call for call in drive.calls if call.key == ("W", (1,)))
    assert first.call.notification_url.endswith("/runs/R1/actions/W/repetitions/000001/callback")
    drive.answer(first, SUBSCRIBED)
    (call,) = drive.send(AnswerArrived(("W", (1,)), CALLBACK))
    assert (call.call.method, call.call.location) == ("DELETE", "/hooks/1")


# -- child flows ---------------------------------------------------------------------------------------------


def test_a_child_is_awaited_and_its_response_is_the_outputs() -> None:
    drive = Drive(flow_of({"C": CHILD, "Z": compose("@body('C')")}))
    (call,) = drive.begin()
    assert call.call == ChildCall(flow="child", trigger="", headers={}, body=1, has_body=True)
    (look,) = drive.send(AnswerAwaited(("C", ())))
    assert look == WaitUntil(("C", ()), BEGINNING + timedelta(seconds=60))
    assert (drive.record("C").status, drive.record("C").code) == (Status.WAITING, "AwaitingChildFlow")
    drive.send(AnswerArrived(("C", ()), ANSWER))
    assert (drive.status, drive.record("Z").outputs) == ("Succeeded", 5)


def test_an_answer_may_come_before_the_child_is_known_to_have_begun() -> None:
    drive = Drive(flow_of({"C": CHILD}))
    drive.begin()
    drive.send(AnswerArrived(("C", ()), ANSWER))
    assert drive.send(AnswerAwaited(("C", ()))) == []
    assert drive.status == "Succeeded"


def test_a_child_is_asked_for_in_case_its_answer_was_lost() -> None:
    drive = Drive(flow_of({"C": CHILD}))
    drive.begin()
    drive.send(AnswerAwaited(("C", ())))
    drive.later(seconds=60)
    (call,) = drive.send(TimerFired(("C", ())))
    assert call.is_repeat
    (look,) = drive.send(AnswerAwaited(("C", ())))
    assert look.at == drive.moment.now + timedelta(minutes=10)
    drive.send(CallFinished(("C", ()), ANSWER, drive.moment.now, drive.moment.now))
    assert (drive.status, drive.record("C").outputs) == ("Succeeded", ANSWER.outputs)


def test_a_child_that_takes_too_long_times_the_action_out() -> None:
    drive = Drive(flow_of({"C": CHILD | {"limit": {"timeout": "PT2M"}}}))
    drive.begin()
    drive.send(AnswerAwaited(("C", ())))
    drive.later(minutes=2)
    drive.send(TimerFired(("C", ())))
    assert (drive.record("C").status, drive.record("C").code) == (Status.TIMED_OUT, "ActionTimedOut")


@pytest.mark.parametrize(
    ("host", "flow"),
    [
        ({"workflow": {"id": "child"}}, "child"),
        ({"workflow": {"id": "/subscriptions/s/providers/Microsoft.Logic/workflows/child"}}, "child"),
        ({"workflow": {"id": "/x/workflows/child/triggers/manual"}}, "child"),
        ({"workflowReferenceName": "11111111-2222-3333-4444-555555555555"}, "11111111-2222-3333-4444-555555555555"),
    ],
)
def test_a_child_is_named_in_every_spelling(host: dict[str, Any], flow: str) -> None:
    drive = Drive(flow_of({"C": {"type": "Workflow", "inputs": {"host": host}}}))
    drive.begin()
    assert drive.calls[0].call.flow == flow


def test_a_patient_caller_is_still_there_after_a_restart() -> None:
    actions = {"A": http(), "R": {"type": "Response", "inputs": {"body": 1}}}
    drive = Drive(flow_of(actions), start_of(is_patient=True))
    drive.begin()
    other = drive.recovered()
    other.to_end(None, other.send(Recovered()))
    assert other.record("R").status is Status.SUCCEEDED


# -- what needs a host ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ({"type": "Function", "inputs": {"function": {"id": "/sites/s/functions/f"}}}, "MissingFunction"),
        ({"type": "ApiManagement", "inputs": {"api": {"id": "/apis/a"}, "method": "post"}}, "MissingApiManagement"),
    ],
)
def test_a_call_without_a_host_says_what_is_missing(action: dict[str, Any], code: str) -> None:
    drive = Drive(flow_of({"A": action}))
    drive.begin()
    assert drive.calls[0].call.code == code


def test_a_function_with_an_address_is_a_request() -> None:
    references = {"functionConnections": {"f": {"function": {"id": "/f"}, "triggerUrl": "https://f.example.com/api/f"}}}
    document = {
        "definition": {
            "triggers": {"manual": {"type": "Request", "kind": "Http", "inputs": {}}},
            "actions": {"F": {"type": "Function", "inputs": {"function": {"connectionName": "f"}, "body": {"a": 1}}}},
        },
        "connectionReferences": references,
    }
    from flowmend.core.definition import read_flow
    from flowmend.core.definition.flow import Packaging

    flow = read_flow(document, packaging=Packaging.PLAIN, name="t", flow_id="00000000-0000-4000-8000-000000000001").flow
    assert flow is not None
    drive = Drive(flow)
    drive.begin()
    assert (drive.calls[0].call.method, drive.calls[0].call.uri) == ("POST", "https://f.example.com/api/f")


def test_a_service_provider_is_an_operation_of_a_connector() -> None:
    configuration = {"connectionName": "sb", "operationId": "send", "serviceProviderId": "/serviceProviders/serviceBus"}
    action = {
        "type": "ServiceProvider",
        "inputs": {"parameters": {"q": 1}, "serviceProviderConfiguration": configuration},
    }
    drive = Drive(flow_of({"A": action}))
    drive.begin()
    call = drive.calls[0].call
    assert (call.connector, call.operation_id, call.parameters) == ("serviceproviders/servicebus", "send", {"q": 1})
