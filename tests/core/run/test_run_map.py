"""Where a run's records are, and how each pass of a loop went, without reading them."""

from hypothesis import given
from hypothesis import strategies as st

from core.run.any_flow import any_actions, with_variables
from core.run.driving import compose, flow_of, run
from flowmend.core.outcome import Status
from flowmend.core.run import ActionRecord, Entry, compile_flow
from flowmend.core.run.history import iteration_counts, latest_records
from flowmend.core.run.run_map import RunMap

LOOP = {"Each": {"type": "Foreach", "foreach": "@range(0, 3)", "actions": {"Item": compose(), "Next": compose()}}}


def mapped(entries: list[Entry]) -> RunMap:
    found = RunMap()
    for place, entry in enumerate(entries):
        if isinstance(entry, ActionRecord):
            found.note(entry.name, entry.repetition, entry.status, place)
    return found


def passes(*statuses: str, action: str = "Item") -> RunMap:
    found = RunMap()
    for index, status in enumerate(statuses):
        if status:
            found.note(action, (index,), Status(status), index)
    return found


@given(any_actions())
def test_the_map_of_any_run_leads_to_the_records_that_reading_all_of_it_finds(actions: dict[str, object]) -> None:
    drive = run(with_variables(actions))
    found, latest = mapped(drive.entries), latest_records(drive.entries)
    assert set(found.keys()) == set(latest)
    for key, record in latest.items():
        places = found.places(key)
        assert places is not None
        assert drive.entries[places[0]] is record
        assert found.status(key) is record.status
    for (name, repetition), count in iteration_counts(drive.compiled, latest.values()).items():
        assert len(found.passes(drive.compiled.nodes[name], repetition)) == count
    assert set(found.waiting) == {key for key, one in latest.items() if one.status is Status.WAITING}


@given(st.lists(st.sampled_from(["", "Succeeded", "Failed", "TimedOut", "Skipped", "Running"]), max_size=30))
def test_walking_from_failure_to_failure_meets_each_once_and_in_order(statuses: list[str]) -> None:
    loop = compile_flow(flow_of(LOOP)).nodes["Each"]
    found = passes(*statuses).passes(loop, ())
    failed = [index for index, status in enumerate(statuses) if status in {"Failed", "TimedOut"}]
    met, at = [], found.failed_after(-1)
    while at is not None:
        met.append(at)
        at = found.failed_after(at)
    assert met == failed
    assert found.failed_count == len(failed)
    assert found.failed_before(len(statuses)) == (failed[-1] if failed else None)


def test_a_pass_is_told_by_its_worst_action_and_a_loop_opens_at_the_first_that_failed() -> None:
    loop = compile_flow(flow_of(LOOP)).nodes["Each"]
    found = passes("Succeeded", "Succeeded", "Succeeded")
    found.note("Next", (1,), Status.FAILED, 9)
    told = found.passes(loop, ())
    assert [told.status(index) for index in range(len(told))] == ["Succeeded", "Failed", "Succeeded"]
    assert told.most_telling == 1
    found.note("Next", (0,), Status.FAILED, 10)
    assert found.passes(loop, ()).most_telling == 0


def test_what_was_not_reached_has_no_place_and_no_status() -> None:
    found = passes("Succeeded", "", "Failed")
    assert found.places(("Item", (1,))) is None
    assert found.status(("Item", (7,))) is None
    assert found.status(("Other", ())) is None
    assert found.first_broken("Item") == ("Item", (2,))
    assert found.first_broken("Other") is None


def test_inputs_that_an_earlier_record_holds_are_found_there() -> None:
    found = RunMap()
    found.note("A", (), Status.RUNNING, 3)
    found.note("A", (), Status.RUNNING, 4, has_inputs=False)
    found.note("A", (), Status.SUCCEEDED, 8, has_inputs=False)
    assert found.places(("A", ())) == (8, 3)
