"""Editing a flow as text: checked, saved as a new version, compared, restored; values of parameters beside it."""

import json
from typing import Any

import pytest
from msgspec.structs import replace

from flowmend.core.connection.credentials import OAuthCredential
from flowmend.core.connection.health import HealthState
from flowmend.core.errors import AskedWrongly, Conflict, InvalidDocument, NotFound
from flowmend.store.rows import ConnectionMappingRow, ConnectionRow, FlowState
from flowmend.use_cases.connections import install_connector_documents
from flowmend.use_cases.edit_flow import check_text, lines_of_action, open_for_editing, restore_version, save_text
from flowmend.use_cases.flow_versions import compare_versions, list_versions, read_version
from flowmend.use_cases.flows import turn_on
from flowmend.use_cases.sealed_credentials import seal_credential
from flowmend.use_cases.set_parameters import read_parameters, set_parameters
from flowmend.use_cases.try_flow import TrialData, try_flow
from running import Running, after, compose, document, http

pytestmark = pytest.mark.anyio

PARAMETERS = {
    "region": {"type": "String", "defaultValue": "north"},
    "retries": {"type": "Int", "defaultValue": 1},
    "password": {"type": "SecureString"},
}
SECRET = "sesame-4711"


def text(actions: dict[str, Any], **parts: Any) -> str:
    return json.dumps(document(actions, **parts), indent=2)


async def test_a_saved_text_is_a_new_version_that_runs(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)})
    opened = open_for_editing(running.services, flow_id)
    assert json.loads(opened.text)["definition"]["actions"]["A"]["inputs"] == 1

    saved = await save_text(running.services, flow_id, text({"A": compose(2)}), opened.base_version, running.owner)

    assert saved.is_new
    run = await running.ended((await running.call(flow_id)).run_name)
    assert run.version == saved.version
    assert (await running.records(run.run_name))["A"].outputs == 2


async def test_a_text_that_changes_nothing_makes_no_version(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)})
    opened = open_for_editing(running.services, flow_id)
    saved = await save_text(running.services, flow_id, opened.text, opened.base_version, running.owner)
    assert (saved.is_new, saved.version) == (False, opened.base_version)


async def test_two_people_do_not_overwrite_each_other(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)})
    opened = open_for_editing(running.services, flow_id)
    await save_text(running.services, flow_id, text({"A": compose(2)}), opened.base_version, running.owner)

    with pytest.raises(Conflict) as refused:
        await save_text(running.services, flow_id, text({"A": compose(3)}), opened.base_version, running.owner)

    assert refused.value.code == "FlowChanged"
    assert '"inputs": 2' in open_for_editing(running.services, flow_id).text


async def test_a_flow_that_is_on_is_not_broken_by_saving(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)})
    opened = open_for_editing(running.services, flow_id)
    broken = text({"A": compose("@nope()")})
    with pytest.raises(Conflict) as refused:
        await save_text(running.services, flow_id, broken, opened.base_version, running.owner)
    assert refused.value.code == "FlowHasProblems"

    off = await running.add_flow({"A": compose(1)}, name="off", is_on=False)
    opened = open_for_editing(running.services, off)
    assert (await save_text(running.services, off, broken, opened.base_version, running.owner)).is_new


async def test_a_flow_that_is_on_does_not_lose_what_it_needs(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)}, parameters=PARAMETERS, is_on=False)
    await set_parameters(running.services, flow_id, {"password": SECRET}, running.owner)
    await turn_on(running.services, flow_id, running.owner)
    opened = open_for_editing(running.services, flow_id)
    lacking = opened.text.replace('"retries": {', '"more": {"type": "String"}, "retries": {')
    for attempt in (
        lambda: set_parameters(running.services, flow_id, {}, running.owner, cleared=["password"]),
        lambda: save_text(running.services, flow_id, lacking, opened.base_version, running.owner),
    ):
        with pytest.raises(Conflict) as refused:
            await attempt()  # type: ignore[no-untyped-call]
        assert refused.value.code == "FlowHasProblems"
    assert running.services.flows.latest(flow_id).row.state is FlowState.ON
    assert await set_parameters(running.services, flow_id, {"password": "other"}, running.owner)


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"definition": 5}', '"x"', "[" * 5000, '{"actions": \ud800}'])
async def test_a_text_without_a_flow_is_refused_and_says_where(running: Running, broken: str) -> None:
    flow_id = await running.add_flow({"A": compose(1)})
    checked = await check_text(running.services, flow_id, broken)
    assert not checked.can_save
    assert checked.error_count
    base = open_for_editing(running.services, flow_id).base_version
    with pytest.raises(InvalidDocument):
        await save_text(running.services, flow_id, broken, base, running.owner)


