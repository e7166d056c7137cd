"""What is told beforehand: what ends, what was not granted, what stops when somebody goes; and the owner's own test."""

from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web

from flowmend.core.connection.credentials import BasicCredential, OAuthCredential
from flowmend.core.connection.forecast import EndKind, Urgency
from flowmend.core.connection.health import HealthState
from flowmend.core.connection.probe import ProbeKind
from flowmend.core.definition.flow import Packaging
from flowmend.core.definition.reading import read_flow
from flowmend.core.errors import AskedWrongly, Conflict, NotFound
from flowmend.store.rows import ConnectionMappingRow, FlowRow, FlowState, FlowVersionRow, PersonRow, SignInAppRow
from flowmend.use_cases.choose_probe import choose_probe, forget_probe
from flowmend.use_cases.connection_views import (
    count_connections,
    needing_attention,
    page_of_connections,
    read_connection,
)
from flowmend.use_cases.forecasts import count_ending, list_forecast, note_end
from flowmend.use_cases.granted_scopes import scope_problems, scopes_not_granted
from flowmend.use_cases.leaving import known_people, what_stops
from flowmend.use_cases.prove_credential import test_credential as try_credential

pytestmark = pytest.mark.anyio
DAY = timedelta(days=1)
PASSWORD = BasicCredential(user="ada", password="right")
BY_PASSWORD = {"connectionParameters": {"user": {"type": "string"}, "password": {"type": "securestring"}}}
PATHS: dict[str, Any] = {
    "/mail": {
        "post": {"operationId": "SendMail", "security": [{"o": ["Mail.Send"]}]},
        "get": {"operationId": "ListMail", "security": [{"o": ["Mail.Read"]}]},
    },
    "/open": {"get": {"operationId": "Open"}},
    "/thing": {
        "get": {
            "operationId": "GetThing",
            "parameters": [{"name": "id", "in": "query", "required": True, "type": "string"}],
        }
    },
}


def definition(origin: str = "http://x.example") -> dict[str, Any]:
    return {
        "swagger": "2.0",
        "host": origin.removeprefix("http://"),
        "schemes": ["http"],
        "paths": PATHS,
        "securityDefinitions": {"b": {"type": "basic"}, "o": {"type": "oauth2"}},
    }


def by_oauth(token_url: str = "http://x.example/token") -> dict[str, Any]:
    custom = {"authorizationUrl": {"value": "http://x.example/a"}, "tokenUrl": {"value": token_url}}
    scopes = ["Mail.Read", "Mail.Send", "offline_access"]
    settings = {"identityProvider": "oauth2", "clientId": "abc", "scopes": scopes, "customParameters": custom}
    return {"connectionParameters": {"token": {"type": "oauthSetting", "oAuthSettings": settings}}}


def tokens(house: Any, *, scopes: tuple[str, ...] = (), refresh_token: str = "r", hours: float = 1) -> OAuthCredential:
    now = house.clock.now
    return OAuthCredential(
        access_token="a",
        refresh_token=refresh_token,
        issued_at=now,
        expires_at=now + timedelta(hours=hours),
        scopes=scopes,
    )


