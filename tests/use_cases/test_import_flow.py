"""Import: a dry run first, then flows arrive turned off; the same flow again is a new version."""

import json
from typing import Any

import pytest

from flowmend.core.errors import InvalidDocument
from flowmend.store.rows import FlowState
from flowmend.use_cases.flows import read_flow_detail, turn_on
from flowmend.use_cases.import_flow import import_flows
from flowmend.use_cases.import_plan import plan_import
from running import REQUEST, Running, call_orders, compose, document

pytestmark = pytest.mark.anyio

EVERY_HOUR = {"tick": {"type": "Recurrence", "recurrence": {"frequency": "Hour", "interval": 1}}}


def content(actions: dict[str, Any], **parts: Any) -> bytes:
    return json.dumps(document(actions, **parts)).encode()


async def test_a_dry_run_tells_what_the_file_holds_and_needs_and_changes_nothing(running: Running) -> None:
    file = content(
        {"Get": call_orders("ListOrders"), "Wrong": compose("@nope()")},
        parameters={"region": {"type": "String"}},
    )

    (found,) = (await plan_import(running.services, file, "orders.json")).findings

    assert (found.name, found.exists, found.can_import) == ("orders", False, True)
    assert (found.trigger, found.action_count) == ("Request Http", 2)
    assert [(need.connector, need.connector_installed, need.candidates) for need in found.references] == [
        ("sample_orders", False, ())
    ]
    assert found.parameters == ("region",)
    assert any("nope" in problem.message for problem in found.problems)
    assert found.will_begin
    assert running.services.store.flows.list() == []
    assert running.services.store.audit.list() == ([], 0)


async def test_a_dry_run_names_the_connections_that_fit(running: Running) -> None:
    connection_id = await running.connect()

    file = content({"Get": call_orders("ListOrders")})
    (found,) = (await plan_import(running.services, file, "orders.json")).findings

    assert found.references[0].connector_installed
    assert found.references[0].candidates == ((connection_id, "Orders"),)


async def test_a_dry_run_of_a_known_flow_says_that_it_exists(running: Running) -> None:
    await running.add_flow({"A": compose(1)}, name="orders")
    (found,) = (await plan_import(running.services, content({"A": compose(2)}), "orders.json")).findings
    assert found.exists


@pytest.mark.parametrize("file", [b"{nope", b"", b"[1, 2", b"\xff\xfe\x00"])
async def test_a_file_that_is_no_json_is_refused_whole(running: Running, file: bytes) -> None:
    plan = await plan_import(running.services, file, "broken.json")
    assert (plan.findings, [one.problem.code for one in plan.problems]) == ((), ["InvalidJSON"])
    with pytest.raises(InvalidDocument):
        await import_flows(running.services, file, "broken.json", person_id=running.owner)
    assert running.services.store.flows.list() == []


async def test_a_file_without_a_flow_names_every_problem(running: Running) -> None:
    with pytest.raises(InvalidDocument) as refused:
        await import_flows(running.services, b'{"definition": 5}', "broken.json", person_id=running.owner)
    assert refused.value.problems


async def test_flows_arrive_turned_off(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)}, is_on=False)
    row = running.services.store.flows.get(flow_id)
    assert row is not None
    assert row.state is FlowState.OFF


async def test_the_same_flow_again_is_a_new_version_and_never_a_second_flow(running: Running) -> None:
    first = await import_flows(running.services, content({"A": compose(1)}), "a.json", person_id=running.owner)
    second = await import_flows(running.services, content({"A": compose(2)}), "a.json", person_id=running.owner)

    assert first[0].created
    assert not second[0].created
    assert first[0].flow_id == second[0].flow_id
    assert first[0].version != second[0].version
    assert len(running.services.store.flows.list()) == 1
    flow = running.services.flows
    assert flow.latest(first[0].flow_id).flow.definition.actions["A"].inputs == 2
    assert flow.version(first[0].flow_id, first[0].version).flow.definition.actions["A"].inputs == 1


