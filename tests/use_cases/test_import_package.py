"""Packages: each thing to say asked once, secrets sealed, values kept, connections mapped for all flows."""

import json
from typing import Any

import pytest
from aiohttp import web

from core.definition.packing import package, packed, solution, standard_app, tree
from flowmend.core.errors import AskedWrongly, InvalidDocument, NotFound
from flowmend.core.run import ActionRecord
from flowmend.core.run.history import readable
from flowmend.use_cases.flows import read_flow_detail, turn_on
from flowmend.use_cases.import_flow import ImportChoices, ImportReport, import_package
from flowmend.use_cases.import_plan import ImportPlan, plan_import
from flowmend.use_cases.runs import run_entries
from running import LocalServer, Open, Running, call_orders, compose, document, http

pytestmark = pytest.mark.anyio

SECRET = "hunter2-hunter2"


async def take(running: Running, files: Any, name: str = "package", **choices: Any) -> ImportReport:
    return await import_package(running.services, files, name, ImportChoices(**choices), running.owner)


def referring(logical_name: str, **parts: Any) -> dict[str, Any]:
    """A solution's flow whose reference means a connection by this logical name."""
    written = document({"Get": call_orders("ListOrders")}, **parts)
    reference = {
        "api": {"name": "shared_sample_orders"},
        "connection": {"connectionReferenceLogicalName": logical_name},
    }
    return written | {"connectionReferences": {"shared_sample_orders": reference}}


async def plan_of(running: Running, files: Any, **values: Any) -> ImportPlan:
    return await plan_import(running.services, files, "package", values)


async def test_flows_of_every_packaging_arrive_from_one_folder(running: Running) -> None:
    files = tree({"a.zip": packed(package()), "b.zip": packed(solution()), **standard_app(), "c.json": "{nope"})

    report = await take(running, files)

    assert sorted(one.name for one in report.flows) == ["Greet", "Idle", "Orders: take in", "Shop orders"]
    assert all(one.created for one in report.flows)
    assert [(one.path, one.problem.code) for one in report.problems] == [("c.json", "InvalidJSON")]
    assert len(running.services.store.flows.list()) == 4
    again = await take(running, files)
    assert not any(one.created for one in again.flows)


async def test_a_shared_reference_is_asked_once_and_mapped_for_every_flow(running: Running) -> None:
    first, second = await running.connect(), await running.connect()
    files = tree({"a.json": referring("shop_Orders"), "b.json": referring("SHOP_orders"), "c.json": referring("other")})

    plan = await plan_of(running, files)

    assert [(one.name, len(one.uses)) for one in plan.references] == [("other", 1), ("shop_Orders", 2)]
    assert {found for found, _ in plan.references[1].candidates} == {first, second}
    report = await take(running, files, connections={plan.references[1].reference_id: second})
    mappings = [running.services.flows.latest(one.flow_id).mappings for one in report.flows]
    assert mappings == [{"shared_sample_orders": second}, {"shared_sample_orders": second}, {}]


@pytest.mark.parametrize(
    ("connections", "values", "expected"),
    [
        ({"shared_sample_orders": "nowhere"}, {}, NotFound),
        ({}, {"limit": "many"}, AskedWrongly),
        ({}, {"limit": True}, AskedWrongly),
        ({}, {"colour": "green"}, AskedWrongly),
    ],
)
async def test_what_does_not_fit_is_refused_before_anything_is_stored(
    running: Running, connections: dict[str, str], values: dict[str, Any], expected: type[Exception]
) -> None:
    parameters = {
        "limit": {"type": "Int", "defaultValue": 1},
        "colour": {"type": "String", "defaultValue": "red", "allowedValues": ["red", "blue"]},
    }
    files = tree({"a.json": document({"A": compose(1)}), "b.json": referring("x", parameters=parameters)})
    with pytest.raises(expected):
        await take(running, files, connections=connections, values=values)
    assert running.services.store.flows.list() == []


