"""Run, RunTrigger and TriggerHistory bodies, field by field."""

from datetime import UTC, datetime

import msgspec

from flowmend.api.shapes.run import run_resource
from flowmend.api.shapes.secrecy import readable_start
from flowmend.api.shapes.trigger_history import trigger_history
from flowmend.core.outcome import Status
from flowmend.core.run.record import ActionRecord, EndRecord, RunStart
from flowmend.store.rows import RunRow, TriggerEventRow

BEGAN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
ENDED = datetime(2026, 1, 2, 3, 4, 7, tzinfo=UTC)


class NamedContents:
    def uri(self, place: str, kind: str) -> str:
        return f"https://here/{place or 'run'}/{kind}"


def run_row(**changes: object) -> RunRow:
    row = RunRow(
        run_name="R1",
        flow_id="F1",
        version="V1",
        trigger_name="manual",
        status="Running",
        started_at=BEGAN,
        client_tracking_id="order-4711",
        start=b"",
    )
    return msgspec.structs.replace(row, **changes)


def run_start(**trigger: object) -> RunStart:
    view = {
        "name": "manual",
        "status": "Succeeded",
        "startTime": "2026-01-02T03:04:05.0000000Z",
        "endTime": "2026-01-02T03:04:05.0000000Z",
        "trackingId": "t1",
        "originHistoryName": "R1",
    }
    return RunStart(
        run_name="R1",
        flow_id="F1",
        version="V1",
        trigger=view | trigger,
        workflow={},
        parameters={},
        client_tracking_id="order-4711",
        started_at=BEGAN,
    )


def body(*args: object, **more: object) -> dict[str, object]:
    return msgspec.json.decode(msgspec.json.encode(run_resource(*args, **more)))


def test_a_running_run_has_no_end_and_no_error() -> None:
    assert body(run_row(), run_start(), contents=NamedContents()) == {
        "id": "/workflows/F1/runs/R1",
        "name": "R1",
        "type": "Microsoft.Logic/workflows/runs",
        "properties": {
            "startTime": "2026-01-02T03:04:05Z",
            "status": "Running",
            "correlation": {"clientTrackingId": "order-4711"},
            "workflow": {
                "id": "/workflows/F1/versions/V1",
                "name": "V1",
                "type": "Microsoft.Logic/workflows/versions",
            },
            "trigger": {
                "name": "manual",
                "status": "Succeeded",
                "startTime": "2026-01-02T03:04:05.0000000Z",
                "endTime": "2026-01-02T03:04:05.0000000Z",
                "trackingId": "t1",
                "correlation": {"clientTrackingId": "order-4711"},
                "originHistoryName": "R1",
            },
            "outputs": {},
            "attempt": 1,
        },
    }


def test_a_run_that_was_held_says_when_it_began_besides_when_its_event_came() -> None:
    found = body(run_row(begun_at=ENDED), run_start(), contents=NamedContents())["properties"]
    assert (found["startTime"], found["begunTime"]) == ("2026-01-02T03:04:05Z", "2026-01-02T03:04:07Z")


def test_a_failed_run_says_why_and_which_connection() -> None:
    row = run_row(
        status="Failed",
        code="ActionFailed",
        error_code="ActionFailed",
        error_message="An action failed.",
        ended_at=ENDED,
        failed_action="Send_order",
        connection_id="C1",
        diagnosis_category="wrong_password",
        origin_run="R0",
    )

    found = body(row, run_start(), contents=NamedContents())["properties"]

    assert found["error"] == {"code": "ActionFailed", "message": "An action failed."}
    assert found["endTime"] == "2026-01-02T03:04:07Z"
    assert (found["failedAction"], found["connection"], found["originRun"]) == ("Send_order", "C1", "R0")
    assert found["diagnosisCategory"] == "wrong_password"


def test_trigger_contents_are_links_with_size_and_hash() -> None:
    start = run_start(outputs={"body": {"order": 4711}})

    trigger = body(run_row(), start, contents=NamedContents())["properties"]["trigger"]

    assert "outputs" not in trigger
    link = trigger["outputsLink"]
    assert link["uri"] == "https://here/run/TriggerOutputs"
    assert link["contentSize"] == len(b'{"body":{"order":4711}}')
    assert link["contentHash"]["algorithm"] == "md5"
    assert len(link["contentHash"]["value"]) == 24


def test_outputs_and_response_come_from_the_journal() -> None:
    end = EndRecord(status=Status.SUCCEEDED, outputs={"total": {"type": "Int", "value": 3}}, at=ENDED)
    answered = ActionRecord(
        name="Response",
        status=Status.SUCCEEDED,
        code="OK",
        started_at=BEGAN,
        ended_at=ENDED,
        outputs={"statusCode": 200},
    )

    found = body(run_row(), run_start(), contents=NamedContents(), end=end, response=answered)["properties"]

    assert found["outputs"] == {"total": {"type": "Int", "value": 3}}
    assert found["response"]["name"] == "Response"
    assert found["response"]["outputsLink"]["uri"] == "https://here/actions/Response/ActionOutputs"


def test_secure_trigger_outputs_are_hidden() -> None:
    start = run_start(outputs={"body": "hush"})

    assert readable_start(start, has_secure_trigger=True).trigger["outputs"] == "*sanitized*"
    assert readable_start(start, has_secure_trigger=False).trigger["outputs"] == {"body": "hush"}


def event(**changes: object) -> TriggerEventRow:
    row = TriggerEventRow(
        event_name="R1",
        flow_id="F1",
        trigger_name="manual",
        status="Succeeded",
        fired=True,
        started_at=BEGAN,
        ended_at=BEGAN,
        tracking_id="t1",
        client_tracking_id="order-4711",
        run_name="R1",
    )
    return msgspec.structs.replace(row, **changes)


def test_a_fired_history_entry_names_its_run() -> None:
    assert msgspec.to_builtins(trigger_history(event())) == {
        "id": "/workflows/F1/triggers/manual/histories/R1",
        "name": "R1",
        "type": "Microsoft.Logic/workflows/triggers/histories",
        "properties": {
            "startTime": "2026-01-02T03:04:05Z",
            "endTime": "2026-01-02T03:04:05Z",
            "status": "Succeeded",
            "trackingId": "t1",
            "correlation": {"clientTrackingId": "order-4711"},
            "fired": True,
            "run": {"id": "/workflows/F1/runs/R1", "name": "R1", "type": "Microsoft.Logic/workflows/runs"},
        },
    }


def test_a_held_history_entry_waits_and_has_not_fired() -> None:
    row = event(status="Waiting", code="ConnectionNeedsRepair", fired=False, run_name="", ended_at=None)

    found = msgspec.to_builtins(trigger_history(row))["properties"]

    assert (found["status"], found["code"], found["fired"]) == ("Waiting", "ConnectionNeedsRepair", False)
    assert "run" not in found
    assert "endTime" not in found