class TestForecast:
    async def test_it_tells_what_ends_soonest_first_and_leaves_the_rest(self, house: Any) -> None:
        house.install("shop", definition(), BY_PASSWORD)
        now = house.clock.now
        for name, days, health in (
            ("far", 40, HealthState.CONNECTED),
            ("soon", 9, HealthState.CONNECTED),
            ("over", -1, HealthState.CONNECTED),
            ("broken", 1, HealthState.BROKEN),
        ):
            until = now + days * DAY
            house.connect(
                "shop", PASSWORD, connection_id=name, health=health, lasts_until=until, lasts_until_kind="noted"
            )
        found = await list_forecast(house.services)
        assert [(one.connection_id, one.days_left, one.urgency) for one in found] == [
            ("over", 0, Urgency.OVER),
            ("soon", 9, Urgency.MONTH),
        ]
        assert count_ending(house.services) == 2
        assert len(await list_forecast(house.services, ahead=50 * DAY)) == 3

    async def test_tokens_that_renew_themselves_end_nothing_others_do(self, house: Any) -> None:
        house.install("mail", definition(), by_oauth())
        for name, refresh_token in (("renews", "r"), ("ends", "")):
            credential = tokens(house, refresh_token=refresh_token)
            house.connect("mail", credential, connection_id=name, expires_at=credential.expires_at)
        (found,) = await list_forecast(house.services)
        assert (found.connection_id, found.end.kind) == ("ends", EndKind.ACCESS_TOKEN)

    async def test_a_sign_in_app_ends_for_all_its_connections(self, house: Any) -> None:
        house.install("mail", definition(), by_oauth())
        now = house.clock.now
        app = SignInAppRow(
            app_id="app", connector_id="mail", client_id="x", created_at=now, secret_expires_at=now + 3 * DAY
        )
        for number in range(3):
            row = house.connect("mail", tokens(house), connection_id=f"m{number}", app_id="app")
            assert row.app_id == "app"
        house.services.store.connections.delete("m0")
        other = house.connect("mail", tokens(house), connection_id="other", app_id="none")
        house.services.store.connections.add(
            type(other)(**{name: getattr(other, name) for name in other.__struct_fields__} | {"connection_id": "m9", "app_id": "app"}),
            app,
        )  # fmt: skip
        found = await list_forecast(house.services)
        assert {one.connection_id for one in found} == {"m1", "m2", "m9"}
        assert {one.end.kind for one in found} == {EndKind.APP_SECRET}
        listed = await page_of_connections(house.services, needing_attention(house.services), limit=9)
        assert {one.row.connection_id for one in listed.views} == {"m1", "m2", "m9"}
        assert (await count_connections(house.services)).in_need == 3
        house.services.store.connections.change_sign_in_app("app", secret_expires_at=now + 8 * DAY)
        assert (await count_connections(house.services)).in_need == 0  # not before a week before

    async def test_tokens_nobody_keeps_alive_are_told(self, house: Any) -> None:
        house.install("mail", definition(), by_oauth("https://account.docusign.com/oauth/token"))
        house.connect("mail", tokens(house), refreshed_at=house.clock.now - 20 * DAY)
        (found,) = await list_forecast(house.services)
        assert (found.end.kind, found.days_left) == (EndKind.IDLE, 10)
        assert needing_attention(house.services).ids == ()
        house.clock.move(days=5)
        assert needing_attention(house.services).ids == ("mail-1",)

    async def test_an_owner_notes_and_forgets_an_end(self, house: Any) -> None:
        house.install("shop", definition(), BY_PASSWORD)
        house.connect("shop", PASSWORD)
        await note_end(house.services, "shop-1", house.clock.now + 5 * DAY, "p1")
        assert [end.kind for end in (await read_connection(house.services, "shop-1")).ends] == [EndKind.NOTED]
        await note_end(house.services, "shop-1", None, "p1")
        assert (await read_connection(house.services, "shop-1")).ends == ()
        verbs = [row.verb for row in house.services.store.audit.list("shop-1")[0]]
        assert verbs == ["note_end", "note_end"]

    async def test_what_the_sign_in_says_itself_is_not_overwritten(self, house: Any) -> None:
        house.install("shop", definition(), BY_PASSWORD)
        house.connect("shop", PASSWORD, lasts_until=house.clock.now, lasts_until_kind="certificate")
        with pytest.raises(Conflict):
            await note_end(house.services, "shop-1", house.clock.now + DAY, "p1")
        with pytest.raises(NotFound):
            await note_end(house.services, "nobody", None, "p1")