async def test_a_parameter_is_asked_once_and_given_to_every_flow_typed(running: Running) -> None:
    declared = {"limit": {"type": "Int", "metadata": {"description": "At most"}}, "pin": {"type": "SecureString"}}
    flow = document({"A": compose("@parameters('limit')")}, parameters=declared)
    files = tree({"a.json": flow, "b.json": flow})

    plan = await plan_of(running, files)

    assert [(one.name, one.type, one.is_secret, one.flows) for one in plan.parameters] == [
        ("limit", "int", False, ("a", "b")),
        ("pin", "securestring", True, ("a", "b")),
    ]
    report = await take(running, files, values={"LIMIT": "5", "pin": SECRET})
    for one in report.flows:
        loaded = running.services.flows.latest(one.flow_id)
        assert {name: loaded.parameters[name] for name in declared} == {"limit": 5, "pin": SECRET}
        assert loaded.missing_parameters == ()
        assert SECRET not in json.dumps(running.services.store.flows.version(one.flow_id).document)  # type: ignore[union-attr]
        assert SECRET not in json.dumps((await read_flow_detail(running.services, one.flow_id)).document)


async def test_values_people_gave_are_kept_by_a_new_version_and_can_be_replaced(running: Running) -> None:
    declared = {"limit": {"type": "Int", "defaultValue": 1}, "pin": {"type": "SecureString"}, "old": {"type": "String"}}
    flow = document({"A": compose(1)}, parameters=declared)
    (first,) = (await take(running, tree({"a.json": flow}), values={"limit": 5, "pin": SECRET, "old": "x"})).flows
    newer = document({"A": compose(2)}, parameters={name: declared[name] for name in ("limit", "pin")})

    plan = await plan_of(running, tree({"a.json": newer}))
    assert (plan.parameters, plan.findings[0].problems) == ((), ())
    await take(running, tree({"a.json": newer}))
    loaded = running.services.flows.latest(first.flow_id)
    assert (loaded.parameters["limit"], loaded.parameters["pin"]) == (5, SECRET)

    await take(running, tree({"a.json": newer}), values={"limit": 7})
    loaded = running.services.flows.latest(first.flow_id)
    assert (loaded.parameters["limit"], loaded.parameters["pin"]) == (7, SECRET)
    assert running.services.flows.version(first.flow_id, first.version).parameters["limit"] == 5


async def test_environment_variables_are_listed_once_and_meant_by_their_schema_name(running: Running) -> None:
    files = tree({"shop.zip": packed(solution())})
    (variable,) = (await plan_of(running, files)).environment_variables
    assert (variable.name, variable.shown_name, variable.value) == ("new_Site", "Site", "https://contoso.test/shop")
    assert not variable.is_required

    (flow,) = (await take(running, files, values={"new_Site": "https://x.test"})).flows

    assert running.services.flows.latest(flow.flow_id).parameters["Site (new_Site)"] == "https://x.test"
    (variable,) = (await plan_of(running, files)).environment_variables
    assert variable.value == "https://x.test"


async def test_literal_secrets_move_into_the_vault_and_the_report_says_so(running: Running) -> None:
    authentication = {"type": "Basic", "username": "ada", "password": SECRET}
    actions = {"Call": http("GET", "https://x.test", authentication=authentication, headers={"X-Api-Key": SECRET})}
    parameters = {"pin": {"type": "SecureString", "defaultValue": SECRET}}
    files = tree({"a.json": document(actions, parameters=parameters)})

    plan = await plan_of(running, files)
    assert len(plan.findings[0].secrets) == 3
    assert (plan.findings[0].problems, plan.findings[0].parameters, plan.parameters) == ((), (), ())
    (flow,) = (await take(running, files)).flows

    assert flow.moved_secrets == plan.findings[0].secrets
    assert flow.problems == ()
    assert (await read_flow_detail(running.services, flow.flow_id)).problems == ()
    stored = running.services.store.flows.version(flow.flow_id)
    assert stored is not None
    assert SECRET not in json.dumps(stored.document)
    assert stored.document["flowmend"]["sealedParameters"]
    loaded = running.services.flows.latest(flow.flow_id)
    assert list(loaded.parameters.values()).count(SECRET) == 2
    assert SECRET not in repr(loaded.flow)
    noted, _ = running.services.store.audit.list(flow.flow_id)
    assert SECRET not in repr(noted)


