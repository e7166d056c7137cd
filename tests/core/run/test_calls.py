"""Outward actions: inputs, retries, holds, doubt, time-outs, static results."""

from datetime import timedelta
from typing import Any

import pytest

from core.run.driving import (
    BEGINNING,
    NOT_FOUND,
    OK,
    UNAUTHORIZED,
    UNAVAILABLE,
    Drive,
    after,
    compose,
    flow_of,
    http,
    run,
    start_of,
)
from flowmend.core.outcome import Outcome, Status
from flowmend.core.run import (
    AbandonCall,
    CallInDoubt,
    ConnectionRepaired,
    ConnectorCall,
    DoubtAnswered,
    HttpCall,
    Recovered,
    TimerFired,
    TypedCall,
    WaitUntil,
)

Actions = dict[str, Any]
HOLD: Actions = {"metadata": {"flowmend": {"onBrokenConnection": "holdAtAction"}}}


def begun(actions: Actions, **parts: Any) -> Drive:
    drive = Drive(flow_of(actions, **parts))
    drive.begin()
    return drive


def waits(drive: Drive) -> list[timedelta]:
    return [command.at - BEGINNING for command in drive.commands if isinstance(command, WaitUntil)]


def test_an_http_call_carries_its_evaluated_inputs() -> None:
    action = http(
        method="POST",
        uri="http://service/@{triggerBody()['n']}",
        headers={"a": "@string(1)"},
        queries={"q": "@add(1, 1)"},
        body={"n": "@triggerBody()['n']"},
        authentication={"type": "Basic", "username": "me", "password": "s3cret"},
    ) | {"operationOptions": "DisableAsyncPattern"}
    drive = begun({"A": action})
    call = drive.calls[0].call
    assert isinstance(call, HttpCall)
    assert (call.method, call.uri, call.headers, call.queries) == ("POST", "http://service/3", {"a": "1"}, {"q": 2})
    assert (call.body, call.has_body, call.options) == ({"n": 3}, True, frozenset({"disableasyncpattern"}))
    assert call.authentication["password"] == "s3cret"


def test_the_intent_is_journalled_first_and_without_secrets() -> None:
    drive = begun({"A": http(authentication={"type": "Basic", "username": "me", "password": "s3cret"})})
    record = drive.record("A")
    assert (record.status, record.key) == (Status.RUNNING, drive.calls[0].client_request_id)
    assert record.inputs["authentication"] == {"type": "Basic", "username": "me", "password": "*sanitized*"}
    assert "s3cret" not in repr(drive.entries)


def test_the_key_of_a_call_follows_from_run_action_and_pass() -> None:
    def key(run_name: str, items: list[int]) -> list[str]:
        loop = {"type": "Foreach", "foreach": items, "actions": {"A": http()}}
        drive = Drive(flow_of({"L": loop}), start_of(run_name=run_name))
        drive.begin()
        return [call.client_request_id for call in drive.calls]

    assert key("R1", [1, 2]) == key("R1", [1, 2])
    assert len({*key("R1", [1, 2]), *key("R2", [1, 2])}) == 4


@pytest.mark.parametrize(
    ("word", "inputs", "expected"),
    [
        (
            "classic",
            {
                "host": {"connection": {"name": "@parameters('$connections')['office365']['connectionId']"}},
                "method": "post",
                "path": "/v2/Mail/@{encodeURIComponent('a b')}",
                "queries": {"q": 1},
                "body": {"To": "@string('me')"},
            },
            ("office365", "office365", "", "post", "/v2/Mail/a%20b"),
        ),
        (
            "reference_name",
            {"host": {"connection": {"referenceName": "sql"}}, "method": "get", "path": "/x"},
            ("sql", "sql", "", "get", "/x"),
        ),
        (
            "open_api",
            {
                "host": {
                    "apiId": "/providers/Microsoft.PowerApps/apis/shared_office365",
                    "connectionName": "shared_office365_1",
                    "operationId": "SendEmailV2",
                },
                "parameters": {"emailMessage/To": "@string('me')"},
                "authentication": "@parameters('$authentication')",
            },
            ("shared_office365_1", "office365", "SendEmailV2", "", ""),
        ),
    ],
)
def test_a_connector_call_names_its_reference_in_every_spelling(
    word: str, inputs: Actions, expected: tuple[str, ...]
) -> None:
    kind = "OpenApiConnection" if word == "open_api" else "ApiConnection"
    drive = begun({"A": {"type": kind, "inputs": inputs}})
    call = drive.calls[0].call
    assert isinstance(call, ConnectorCall)
    assert (call.reference, call.connector, call.operation_id, call.method, call.path) == expected
    if kind == "OpenApiConnection":
        assert call.parameters == {"emailMessage/To": "me"}