def flow_of(*operations: str) -> Any:
    actions = {
        f"Step_{operation}": {
            "type": "OpenApiConnection",
            "inputs": {"host": {"connectionName": "shared_mail", "operationId": operation, "apiId": "/apis/mail"}},
            "runAfter": {},
        }
        for operation in operations
    }
    actions["By_path"] = {
        "type": "ApiConnection",
        "inputs": {
            "host": {"connection": {"referenceName": "shared_mail"}},
            "method": "post",
            "path": "/mail",
        },
        "runAfter": {},
    }
    document = {
        "connectionReferences": {"shared_mail": {"connectionName": "", "id": "/apis/mail"}},
        "definition": {"contentVersion": "1.0.0.0", "triggers": {}, "actions": actions},
    }
    flow = read_flow(document, packaging=Packaging.PLAIN, name="mail").flow
    assert flow is not None
    return flow


class TestScopes:
    async def test_a_step_that_was_not_granted_is_told_before_it_runs(self, house: Any) -> None:
        house.install("mail", definition(), by_oauth())
        row = house.connect("mail", tokens(house, scopes=("mail.read",)))
        problems = scope_problems(house.services, flow_of("ListMail", "SendMail"), {"shared_mail": "mail-1"})
        assert [one.code for one in problems] == ["MissingScope", "MissingScope"]
        assert all("Mail.Send" in one.message for one in problems)
        assert {one.pointer.rpartition("/actions/")[2] for one in problems} == {
            "Step_SendMail/inputs",
            "By_path/inputs",
        }
        assert scopes_not_granted(house.services, row) == ("Mail.Send",)
        assert (await read_connection(house.services, "mail-1")).missing_scopes == ("Mail.Send",)

    @pytest.mark.parametrize("scopes", [(), ("Mail.Read", "https://graph.microsoft.com/Mail.Send")])
    async def test_a_grant_that_covers_it_or_names_nothing_is_no_problem(
        self, house: Any, scopes: tuple[str, ...]
    ) -> None:
        house.install("mail", definition(), by_oauth())
        row = house.connect("mail", tokens(house, scopes=scopes))
        assert scope_problems(house.services, flow_of("SendMail"), {"shared_mail": "mail-1"}) == ()
        assert scopes_not_granted(house.services, row) == ()

    async def test_a_password_is_not_asked_for_scopes(self, house: Any) -> None:
        house.install("mail", definition(), BY_PASSWORD)
        house.connect("mail", PASSWORD)
        assert scope_problems(house.services, flow_of("SendMail"), {"shared_mail": "mail-1"}) == ()
        assert scope_problems(house.services, flow_of("SendMail"), {}) == ()


def add_flow(house: Any, flow_id: str, *, owner_id: str, state: FlowState, uses: str = "") -> None:
    now = house.clock.now
    row = FlowRow(
        flow_id=flow_id, name=flow_id.title(), packaging="plain", state=state, version="1", owner_id=owner_id,
        sealed_access_key=b"", settings={}, created_at=now, changed_at=now,
    )  # fmt: skip
    version = FlowVersionRow(flow_id=flow_id, version="1", document={}, created_at=now)
    house.services.store.flows.add(row, version)
    if uses:
        mapping = ConnectionMappingRow(flow_id=flow_id, reference="r", connection_id=uses)
        house.services.store.flows.set_mapping(mapping)