async def test_problems_say_the_line_they_stand_on(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)})
    written = text({"A": compose("@nope()"), "B": after(compose(1), "C")})
    lines = written.splitlines()

    checked = await check_text(running.services, flow_id, written)

    assert checked.can_save
    places = [lines[one.lines[0] - 1] for one in checked.problems if one.lines]
    assert any("@nope()" in place for place in places)
    assert any("runAfter" in place or '"C"' in place for place in places)
    (fault,) = (await check_text(running.services, flow_id, '{\n "a": nope\n}')).problems
    assert fault.lines == (2, 2)


async def test_a_step_that_its_sign_in_does_not_cover_is_told_while_it_is_written(running: Running) -> None:
    services, now = running.services, running.clock.now
    by_oauth = {"token": {"type": "oauthSetting", "oAuthSettings": {"identityProvider": "oauth2", "clientId": "a"}}}
    definition = {
        "swagger": "2.0",
        "host": "mail.example",
        "paths": {"/mail": {"post": {"operationId": "SendMail", "security": [{"o": ["Mail.Send"]}]}}},
        "securityDefinitions": {"o": {"type": "oauth2"}},
    }
    properties = {"properties": {"connectionParameters": by_oauth}}
    await install_connector_documents(services, "mail", definition, properties, running.owner)
    row = ConnectionRow(
        connection_id="m",
        connector_id="mail",
        display_name="My mail",
        owner_id=running.owner,
        parameters={},
        allowed_origins=["https://mail.example"],
        health=HealthState.CONNECTED,
        health_changed_at=now,
        created_at=now,
        changed_at=now,
    )
    granted = OAuthCredential(access_token="a", issued_at=now, scopes=("mail.read",))
    services.store.connections.add(replace(row, sealed_credential=seal_credential(services.vault, row, granted)))
    flow_id = await running.add_flow({"A": compose(1)})
    mapping = ConnectionMappingRow(flow_id=flow_id, reference="shared_mail", connection_id="m")
    services.store.flows.set_mapping(mapping)
    host = {"connectionName": "shared_mail", "operationId": "SendMail", "apiId": "/apis/mail"}
    written = document({"Send": {"type": "OpenApiConnection", "inputs": {"host": host}, "runAfter": {}}})
    written["connectionReferences"] = {"shared_mail": {"connectionName": "", "id": "/apis/mail"}}
    checked = await check_text(services, flow_id, json.dumps(written, indent=2))
    (told,) = [one for one in checked.problems if one.problem.code == "MissingScope"]
    assert "Mail.Send" in told.problem.message
    assert told.lines is not None


async def test_an_action_is_found_in_the_text(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1), "B": after(compose(1), "A")})
    opened = open_for_editing(running.services, flow_id)
    place = lines_of_action(running.services, flow_id, opened.text, "b")
    assert place is not None
    assert '"B"' in opened.text.splitlines()[place[0] - 1]
    assert lines_of_action(running.services, flow_id, opened.text, "Nope") is None
    assert lines_of_action(running.services, flow_id, "{", "B") is None