async def test_a_sealed_value_opens_only_for_its_own_version(running: Running) -> None:
    files = tree({"a.json": document({}, parameters={"pin": {"type": "SecureString"}})})
    (first,) = (await take(running, files, values={"pin": SECRET})).flows
    (second,) = (await take(running, files, values={"pin": "other"})).flows
    assert running.services.flows.version(first.flow_id, first.version).parameters["pin"] == SECRET
    assert running.services.flows.version(second.flow_id, second.version).parameters["pin"] == "other"


async def test_only_the_flows_chosen_are_taken(running: Running) -> None:
    files = tree({"a.json": document({"A": compose(1)}), "b.json": document({"A": compose(2)})})
    chosen = (await plan_of(running, files)).findings[1].flow_id
    report = await take(running, files, flows=[chosen])
    assert [one.name for one in report.flows] == ["b"]
    with pytest.raises(InvalidDocument):
        await take(running, files, flows=[])


async def test_what_can_run_is_turned_on_at_once_where_that_was_chosen(running: Running) -> None:
    needy = document({"A": compose(1)}, parameters={"limit": {"type": "Int"}})
    files = tree({"a.json": document({"A": compose(1)}), "b.json": needy})
    assert not any(one.is_on for one in (await take(running, files)).flows)
    report = await take(running, files, turns_on=True)
    assert [(one.name, one.is_on) for one in report.flows] == [("a", True), ("b", False)]


async def test_values_a_template_is_missing_are_asked_for_and_evaluated_into_the_flow(running: Running) -> None:
    workflow = {
        "type": "Microsoft.Logic/workflows",
        "name": "pay",
        "properties": {
            "definition": document({"A": compose("[concat(parameters('who'), '@', resourceGroup().location)]")})[
                "definition"
            ]
        },
    }
    template = {
        "$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#",
        "parameters": {"who": {"type": "string", "metadata": {"description": "Who pays"}}},
        "resources": [workflow],
    }
    files = tree({"azuredeploy.json": template})

    plan = await plan_of(running, files)

    assert [(one.name, one.description) for one in plan.parameters] == [
        ("resourceGroup().location", ""),
        ("who", "Who pays"),
    ]
    values = {"who": "me", "resourceGroup().location": "west"}
    assert (await plan_of(running, files, **values)).parameters == ()
    (flow,) = (await take(running, files, values=values)).flows
    assert running.services.flows.latest(flow.flow_id).flow.definition.actions["A"].inputs == "me@west"


async def test_a_secret_that_moved_is_still_sent_and_shown_to_nobody(
    open_flowmend: Open, local_server: LocalServer
) -> None:
    received: list[tuple[str, str]] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        received.append((request.headers.get("X-Api-Key", ""), request.query.get("sig", "")))
        return web.json_response({})

    origin = await local_server(answer)
    running = await open_flowmend(allowed_private_hosts=frozenset({origin.removeprefix("http://")}))
    actions = {"Call": http("GET", f"{origin}/?sig={SECRET}", headers={"X-Api-Key": SECRET})}
    (flow,) = (await take(running, tree({"a.json": document(actions)}))).flows
    await turn_on(running.services, flow.flow_id, running.owner)

    run = await running.ended((await running.call(flow.flow_id)).run_name)

    assert run.status == "Succeeded"
    assert received == [(SECRET, SECRET)]
    shown = [one for one in await run_entries(running.services, run.run_name) if isinstance(one, ActionRecord)]
    assert shown
    assert SECRET not in "".join(repr(readable(one)) for one in shown)
    running.services.store.close()
    assert SECRET.encode() not in b"".join(one.read_bytes() for one in running.services.settings.data.glob("*.db*"))