@pytest.mark.parametrize(
    "authentication",
    [
        {"type": "Raw", "value": "@json(decodeBase64(triggerOutputs().headers['X-MS-APIM-Tokens']))['$ConnectionKey']"},
        "@parameters('$authentication')",
    ],
)
@pytest.mark.parametrize("kind", ["OpenApiConnection", "ApiConnection"])
def test_a_connectors_own_authentication_is_its_connections_and_not_evaluated(kind: str, authentication: Any) -> None:
    host = {"connectionName": "shared_x", "operationId": "Get", "apiId": "/apis/shared_x"}
    inputs = {"host": host, "method": "get", "path": "/x", "authentication": authentication}
    drive = run({"A": {"type": kind, "inputs": inputs}})
    assert drive.status == "Succeeded"
    assert drive.record("A").inputs["authentication"] == "*sanitized*"


@pytest.mark.parametrize("inputs", [{"uri": None}, {"uri": 5}, {"method": ""}])
def test_a_call_without_an_address_fails_before_it_is_sent(inputs: Actions) -> None:
    drive = begun({"A": http(**inputs)})
    assert (drive.record("A").status, drive.calls) == (Status.FAILED, [])


# -- retries ------------------------------------------------------------------------------------------------


def test_a_retryable_failure_is_tried_again_with_the_same_inputs_and_key() -> None:
    drive = run({"A": http(body="@guid()")}, {"A": [UNAVAILABLE, UNAVAILABLE, OK]})
    assert [call.attempt for call in drive.calls] == [1, 2, 3]
    assert len({call.client_request_id for call in drive.calls}) == 1
    assert len({call.call.body for call in drive.calls if isinstance(call.call, HttpCall)}) == 1
    record = drive.record("A")
    assert (record.status, [attempt.code for attempt in record.attempts]) == (
        Status.SUCCEEDED,
        ["ServiceUnavailable", "ServiceUnavailable", "OK"],
    )


@pytest.mark.parametrize(
    ("word", "policy", "outcome", "tries"),
    [
        ("default", None, UNAVAILABLE, 5),
        ("none", {"type": "None"}, UNAVAILABLE, 1),
        ("fixed", {"type": "Fixed", "count": 2, "interval": "PT20S"}, UNAVAILABLE, 3),
        ("computed", {"type": "fixed", "count": "@triggerBody()['n']", "interval": "PT5S"}, UNAVAILABLE, 4),
        ("not_retryable", None, NOT_FOUND, 1),
    ],
)
def test_a_call_is_tried_as_often_as_its_policy_says(
    word: str, policy: Actions | None, outcome: Outcome, tries: int
) -> None:
    drive = run({"A": http(**({"retryPolicy": policy} if policy else {}))}, {"A": outcome})
    assert (len(drive.calls), len(drive.record("A").attempts)) == (tries, tries)
    assert drive.status == "Failed"


def test_while_it_waits_for_a_retry_the_record_says_until_when() -> None:
    drive = begun({"A": http(retryPolicy={"type": "fixed", "count": 2, "interval": "PT20S"})})
    drive.answer(drive.calls[0], UNAVAILABLE)
    assert drive.record("A").status is Status.RUNNING
    assert drive.record("A").wake_at == BEGINNING + timedelta(seconds=20)
    assert waits(drive) == [timedelta(seconds=20)]
    drive.later(seconds=5)
    drive.send(TimerFired(("A", ())))
    assert len(drive.calls) == 1
    drive.later(seconds=15)
    drive.send(TimerFired(("A", ())))
    assert (len(drive.calls), drive.record("A").wake_at) == (2, None)


