"""The contract of `store.flows`, on both databases."""

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from flowmend.core.errors import Conflict, NotFound
from flowmend.store import Store
from flowmend.store.journal import AddTracked, AppendPage, HoldEvent, StartRun
from flowmend.store.rows import FlowState, TrackedValueRow, TriggerStateRow
from flowmend.store.runs import note_resubmission


class TestFlows:
    def test_a_flow_and_its_version_read_back_as_they_were_written(self, store: Store, examples: Any) -> None:
        store.flows.add(examples.flow(), examples.version())
        assert store.flows.get("flow-1") == examples.flow()
        assert store.flows.version("flow-1") == store.flows.version("flow-1", "v1") == examples.version()

    def test_a_flow_id_is_taken_once(self, store: Store, examples: Any) -> None:
        store.flows.add(examples.flow(), examples.version())
        with pytest.raises(Conflict):
            store.flows.add(examples.flow(name="Other"), examples.version(version="v2"))
        assert [version.version for version in store.flows.versions("flow-1")] == ["v1"]

    def test_a_new_version_becomes_the_latest_and_keeps_the_old(self, store: Store, examples: Any) -> None:
        store.flows.add(examples.flow(), examples.version())
        newer = examples.version(version="v0", document=[], created_at=examples.noon + timedelta(seconds=1))
        store.flows.add_version(examples.flow(version="v0", name="Renamed"), newer)
        assert store.flows.version("flow-1") == newer
        assert [version.version for version in store.flows.versions("flow-1")] == ["v0", "v1"]
        flow = store.flows.get("flow-1")
        assert flow is not None
        assert (flow.name, flow.version) == ("Renamed", "v0")

    def test_a_version_of_no_flow_or_of_a_taken_name_changes_nothing(self, store: Store, examples: Any) -> None:
        with pytest.raises(NotFound):
            store.flows.add_version(examples.flow(), examples.version())
        store.flows.add(examples.flow(), examples.version())
        with pytest.raises(Conflict):
            store.flows.add_version(examples.flow(name="Renamed"), examples.version())
        assert store.flows.get("flow-1") == examples.flow()

    def test_flows_are_listed_by_name_and_changed_by_column(self, store: Store, examples: Any) -> None:
        for flow_id, name in (("flow-1", "b"), ("flow-2", "a")):
            store.flows.add(examples.flow(flow_id, name=name), examples.version(flow_id))
        assert [flow.flow_id for flow in store.flows.list()] == ["flow-2", "flow-1"]
        assert store.flows.change("flow-1", state=FlowState.OFF, settings={"a": [None]})
        changed = msgspec.structs.replace(examples.flow(name="b"), state=FlowState.OFF, settings={"a": [None]})
        assert store.flows.get("flow-1") == changed
        assert not store.flows.change("nobody", name="x")

    def test_what_does_not_exist_is_none(self, store: Store, examples: Any) -> None:
        store.flows.add(examples.flow(), examples.version())
        assert store.flows.get("nobody") is None
        assert store.flows.version("nobody") is None
        assert store.flows.version("flow-1", "v9") is None

    def test_deleting_a_flow_leaves_nothing_of_it_and_all_of_others(
        self, store: Store, examples: Any, write: Any
    ) -> None:
        store.connections.add(examples.connection())
        for number, flow_id in enumerate(("flow-1", "flow-2"), 1):
            name = examples.run_name(number)
            store.flows.add(examples.flow(flow_id), examples.version(flow_id))
            store.flows.set_mapping(examples.mapping(flow_id))
            store.triggers.put(TriggerStateRow(flow_id=flow_id, trigger_name="daily", next_at=None))
            write(
                store,
                note_resubmission(name, "request", "new"),
                StartRun(examples.run(number, flow_id=flow_id), examples.event(number, flow_id=flow_id)),
                AppendPage(name, 1, 1, b"one"),
                HoldEvent(examples.event(number + 10, flow_id=flow_id)),
                AddTracked(TrackedValueRow(run_name=name, flow_id=flow_id, name="order", value="4711")),
            )
        assert store.flows.delete("flow-1", examples.noon)
        assert not store.flows.delete("flow-1", examples.noon)
        assert store.flows.deleted() == ["flow-1"]
        while store.history.forget_flow("flow-1", 1).cursor:
            pass

        def traces(flow_id: str, number: int) -> list[bool]:
            name = examples.run_name(number)
            return [
                bool(store.flows.get(flow_id)),
                bool(store.flows.versions(flow_id)),
                bool(store.flows.mappings(flow_id)),
                bool(store.triggers.of_flow(flow_id)),
                bool(store.runs.get(name)),
                bool(store.runs.pages(name)),
                bool(store.runs.resubmission(name, "request")),
                bool(store.trigger_events.list(flow_id)[0]),
                bool(store.tracked_values.of_run(name)),
            ]

        assert traces("flow-1", 1) == [False] * 9
        assert traces("flow-2", 2) == [True] * 9


class TestMappings:
    def test_a_reference_means_the_connection_it_was_last_given(self, store: Store, examples: Any) -> None:
        store.flows.add(examples.flow(), examples.version())
        store.flows.add(examples.flow("flow-2"), examples.version("flow-2"))
        for connection_id in ("shop", "mail"):
            store.connections.add(examples.connection(connection_id))
        store.flows.set_mapping(examples.mapping(reference="a"))
        store.flows.set_mapping(examples.mapping(reference="a", to="mail"))
        store.flows.set_mapping(examples.mapping("flow-2", reference="b"))
        assert store.flows.mappings("flow-1") == [examples.mapping(reference="a", to="mail")]
        assert [mapping.flow_id for mapping in store.flows.mappings()] == ["flow-1", "flow-2"]
        assert [flow.flow_id for flow in store.flows.using("mail")] == ["flow-1"]
        assert [flow.flow_id for flow in store.flows.using("shop")] == ["flow-2"]
        assert store.flows.remove_mapping("flow-1", "a")
        assert not store.flows.remove_mapping("flow-1", "a")
        assert store.flows.using("mail") == []

    def test_a_mapping_needs_both_flow_and_connection(self, store: Store, examples: Any) -> None:
        store.flows.add(examples.flow(), examples.version())
        with pytest.raises(Conflict):
            store.flows.set_mapping(examples.mapping())


class TestTrackedNames:
    def test_the_names_that_runs_track_are_listed_once(self, store: Store, examples: Any, write: Any) -> None:
        for number, flow_id, name in ((1, "f1", "order"), (2, "f1", "order"), (3, "f2", "customer")):
            run = examples.run(number, flow_id=flow_id)
            value = TrackedValueRow(run_name=run.run_name, flow_id=flow_id, name=name, value="1")
            write(store, StartRun(run), AddTracked(value))
        assert store.runs.tracked_names() == ["customer", "order"]
        assert store.runs.tracked_names("f1") == ["order"]
