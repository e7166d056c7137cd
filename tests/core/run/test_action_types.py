"""One table of types: what it says is supported is exactly what the engine has a way to run."""

from core.run.driving import compose, run
from flowmend.core.definition.action_types import ACTION_TYPES, Effect
from flowmend.core.definition.expression_kinds import EXPRESSIONS
from flowmend.core.run.call_making import CALLED_TYPES
from flowmend.core.run.compiling import CONTAINERS, WEBHOOKS
from flowmend.core.run.decide import _STARTS, UNSUPPORTED  # the room's own table is what is compared
from flowmend.core.run.inline_actions import INLINE_ACTIONS


def supported(*effects: Effect) -> set[str]:
    return {one.name for one in ACTION_TYPES.values() if one.is_supported and one.effect in effects}


def test_the_table_equals_the_run_rooms_tables() -> None:
    assert {one.name for one in ACTION_TYPES.values() if one.is_supported} == set(_STARTS) | set(INLINE_ACTIONS)
    assert supported(Effect.NONE) == set(INLINE_ACTIONS)
    assert supported(Effect.CALL, Effect.CALLBACK) == CALLED_TYPES
    assert supported(Effect.CALLBACK) == WEBHOOKS
    assert supported(Effect.CONTAINER) == CONTAINERS


def test_a_type_nobody_runs_fails_with_its_code_and_pointer() -> None:
    record = run({"X": {"type": "Xslt", "inputs": {}}}).record("X")
    assert record.code == UNSUPPORTED
    assert record.error is not None
    assert "/actions/X" in record.error.message


def test_expression_actions_compute_what_their_functions_do() -> None:
    kinds = {
        "ConvertTimeZone": {
            "baseTime": "2026-01-02T12:00:00Z",
            "sourceTimeZone": "UTC",
            "destinationTimeZone": "W. Europe Standard Time",
            "formatString": "HH:mm",
        },
        "CurrentTime": {},
        "AddToTime": {"baseTime": "2026-01-31T00:00:00Z", "interval": 1, "timeUnit": "Month"},
        "SubtractFromTime": {"baseTime": "@{'2026-01-31T00:00:00Z'}", "interval": "2", "timeUnit": "Day"},
        "GetFutureTime": {"interval": 1, "timeUnit": "Hour", "formatString": "HH"},
        "GetPastTime": {"interval": 1, "timeUnit": "Hour", "formatString": "HH"},
        "IndexOf": {"text": "a rose", "searchText": "rose"},
        "Substring": {"text": "a rose", "startPosition": "2", "length": 4},
        "FormatNumber": {"number": 1234.5, "format": "#.00"},
    }
    assert set(kinds) == set(EXPRESSIONS)
    actions = {kind: {"type": "Expression", "kind": kind, "inputs": inputs} for kind, inputs in kinds.items()}
    drive = run(actions)
    found = {kind: drive.record(kind).outputs["body"] for kind in kinds}
    assert found == {
        "ConvertTimeZone": "13:00",
        "CurrentTime": "2026-01-02T03:04:05.0000000Z",
        "AddToTime": "2026-02-28T00:00:00.0000000Z",
        "SubtractFromTime": "2026-01-29T00:00:00.0000000Z",
        "GetFutureTime": "04",
        "GetPastTime": "02",
        "IndexOf": 2,
        "Substring": "rose",
        "FormatNumber": "1234.50",
    }


def test_an_expression_action_fails_as_its_function_does() -> None:
    record = run({"X": {"type": "expression", "kind": "addtotime", "inputs": {"baseTime": "no date"}}}).record("X")
    assert record.error is not None
    assert record.error.code == "InvalidTemplate"
    assert run({"A": compose()}).status == "Succeeded"


def test_a_list_that_is_none_is_not_the_conditions_fault() -> None:
    query = {"type": "Query", "inputs": {"from": "@null", "where": "@equals(item(), 1)"}}
    error = run({"A": query}).record("A").error
    assert error is not None
    assert error.message == (
        "Unable to process template language expressions in action 'A' inputs at line '0' and column '0': 'The 'from' "
        "property value in the 'query' action inputs is of type 'Null'. The value must be an array.'."
    )
