"""Action and Repetition bodies, field by field."""

from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec
import pytest

from flowmend.api.shapes.action import (
    action_properties,
    action_resource,
    looped_action_properties,
    place_of,
    repetition_resource,
)
from flowmend.core.outcome import Attempt, ErrorDetail, Status
from flowmend.core.run.record import ActionRecord, RunStart

BEGAN = datetime(2026, 1, 2, 3, 4, 5, 123456, UTC)
ENDED = datetime(2026, 1, 2, 3, 4, 6, tzinfo=UTC)

START = RunStart(
    run_name="R1",
    flow_id="F1",
    version="V1",
    trigger={"name": "manual"},
    workflow={},
    parameters={},
    client_tracking_id="order-4711",
    started_at=BEGAN,
)


@dataclass(frozen=True)
class NamedContents:
    """Addresses that show what was asked for."""

    def uri(self, place: str, kind: str) -> str:
        return f"https://here/{place}/{kind}"


def shown(record: ActionRecord, **more: object) -> dict[str, object]:
    body = msgspec.to_builtins(action_properties(record, START, NamedContents(), **more))
    body.pop("correlation")
    body.pop("trackingId")
    return body


def link(place: str, kind: str, size: int, digest: str) -> dict[str, object]:
    return {
        "uri": f"https://here/{place}/{kind}",
        "contentVersion": f'"{digest}"',
        "contentSize": size,
        "contentHash": {"algorithm": "md5", "value": digest},
    }


@pytest.mark.parametrize(
    ("what", "record", "expected"),
    [
        (
            "begun",
            ActionRecord(name="A", status=Status.RUNNING, started_at=BEGAN),
            {"status": "Running", "startTime": "2026-01-02T03:04:05.123456Z"},
        ),
        (
            "succeeded with both contents",
            ActionRecord(
                name="A",
                status=Status.SUCCEEDED,
                code="OK",
                started_at=BEGAN,
                ended_at=ENDED,
                inputs={"a": 1},
                outputs="x",
            ),
            {
                "status": "Succeeded",
                "code": "OK",
                "startTime": "2026-01-02T03:04:05.123456Z",
                "endTime": "2026-01-02T03:04:06Z",
                "inputsLink": link("actions/A", "ActionInputs", 7, "u2zRNEbIyhv5KaRGsg/f3A=="),
                "outputsLink": link("actions/A", "ActionOutputs", 3, "CYo0bXQXf6iqjIKVDzQK1g=="),
            },
        ),
        (
            "skipped, without links",
            ActionRecord(
                name="A", status=Status.SKIPPED, code="ActionSkipped", error=ErrorDetail("ActionConditionFailed", "no")
            ),
            {"status": "Skipped", "code": "ActionSkipped", "error": {"code": "ActionConditionFailed", "message": "no"}},
        ),
        (
            "tried twice",
            ActionRecord(
                name="A",
                status=Status.FAILED,
                code="ServiceUnavailable",
                attempts=(
                    Attempt(
                        started_at=BEGAN, ended_at=ENDED, code="503", client_request_id="c1", service_request_id="s1"
                    ),
                ),
            ),
            {
                "status": "Failed",
                "code": "ServiceUnavailable",
                "retryHistory": [
                    {
                        "startTime": "2026-01-02T03:04:05.123456Z",
                        "endTime": "2026-01-02T03:04:06Z",
                        "code": "503",
                        "clientRequestId": "c1",
                        "serviceRequestId": "s1",
                    }
                ],
            },
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_action_shows_exactly_what_its_record_holds(
    what: str, record: ActionRecord, expected: dict[str, object]
) -> None:
    found = shown(record)
    if what == "succeeded with both contents":
        for name in ("inputsLink", "outputsLink"):
            for part in ("contentVersion", "contentHash"):
                expected[name][part] = found[name][part]  # type: ignore[index]
    assert found == expected


def test_a_pass_inside_a_loop_names_its_loops_and_its_place() -> None:
    record = ActionRecord(name="Send", repetition=(1, 0), status=Status.SUCCEEDED, outputs=1)

    found = shown(record, loops=["Outer", "Inner"])

    assert found["repetitionIndexes"] == [
        {"scopeName": "Outer", "itemIndex": 1},
        {"scopeName": "Inner", "itemIndex": 0},
    ]
    assert found["outputsLink"]["uri"] == "https://here/actions/Send/repetitions/000001-000000/ActionOutputs"


def test_an_action_inside_a_loop_shows_the_gravest_end_and_how_often_it_ran() -> None:
    records = [
        ActionRecord(name="A", repetition=(0,), status=Status.SUCCEEDED, started_at=BEGAN, ended_at=ENDED),
        ActionRecord(
            name="A", repetition=(1,), status=Status.FAILED, code="BadRequest", started_at=ENDED, ended_at=ENDED
        ),
    ]

    found = msgspec.to_builtins(looped_action_properties(records, START))

    assert (found["status"], found["code"], found["repetitionCount"]) == ("Failed", "BadRequest", 2)
    assert found["startTime"] == "2026-01-02T03:04:05.123456Z"
    assert "inputsLink" not in found


def test_an_action_inside_a_loop_has_no_end_while_a_pass_goes_on() -> None:
    records = [
        ActionRecord(name="A", repetition=(0,), status=Status.SUCCEEDED, started_at=BEGAN, ended_at=ENDED),
        ActionRecord(name="A", repetition=(1,), status=Status.RUNNING, started_at=ENDED),
    ]

    found = msgspec.to_builtins(looped_action_properties(records, START))

    assert found["status"] == "Running"
    assert "endTime" not in found


def test_correlation_carries_the_tracking_ids_of_caller_and_action() -> None:
    body = msgspec.to_builtins(action_properties(ActionRecord(name="A", status=Status.RUNNING), START, NamedContents()))

    assert body["correlation"] == {"clientTrackingId": "order-4711", "actionTrackingId": body["trackingId"]}


def test_a_slash_in_a_name_stays_one_segment() -> None:
    assert place_of(ActionRecord(name="50% of a/b", status=Status.RUNNING)) == "actions/50%25 of a%2Fb"


def test_envelopes_name_id_and_type() -> None:
    record = ActionRecord(name="A", repetition=(2,), status=Status.RUNNING)
    properties = action_properties(record, START, NamedContents())

    action = action_resource("/workflows/F1/runs/R1", "A", properties)
    repetition = repetition_resource("/workflows/F1/runs/R1", record, properties)

    assert (action.id, action.type) == ("/workflows/F1/runs/R1/actions/A", "Microsoft.Logic/workflows/runs/actions")
    assert repetition.id == "/workflows/F1/runs/R1/actions/A/repetitions/000002"
    assert (repetition.name, repetition.type) == ("000002", "Microsoft.Logic/workflows/runs/actions/repetitions")