async def test_versions_are_listed_compared_and_restored(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1), "B": after(compose("same"), "A")})
    first = open_for_editing(running.services, flow_id)
    edited = await save_text(
        running.services, flow_id, first.text.replace('"inputs": 1', '"inputs": 2'), first.base_version, running.owner
    )

    difference = await compare_versions(running.services, flow_id, first.base_version, edited.version)
    changed = [(line.kind, line.text.strip()) for line in difference.lines if line.kind in {"added", "removed"}]
    assert [kind for kind, _ in changed] == ["removed", "added"]
    assert (difference.added_count, difference.removed_count, difference.values) == (1, 1, ())

    restored = await restore_version(running.services, flow_id, first.base_version, running.owner)
    versions = await list_versions(running.services, flow_id)
    assert [one.made_by for one in versions] == ["restore", "edit", "import"]
    assert [one.is_latest for one in versions] == [True, False, False]
    assert open_for_editing(running.services, flow_id).text == first.text
    assert (await read_version(running.services, flow_id, edited.version)).text != first.text
    assert (await compare_versions(running.services, flow_id, first.base_version, restored.version)).lines == ()


async def test_unknown_flows_and_versions_are_not_found(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)})
    for asked in (
        lambda: list_versions(running.services, "nope"),
        lambda: read_version(running.services, flow_id, "nope"),
        lambda: compare_versions(running.services, flow_id, "nope", "nope"),
        lambda: restore_version(running.services, flow_id, "nope", running.owner),
        lambda: check_text(running.services, "nope", "{}"),
        lambda: read_parameters(running.services, "nope"),
        lambda: set_parameters(running.services, flow_id, {"nope": 1}, running.owner),
        lambda: try_flow(running.services, flow_id, TrialData(run_name="nope")),
    ):
        with pytest.raises(NotFound):
            await asked()  # type: ignore[no-untyped-call]


async def test_a_literal_secret_in_a_saved_text_moves_into_the_vault(running: Running) -> None:
    flow_id = await running.add_flow({"A": compose(1)})
    login = {"type": "Basic", "username": "ada", "password": SECRET}
    base = open_for_editing(running.services, flow_id).base_version
    written = text({"A": http("GET", "https://example.com", authentication=login)})

    saved = await save_text(running.services, flow_id, written, base, running.owner)

    assert saved.moved_secrets
    assert SECRET not in open_for_editing(running.services, flow_id).text
    stored = running.services.store.flows.version(flow_id)
    assert stored is not None
    assert SECRET not in str(stored.document)
    # and it stays where it is when the text, now without it, is saved once more
    opened = open_for_editing(running.services, flow_id)
    again = opened.text.replace("example.com", "example.org")
    await save_text(running.services, flow_id, again, opened.base_version, running.owner)
    assert SECRET in running.services.flows.latest(flow_id).parameters.values()


class TestParameters:
    async def test_values_apply_to_new_runs_and_secrets_are_never_shown(self, running: Running) -> None:
        actions = {"A": compose("@parameters('region')"), "B": after(compose("@length(parameters('password'))"), "A")}
        flow_id = await running.add_flow(actions, parameters=PARAMETERS, is_on=False)
        values = {"region": "south", "password": SECRET, "retries": "3"}

        version = await set_parameters(running.services, flow_id, values, running.owner)

        views = {one.name: one for one in await read_parameters(running.services, flow_id)}
        assert (views["region"].value, views["region"].source) == ("south", "given")
        assert (views["retries"].value, views["retries"].type) == (3, "int")
        assert (views["password"].value, views["password"].is_secret, views["password"].source) == (None, True, "given")
        assert SECRET not in repr(views)
        loaded = running.services.flows.latest(flow_id)
        assert (loaded.version, loaded.parameters["password"]) == (version, SECRET)
        stored = running.services.store.flows.version(flow_id)
        assert stored is not None
        assert SECRET not in str(stored.document)

    async def test_an_earlier_version_keeps_its_values(self, running: Running) -> None:
        flow_id = await running.add_flow({"A": compose(1)}, parameters=PARAMETERS, is_on=False)
        first = await set_parameters(running.services, flow_id, {"region": "a", "password": "old"}, running.owner)
        second = await set_parameters(running.services, flow_id, {"region": "b", "password": "new"}, running.owner)
        flows = running.services.flows
        assert [flows.version(flow_id, one).parameters["password"] for one in (first, second)] == ["old", "new"]
        difference = await compare_versions(running.services, flow_id, first, second)
        assert difference.values == ("password", "region")

    async def test_values_stay_when_the_text_is_saved_or_restored(self, running: Running) -> None:
        flow_id = await running.add_flow({"A": compose(1)}, parameters=PARAMETERS, is_on=False)
        first = open_for_editing(running.services, flow_id).base_version
        await set_parameters(running.services, flow_id, {"region": "south", "password": SECRET}, running.owner)
        opened = open_for_editing(running.services, flow_id)
        edited = opened.text.replace('"south"', '"west"').replace('"inputs": 1', '"inputs": 2')
        await save_text(running.services, flow_id, edited, opened.base_version, running.owner)
        loaded = running.services.flows.latest(flow_id)
        assert (loaded.parameters["region"], loaded.parameters["password"]) == ("west", SECRET)
        await restore_version(running.services, flow_id, first, running.owner)
        assert running.services.flows.latest(flow_id).parameters["password"] == SECRET

    async def test_a_value_taken_away_gives_way_to_the_default(self, running: Running) -> None:
        flow_id = await running.add_flow({"A": compose(1)}, parameters=PARAMETERS, is_on=False)
        await set_parameters(running.services, flow_id, {"region": "south", "password": SECRET}, running.owner)
        await set_parameters(running.services, flow_id, {}, running.owner, cleared=["region", "password"])
        views = {one.name: one.source for one in await read_parameters(running.services, flow_id)}
        assert views == {"region": "default", "retries": "default", "password": ""}

    @pytest.mark.parametrize(("name", "value"), [("retries", "many"), ("retries", True), ("region", 5)])
    async def test_a_value_of_another_type_is_refused(self, running: Running, name: str, value: Any) -> None:
        flow_id = await running.add_flow({"A": compose(1)}, parameters=PARAMETERS, is_on=False)
        with pytest.raises(AskedWrongly) as refused:
            await set_parameters(running.services, flow_id, {name: value}, running.owner)
        assert refused.value.code == "InvalidParameterValue"