async def test_as_new_gives_a_fresh_id(running: Running) -> None:
    file = content({"A": compose(1)})
    ids = {
        (await import_flows(running.services, file, "a.json", person_id=running.owner, as_new=as_new))[0].flow_id
        for as_new in (False, True, True)
    }
    assert len(ids) == 3


async def test_a_name_that_is_given_is_kept_by_later_versions(running: Running) -> None:
    file = content({"A": compose(1)})
    (first,) = await import_flows(
        running.services, file, "a.json", person_id=running.owner, as_new=True, name="Orders of the day"
    )
    assert first.name == "Orders of the day"


async def test_the_signed_url_stays_valid_over_versions(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)}, name="a")
    trigger, signature = running.signed(flow_id)
    await import_flows(running.services, content({"A": compose(2)}), "a.json", person_id=running.owner)
    assert running.signed(flow_id) == (trigger, signature)


async def test_a_reference_with_exactly_one_fitting_connection_is_mapped(running: Running) -> None:
    connection_id = await running.connect()
    flow_id = await running.add_flow({"Get": call_orders("ListOrders")})
    assert running.services.flows.latest(flow_id).mappings == {"shared_sample_orders": connection_id}


async def test_among_several_connections_the_owner_chooses(running: Running) -> None:
    await running.connect()
    await running.connect()
    flow_id = await running.add_flow({"Get": call_orders("ListOrders")}, is_on=False)
    assert running.services.flows.latest(flow_id).mappings == {}


async def test_a_choice_of_the_owner_survives_a_new_version(running: Running) -> None:
    connection_id = await running.connect()
    flow_id = await running.add_flow({"Get": call_orders("ListOrders")}, name="orders")
    await running.connect()
    file = content({"Get": call_orders("GetStock")})
    await import_flows(running.services, file, "orders.json", person_id=running.owner)
    assert running.services.flows.latest(flow_id).mappings == {"shared_sample_orders": connection_id}


async def test_a_new_version_of_a_flow_that_is_on_keeps_it_on_and_on_time(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)}, name="a")
    assert running.services.store.triggers.of_flow(flow_id) == []

    await import_flows(
        running.services, content({"A": compose(1)}, triggers=EVERY_HOUR), "a.json", person_id=running.owner
    )

    detail = await read_flow_detail(running.services, flow_id)
    assert detail.row.state is FlowState.ON
    assert detail.next_at is not None

    await import_flows(
        running.services, content({"A": compose(1)}, triggers=REQUEST), "a.json", person_id=running.owner
    )
    assert running.services.store.triggers.of_flow(flow_id) == []


async def test_a_new_version_that_leaves_the_recurrence_as_it_was_keeps_its_next_time(running: Running) -> None:
    recurrence = {"frequency": "Hour", "interval": 1, "startTime": "2060-01-01T00:00:00Z"}
    triggers = {"tick": {"type": "Recurrence", "recurrence": recurrence}}
    flow_id = await running.add_flow({"A": compose(1)}, name="a", triggers=triggers)
    before = running.services.store.triggers.of_flow(flow_id)
    running.clock.move(minutes=20)
    await import_flows(
        running.services, content({"A": compose(2)}, triggers=triggers), "a.json", person_id=running.owner
    )
    assert running.services.store.triggers.of_flow(flow_id) == before


async def test_a_new_version_that_cannot_run_turns_the_flow_off(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)}, name="a")
    file = content({"A": compose("@nope()")})

    (imported,) = await import_flows(running.services, file, "a.json", person_id=running.owner)

    assert imported.problems
    row = running.services.store.flows.get(flow_id)
    assert row is not None
    assert row.state is FlowState.OFF


async def test_an_import_is_noted_with_who_did_it(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)}, is_on=False)
    noted, _ = running.services.store.audit.list(flow_id)
    assert [(row.person_id, row.verb) for row in noted] == [(running.owner, "import")]


async def test_turning_on_says_what_will_begin(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)}, is_on=False, triggers=EVERY_HOUR)
    assert "hour" in (await turn_on(running.services, flow_id, running.owner)).lower()