def test_retry_after_overrides_the_wait() -> None:
    drive = begun({"A": http()})
    outcome = Outcome(status=Status.FAILED, code="429", is_retryable=True, retry_after_seconds=90)
    drive.answer(drive.calls[0], outcome)
    assert waits(drive) == [timedelta(seconds=90)]


def test_a_bad_policy_fails_the_action_before_anything_is_sent() -> None:
    drive = begun({"A": http(retryPolicy={"type": "fixed", "count": 500, "interval": "PT5S"})})
    record = drive.record("A")
    assert record.error is not None
    assert (record.error.code, drive.calls) == ("InvalidRetryPolicy", [])


# -- time-out -----------------------------------------------------------------------------------------------


def test_a_time_limit_ends_a_call_under_way() -> None:
    drive = begun({"A": http() | {"limit": {"timeout": "PT30S"}}, "B": compose(runAfter=after(A="TimedOut"))})
    assert drive.calls[0].timeout_at == BEGINNING + timedelta(seconds=30)
    drive.later(seconds=30)
    commands = drive.send(TimerFired(("A", ())))
    assert (drive.record("A").status, drive.record("A").code) == (Status.TIMED_OUT, "ActionTimedOut")
    assert AbandonCall(("A", ())) in commands
    assert drive.status == "Succeeded"
    drive.answer(drive.calls[0])
    assert drive.record("A").status is Status.TIMED_OUT


def test_a_time_limit_counts_over_retries() -> None:
    drive = run({"A": http() | {"limit": {"timeout": "PT10S"}}}, {"A": UNAVAILABLE})
    assert drive.record("A").status is Status.TIMED_OUT
    assert drive.end.at == BEGINNING + timedelta(seconds=10)


# -- static results -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "static", "status", "code", "outputs"),
    [
        ("ok", {"status": "Succeeded", "outputs": {"statusCode": "OK", "body": 1}}, "Succeeded", "OK", {"statusCode": 200, "body": 1}),
        ("failed", {"status": "Failed", "outputs": {"statusCode": 404}}, "Failed", "NotFound", {"statusCode": 404}),
        ("timed_out", {"status": "TimedOut"}, "TimedOut", "StaticResult", None),
    ],
)  # fmt: skip
def test_a_static_result_stands_in_for_the_call(
    word: str, static: Actions, status: str, code: str, outputs: Actions | None
) -> None:
    runtime = {"staticResult": {"name": "s", "staticResultOptions": "Enabled"}}
    drive = begun({"A": http() | {"runtimeConfiguration": runtime}}, staticResults={"s": static})
    record = drive.record("A")
    assert (record.status.value, record.code, record.outputs, drive.calls) == (status, code, outputs, [])


# -- held, in doubt -----------------------------------------------------------------------------------------


def test_a_broken_connection_holds_the_run_at_the_action_that_asks_for_it() -> None:
    drive = begun({"A": http() | HOLD, "B": compose(runAfter=after(A="Failed"))})
    drive.answer(drive.calls[0], UNAUTHORIZED)
    record = drive.record("A")
    assert (record.status, record.code, record.connection_id) == (Status.WAITING, "ConnectionNeedsRepair", "c1")
    assert record.diagnosis is not None
    assert "B" not in drive.statuses()
    assert drive.send(ConnectionRepaired("another")) == []
    drive.send(ConnectionRepaired("c1"))
    assert len({call.client_request_id for call in drive.calls}) == 1
    drive.answer(drive.calls[1])
    assert drive.statuses() == {"A": "Succeeded", "B": "Skipped"}
    assert [attempt.code for attempt in drive.record("A").attempts] == ["Unauthorized", "OK"]


def test_the_flow_may_ask_to_be_held_at_every_action() -> None:
    drive = begun({"A": http()}, **HOLD)
    drive.answer(drive.calls[0], UNAUTHORIZED)
    assert drive.record("A").code == "ConnectionNeedsRepair"


