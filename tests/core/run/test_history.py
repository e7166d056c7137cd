"""What people and clients read of a journal: views, flat actions, cards (rest-api.md §4, wdl.md §7)."""

from typing import Any

import msgspec

from core.run.driving import NOT_FOUND, OK, UNAVAILABLE, Drive, compose, flow_of, http, run
from flowmend.core.outcome import Outcome, Status
from flowmend.core.run import ActionRecord, Entry, SendResponse, action_view
from flowmend.core.run.cards import iteration_tree, run_tree
from flowmend.core.run.history import actions_document, run_document

Actions = dict[str, Any]
NESTED: Actions = {
    "L": {
        "type": "Foreach",
        "foreach": [1, 2],
        "actions": {"M": {"type": "Foreach", "foreach": [1, 2, 3], "actions": {"C": compose("@item()")}}},
    }
}


def test_the_view_of_an_action_has_what_the_service_shows() -> None:
    drive = run({"A": http(), "B": compose("@actions('a')")})
    view = drive.record("B").outputs
    assert {key: view[key] for key in ("name", "status", "code", "clientTrackingId", "startTime")} == {
        "name": "A",
        "status": "Succeeded",
        "code": "OK",
        "clientTrackingId": "R1",
        "startTime": "2026-01-02T03:04:05.0000000Z",
    }
    assert view == action_view(drive.record("A"), drive.start)
    assert "error" not in view


def test_an_unspecified_code_and_absent_values_are_left_out_of_a_view() -> None:
    drive = run({"S": {"type": "Scope", "actions": {}}})
    view = action_view(drive.record("S"), drive.start)
    assert view.keys() == {"name", "startTime", "endTime", "trackingId", "clientTrackingId", "status"}


def test_an_action_in_a_loop_has_its_values_in_repetitions() -> None:
    drive = run(NESTED)
    document = actions_document(drive.compiled, drive.start, drive.entries)
    assert list(document) == ["L", "M", "C"]
    assert document["L"]["repetitionCount"] == 2
    child = document["C"]
    assert child["repetitionCount"] == 6
    assert "outputs" not in child
    last = child["repetitions"][-1]
    assert last["name"] == "000001-000002"
    assert last["properties"]["repetitionIndexes"] == [
        {"scopeName": "L", "itemIndex": 1},
        {"scopeName": "M", "itemIndex": 2},
    ]
    assert last["properties"]["outputs"] == 3


def test_an_until_counts_its_iterations() -> None:
    actions = {"U": {"type": "Until", "expression": "@equals(iterationIndexes('U'), 2)", "actions": {"C": compose()}}}
    drive = run(actions)
    assert actions_document(drive.compiled, drive.start, drive.entries)["U"]["iterationCount"] == 3


def test_a_run_has_its_response_outputs_and_tries_inline() -> None:
    actions = {"A": http(), "R": {"type": "Response", "inputs": {"statusCode": 202, "body": "hi"}}}
    outputs = {"o": {"type": "Int", "value": 5}}
    drive = Drive(flow_of(actions, outputs=outputs)).to_end({"A": [UNAVAILABLE, OK]})
    properties = run_document(drive.compiled, drive.start, drive.entries)["properties"]
    assert properties["status"] == "Succeeded"
    assert properties["response"]["outputs"] == {"statusCode": 202, "headers": {}, "body": "hi"}
    assert properties["outputs"] == {"o": {"type": "Int", "value": 5}}
    assert [attempt["code"] for attempt in properties["actions"]["A"]["retryHistory"]] == ["ServiceUnavailable", "OK"]


SECURE: Actions = {"runtimeConfiguration": {"secureData": {"properties": ["outputs"]}}}
SET: Actions = {
    "type": "InitializeVariable",
    "inputs": {"variables": [{"name": "v", "type": "string", "value": "@outputs('B')"}]},
}