class TestTrial:
    async def test_a_trial_runs_with_an_earlier_runs_data_and_stores_nothing(self, running: Running) -> None:
        flow_id = await running.add_flow({"A": compose("@triggerBody()?['n']")})
        run = await running.ended((await running.call(flow_id, {"n": 7})).run_name)

        tried = await try_flow(running.services, flow_id, TrialData(run_name=run.run_name))

        assert tried.run["properties"]["actions"]["A"]["outputs"] == 7
        assert [row.run_name for row in running.runs()] == [run.run_name]

    async def test_calls_are_answered_as_said(self, running: Running) -> None:
        actions = {
            "Ask": http("GET", "https://example.com"),
            "Use": after(compose("@body('Ask')?['n']"), "Ask"),
            "Fix": after(compose("fixed"), "Ask", when="Failed"),
        }
        flow_id = await running.add_flow(actions)
        good = await try_flow(
            running.services, flow_id, TrialData(answers={"ask": {"statusCode": 200, "body": {"n": 5}}})
        )
        bad = await try_flow(running.services, flow_id, TrialData(answers={"Ask": {"statusCode": 404}}))
        assert good.run["properties"]["actions"]["Use"]["outputs"] == 5
        assert bad.run["properties"]["actions"]["Fix"]["outputs"] == "fixed"
        for answers in ({"Nope": {}}, {"Ask": 5}):
            with pytest.raises(AskedWrongly):
                await try_flow(running.services, flow_id, TrialData(answers=answers))

    async def test_no_secret_takes_part(self, running: Running) -> None:
        flow_id = await running.add_flow(
            {"A": compose("@concat(parameters(concat('pass', 'word')))")}, parameters=PARAMETERS, is_on=False
        )
        await set_parameters(running.services, flow_id, {"password": SECRET}, running.owner)
        tried = await try_flow(running.services, flow_id, TrialData())
        assert SECRET not in json.dumps(tried.run)

    async def test_a_trial_ends_in_bounded_time(self, running: Running) -> None:
        loop = {"type": "Foreach", "foreach": "@range(0, 100000)", "runAfter": {}, "actions": {"A": compose("@item()")}}
        flow_id = await running.add_flow({"Each": loop})
        with pytest.raises(AskedWrongly) as refused:
            await try_flow(running.services, flow_id, TrialData())
        assert refused.value.code == "TrialTooLong"