def test_without_asking_a_broken_connection_fails_the_action() -> None:
    record = run({"A": http()}, {"A": UNAUTHORIZED}).record("A")
    assert (record.status, record.code, record.connection_id) == (Status.FAILED, "Unauthorized", "c1")
    assert record.diagnosis == UNAUTHORIZED.diagnosis


@pytest.mark.parametrize(
    ("answer", "status", "code", "sent"),
    [
        ("happened", "Succeeded", "ActionConfirmed", 1),
        ("send_again", "Running", "", 2),
        ("fail", "Failed", "ActionInDoubt", 1),
    ],
)
def test_a_call_in_doubt_waits_for_its_owners_word(answer: str, status: str, code: str, sent: int) -> None:
    drive = begun({"A": http()})
    drive.send(CallInDoubt(("A", ())))
    assert (drive.record("A").status, drive.record("A").code) == (Status.WAITING, "ActionInDoubt")
    drive.send(DoubtAnswered(("A", ()), answer, by="owner"))
    record = drive.record("A")
    assert (record.status.value, record.code, len(drive.calls)) == (status, code, sent)
    assert len({call.client_request_id for call in drive.calls}) == 1


def test_what_an_action_says_about_interruptions_goes_with_the_call() -> None:
    drive = begun({"A": http() | {"metadata": {"flowmend": {"onInterruption": "ask"}}}})
    assert drive.calls[0].on_interruption == "ask"


def test_the_time_people_take_does_not_count_against_the_limit() -> None:
    drive = begun({"A": http() | HOLD | {"limit": {"timeout": "PT1M"}}})
    drive.answer(drive.calls[0], UNAUTHORIZED)
    drive.later(hours=5)
    drive.send(TimerFired(("A", ())))
    assert drive.record("A").status is Status.WAITING
    drive.send(ConnectionRepaired("c1"))
    assert drive.calls[1].timeout_at == drive.moment.now + timedelta(minutes=1)


def test_authentication_is_evaluated_anew_when_a_call_is_repeated() -> None:
    authentication = {"type": "Basic", "username": "me", "password": "@parameters('password')"}
    parameters = {"password": {"type": "SecureString"}}
    flow = flow_of({"A": http(authentication=authentication)}, parameters=parameters)
    drive = Drive(flow, start_of(parameters={"password": "s3cret"}))
    drive.begin()
    other = drive.recovered()
    other.send(Recovered())
    call = other.calls[0]
    assert isinstance(call.call, HttpCall)
    assert (call.is_repeat, call.call.authentication["password"]) == (True, "s3cret")


# -- secure, tracked, mock ----------------------------------------------------------------------------------


def test_secure_values_are_marked_and_hidden_downstream() -> None:
    secure = {"runtimeConfiguration": {"secureData": {"properties": ["inputs", "outputs"]}}}
    drive = run({"A": http() | secure, "B": compose("@body('a')"), "C": compose(1)})
    assert drive.record("A").details == {"secure": ["inputs", "outputs"]}
    assert drive.record("B").details == {"secure": ["inputs", "outputs"]}
    assert drive.record("C").details is None


@pytest.mark.parametrize(
    ("word", "value", "tracked"),
    [
        ("own_record", "@action()['outputs']['body']", {"t": {}}),
        ("status", "@action()['status']", {"t": "Succeeded"}),
        ("fails_nothing", "@div(1, 0)", None),
    ],
)
def test_tracked_properties_are_evaluated_after_the_action(word: str, value: str, tracked: Actions | None) -> None:
    drive = run({"A": http() | {"trackedProperties": {"t": value}}})
    assert (drive.record("A").tracked_properties, drive.status) == (tracked, "Succeeded")


def test_a_mock_sends_what_has_no_host_as_it_is() -> None:
    action = {"type": "Function", "inputs": {"function": {"x": "@add(1, 1)"}}}
    drive = Drive(flow_of({"A": action}), is_mock=True)
    drive.begin()
    assert drive.calls[0].call == TypedCall(type="Function", inputs={"function": {"x": 2}}, code="MissingFunction")