def test_secure_values_are_shown_to_nobody_however_they_are_passed_on() -> None:
    loop = {"type": "Foreach", "foreach": "@createArray(variables('V'))", "actions": {"I": compose("@item()")}}
    actions = {
        "A": http() | SECURE,
        "B": compose("@body( 'a' )"),
        "C": SET,
        "D": compose("@concat('x', variables('v'))"),
        "L": loop,
        "R": {"type": "Response", "inputs": {"body": "@outputs('D')"}},
        "Z": compose("seen"),
    }
    outputs = {"o": {"type": "String", "value": "@outputs('D')"}, "p": {"type": "String", "value": "@outputs('Z')"}}
    answer = Outcome(status=Status.SUCCEEDED, code="OK", outputs={"statusCode": 200, "body": "s3cret"})
    drive = Drive(flow_of(actions, outputs=outputs)).to_end({"A": answer})
    assert drive.status == "Succeeded"
    assert drive.record("I", 0).outputs == "s3cret"
    shown = msgspec.json.encode(run_document(drive.compiled, drive.start, drive.entries))
    assert b"s3cret" not in shown
    assert b"seen" in shown
    assert "s3cret" not in repr(run_tree(drive.compiled, drive.entries))
    (sent,) = [command for command in drive.commands if isinstance(command, SendResponse)]
    assert sent.body == "xs3cret"


def test_what_is_secret_lies_only_where_the_store_seals_it() -> None:
    loop = {"type": "Foreach", "foreach": "@body('A')", "actions": {"I": compose("@item()")}}
    response = {"type": "Response", "inputs": {"body": "@outputs('I')"}}
    answer = Outcome(status=Status.SUCCEEDED, code="OK", outputs={"body": ["s3cret"]})
    drive = run({"A": http() | SECURE, "L": loop, "R": response}, {"A": answer})
    assert drive.status == "Succeeded"
    for entry in drive.entries:
        if isinstance(entry, ActionRecord) and entry.details:
            sealed = dict.fromkeys(entry.details.get("secure", ()))
            entry = msgspec.structs.replace(entry, **sealed)
        assert "s3cret" not in repr(entry)


def test_cards_nest_branches_in_definition_order_and_say_which_was_taken() -> None:
    condition = {
        "type": "If",
        "expression": "@false",
        "actions": {"Y": compose()},
        "else": {"actions": {"N": compose()}},
    }
    drive = run({"If": condition, "Z": compose()})
    first, second = run_tree(drive.compiled, drive.entries)
    assert (first.name, second.name, second.run_after) == ("If", "Z", ("If",))
    assert [(branch.name, branch.is_taken, branch.cards[0].name) for branch in first.branches] == [
        ("actions", False, "Y"),
        ("else", True, "N"),
    ]


def test_cards_of_a_loop_nest_its_passes_as_many_as_asked_for() -> None:
    drive = run(NESTED)
    (loop,) = run_tree(drive.compiled, drive.entries, most_iterations=1)
    assert (loop.iteration_count, len(loop.iterations)) == (2, 1)
    inner = loop.iterations[0].cards[0]
    assert (inner.iteration_count, inner.iterations[0].cards[0].repetition) == (3, (0, 0))
    (other,) = iteration_tree(drive.compiled, drive.entries, "M", (1, 2))
    assert other.record is not None
    assert other.record.outputs == 3


def test_cards_of_a_run_under_way_show_what_has_not_begun() -> None:
    drive = Drive(flow_of({"A": http(), "B": compose()}))
    drive.begin()
    first, second = run_tree(drive.compiled, drive.entries)
    assert (first.record is not None, second.record) == (True, None)


def test_a_journal_survives_being_written_and_read() -> None:
    drive = run(NESTED | {"A": http(), "B": compose("@guid()")}, {"A": NOT_FOUND})
    encoded = msgspec.msgpack.encode(drive.entries)
    entries = msgspec.msgpack.decode(encoded, type=list[Entry])
    assert entries == drive.entries
    assert drive.recovered(entries).state.records == drive.state.records