class TestLeaving:
    async def test_what_stops_is_told_apart_from_what_goes_on(self, house: Any) -> None:
        house.install("shop", definition(), BY_PASSWORD)
        now = house.clock.now
        house.services.store.access.add_person(
            PersonRow(person_id="p7", name="Ada L", email="ada@x.example", created_at=now)
        )
        house.connect("shop", PASSWORD, connection_id="hers", account_name="Ada@x.example", owner_id="p1")
        house.connect("shop", PASSWORD, connection_id="robots", account_name="svc@x.example", owner_id="p7")
        house.connect("shop", PASSWORD, connection_id="other", account_name="bob@x.example", owner_id="p1")
        add_flow(house, "stops", owner_id="p1", state=FlowState.ON, uses="hers")
        add_flow(house, "off", owner_id="p1", state=FlowState.OFF, uses="hers")
        add_flow(house, "runs", owner_id="p7", state=FlowState.ON, uses="robots")
        add_flow(house, "untouched", owner_id="p1", state=FlowState.ON, uses="other")
        found = await what_stops(house.services, " ada@X.example ")
        assert [row.connection_id for row in found.accounts] == ["hers"]
        assert [row.connection_id for row in found.owned] == ["robots"]
        assert [(flow.flow_id, flow.stops, flow.is_theirs) for flow in found.flows] == [
            ("stops", True, False),
            ("runs", False, True),
            ("off", False, False),
        ]
        assert found.stopping == 1
        by_name = await what_stops(house.services, "ada l")
        assert by_name.accounts == ()
        assert [flow.flow_id for flow in by_name.flows] == ["runs"]

    async def test_nobody_is_nobody(self, house: Any) -> None:
        found = await what_stops(house.services, "nobody")
        assert (found.accounts, found.owned, found.flows, found.apps) == ((), (), (), ())
        with pytest.raises(AskedWrongly):
            await what_stops(house.services, "  ")

    async def test_those_with_most_connections_come_first(self, house: Any) -> None:
        house.install("shop", definition(), BY_PASSWORD)
        for number in range(3):
            name = "bob" if number else "ada"
            house.connect("shop", PASSWORD, connection_id=f"c{number}", account_name=name)
        assert [(one.name, one.connections) for one in await known_people(house.services)] == [("bob", 2), ("ada", 1)]


class TestChoosingTheProbe:
    @pytest.fixture
    async def origin(self, local_server: Any) -> str:
        async def service(request: web.Request) -> web.Response:
            is_signed_in = "Authorization" in request.headers or request.path == "/open"
            return web.json_response({}, status=200 if is_signed_in else 401)

        started: str = await local_server(service)
        return started

    async def test_the_owners_choice_is_what_is_asked(self, house: Any, origin: str) -> None:
        house.install("shop", definition(origin), BY_PASSWORD)
        house.connect("shop", PASSWORD)
        await choose_probe(house.services, "shop-1", "getthing", {"id": "7"}, "p1")
        row = house.connection("shop-1")
        test = await try_credential(house.services, house.services.connectors.get("shop"), row, PASSWORD)
        assert (test.is_proven, test.kind, test.operation_id) == (True, ProbeKind.CHOSEN, "GetThing")
        await forget_probe(house.services, "shop-1", "p1")
        row = house.connection("shop-1")
        test = await try_credential(house.services, house.services.connectors.get("shop"), row, PASSWORD)
        assert test.kind is ProbeKind.INFERRED

    @pytest.mark.parametrize(
        ("operation_id", "code"),
        [
            ("Open", "ProbeIsPublic"),
            ("SendMail", "NotAProbe"),
            ("Nothing", "NotAProbe"),
            ("GetThing", "MissingParameter"),
        ],
    )
    async def test_what_proves_nothing_or_does_something_is_refused(
        self, house: Any, origin: str, operation_id: str, code: str
    ) -> None:
        house.install("shop", definition(origin), BY_PASSWORD)
        house.connect("shop", PASSWORD)
        with pytest.raises(AskedWrongly) as refused:
            await choose_probe(house.services, "shop-1", operation_id, {}, "p1")
        assert refused.value.code == code
        assert house.connection("shop-1").probe is None

    async def test_a_connection_elsewhere_is_not_led_to_another_host(self, house: Any, origin: str) -> None:
        house.install("shop", definition(origin), BY_PASSWORD)
        house.connect("shop", PASSWORD, allowed_origins=["http://elsewhere.example"])
        with pytest.raises(AskedWrongly) as refused:
            await choose_probe(house.services, "shop-1", "GetThing", {"id": "7"}, "p1")
        assert refused.value.code == "OriginNotAllowed"
