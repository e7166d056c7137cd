"""Another connection instead: many flows in one go, none of them edited."""

import pytest

from flowmend.core.errors import AskedWrongly, Conflict, NotFound
from flowmend.sample.demo import FIRST_PASSWORD
from flowmend.store.rows import ConnectionMappingRow
from flowmend.use_cases.create_connection import create_connection
from flowmend.use_cases.swap_connection import alternatives, plan_swap, swap_connection
from running import Running, create_order

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)]


async def another(running: Running, user: str = "ada", password: str = FIRST_PASSWORD) -> str:
    """A second connection; made after the flows, which at import take the only one there is."""
    values = {"username": user, "password": password, "host_url": running.service.url}
    view = await create_connection(running.services, "sample_orders", "Other orders", values, running.owner)
    return view.row.connection_id


def meant(running: Running, connection_id: str) -> list[str]:
    return [one.flow_id for one in running.services.store.flows.mappings_to(connection_id)]


async def test_all_flows_mean_the_other_connection_and_none_is_edited(running: Running) -> None:
    old = await running.connect()
    flows = sorted([await running.add_flow({"Order": create_order()}, name=f"flow {number}") for number in range(3)])
    new = await another(running)
    versions = [running.services.store.flows.get(one).version for one in flows]  # type: ignore[union-attr]

    plan = await plan_swap(running.services, old, new)
    swapped = await swap_connection(running.services, old, new, person_id=running.owner)

    assert plan.references == swapped.references
    assert (sorted(swapped.flow_ids), plan.warnings) == (flows, ())
    assert (meant(running, old), sorted(meant(running, new))) == ([], flows)
    assert [running.services.store.flows.get(one).version for one in flows] == versions  # type: ignore[union-attr]
    accepted = await running.call(flows[0], {"number": "N1"})
    assert (await running.ended(accepted.run_name)).status == "Succeeded"
    assert running.services.flows.latest(flows[0]).mappings == {"shared_sample_orders": new}


async def test_the_way_back_takes_back_exactly_what_was_swapped(running: Running) -> None:
    old = await running.connect()
    first = await running.add_flow({"Order": create_order()}, name="first")
    second = await running.add_flow({"Order": create_order()}, name="second")
    third = await running.add_flow({"Order": create_order()}, name="third")
    new = await another(running)
    await swap_connection(running.services, old, new, person_id=running.owner, flow_ids=[third])

    swapped = await swap_connection(running.services, old, new, person_id=running.owner)
    references = [(one.flow_id, one.reference) for one in swapped.references]
    await swap_connection(running.services, new, old, person_id=running.owner, references=references)

    assert sorted(meant(running, old)) == sorted([first, second])
    assert meant(running, new) == [third]


async def test_what_waited_for_the_broken_one_goes_on_with_the_other(running: Running) -> None:
    old = await running.connect()
    flow_id = await running.add_flow({"Order": create_order()})
    new = await another(running, "ben", "quiet-forest")
    running.service.change("password", user="ada", password="changed")
    accepted = await running.call(flow_id, {"number": "breaks"})
    await running.ended(accepted.run_name)
    assert (await running.call(flow_id, {"number": "held"})).held
    with pytest.raises(Conflict) as unconfirmed:
        await swap_connection(running.services, old, new, person_id=running.owner)
    assert (unconfirmed.value.code, meant(running, new)) == ("ConfirmationNeeded", [])

    swapped = await swap_connection(running.services, old, new, person_id=running.owner, confirmed=True)

    assert swapped.warnings == ("AnotherAccount",)
    runs = await running.reached_count(flow_id, 2)
    assert (await running.ended(runs[-1].run_name)).status == "Succeeded"


async def test_a_swap_warns_of_another_account_and_of_what_is_broken_itself(running: Running) -> None:
    old = await running.connect()
    await running.add_flow({"Order": create_order()})
    new = await another(running, "ben", "quiet-forest")
    running.services.store.connections.change(new, health="broken")
    assert (await plan_swap(running.services, old, new)).warnings == ("AnotherAccount", "NeedsRepair")
    assert [one.connection_id for one in alternatives(running.services, running.connection(old))] == [new]


async def test_what_cannot_be_swapped_is_said(running: Running) -> None:
    old = await running.connect()
    await running.add_flow({"Order": create_order()})
    new = await another(running)
    shipping = await running.connect("sample_shipping", api_key="ada-key-1001")
    for wanted, code in ((old, "SameConnection"), (shipping, "WrongConnector")):
        with pytest.raises(AskedWrongly) as refused:
            await plan_swap(running.services, old, wanted)
        assert refused.value.code == code
    with pytest.raises(NotFound):
        await plan_swap(running.services, old, "nothing")
    with pytest.raises(NotFound):
        await plan_swap(running.services, old, new, ["no such flow"])
    with pytest.raises(AskedWrongly) as refused:
        await swap_connection(running.services, new, old, person_id=running.owner)
    assert refused.value.code == "NothingToSwap"


async def test_all_or_none_where_somebody_chose_another_meanwhile(running: Running) -> None:
    old = await running.connect()
    flow_id = await running.add_flow({"Order": create_order()})
    new = await another(running)
    store = running.services.store.flows
    mine = store.mappings_to(old)
    gone = ConnectionMappingRow(flow_id=flow_id, reference="gone", connection_id=old)
    with pytest.raises(Conflict) as refused:
        store.swap_mappings([*mine, gone], new)
    assert refused.value.code == "MappingChanged"
    assert store.mappings_to(old) == mine
