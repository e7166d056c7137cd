"""Secrets planted wherever one can live, the real thing run with them, and everything that can be seen searched.

Password, key, client secret, certificate, tokens, device code, inline authentication, secure parameters, repair link, and what servers of every
protocol repeat of them; in runs that succeed and that fail, verifications, refreshes and exports. A value that is no
secret is planted beside them and must be found everywhere, so that the search is known to look.
"""

import base64
import json
import os
import re
import secrets
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from authorization_server import CLIENT, Provider, connector_documents
from certificates import Authority
from everything_seen import Seen, Visitor, forms_of, visited
from flowmend.sample.service.accounts import Accounts
from flowmend.use_cases.access import issue_login_link
from flowmend.use_cases.repair_links import make_repair_link
from made_certificates import make
from mail_servers import Account, ImapServer, SmtpServer, dovecot
from password_database import PasswordDatabase
from providers import host_of, provider
from real_services import ClientCertificates
from running import SAMPLE, LocalServer, Open, Running, after, call_orders, compose, http

__all__ = ["provider"]

pytestmark = pytest.mark.anyio
#: Planted as a secret is, but in the clear: the search must find it.
CONTROL = "control/value+4711="
_CLIENT_SECRET = "sample-application-secret"


def planted(name: str) -> str:
    """A secret that no other text contains, with signs that every escaping changes."""
    return f"pl4nted+{name}/{secrets.token_hex(6)}=&<%>"


@dataclass
class Planted:
    """The secrets by what they are. kept: those that have a home; the others were only tried."""

    by_name: dict[str, str] = field(default_factory=dict)

    def __call__(self, name: str) -> str:
        return self.by_name.setdefault(name, planted(name.replace(" ", "-")))


@dataclass
class World:
    """A Flowmend, what it signs in to, and what was seen."""

    running: Running
    visitor: Visitor
    seen: Seen
    secret: Planted
    echo: str
    ports: dict[str, int]
    vault: ClientCertificates
    provider: Provider
    connections: dict[str, str] = field(default_factory=dict)
    runs: list[str] = field(default_factory=list)
    flows: list[str] = field(default_factory=list)


async def _echo(request: web.Request) -> web.Response:
    """Repeats whatever it was sent, in body, headers and reason; `/fail` with a refusal."""
    sent = request.headers.get("Authorization", "") + request.headers.get("X-Api-Key", "")
    plain = base64.b64decode(sent.partition(" ")[2]).decode() if sent.startswith("Basic ") else sent
    body = await request.text()
    answer = {"sent": sent, "plain": plain, "body": body, "query": request.query_string, "control": CONTROL}
    if request.path.endswith("/fail"):
        error = {"error": {"code": "Unauthorized", "message": f"The password {plain} is wrong", **answer}}
        challenge = {"WWW-Authenticate": f'Basic realm="{sent}"', "X-You-Sent": sent}
        return web.json_response(error, status=401, headers=challenge)
    return web.json_response(answer, headers={"X-You-Sent": sent})


@pytest.fixture
async def world(
    open_flowmend: Open,
    local_server: LocalServer,
    trusted_authority: Authority,
    password_database: PasswordDatabase,
    request: pytest.FixtureRequest,
) -> AsyncIterator[World]:
    secret, seen = Planted(), Seen()
    at_provider: Provider = request.getfixturevalue("provider")

    async def tell(request: web.Request) -> web.StreamResponse:
        is_asked = request.path == "/told"
        return web.json_response({"told": secret("secure output")}) if is_asked else await _echo(request)

    echo = await local_server(tell)
    smtp = SmtpServer("tls", trusted_authority.server_context())
    await smtp.start()
    smtp.accounts["ada"] = Account(secret("smtp password"))
    smtp.accounts["eve"] = Account("", "535 5.7.8 {password} is not it")
    password_database.set_role("ada", secret("postgresql password"))
    ports = {"smtp": smtp.port, "postgresql": password_database.port}
    if dovecot() is not None or os.environ.get("CI") == "true":  # all else is searched without it too
        imap: ImapServer = request.getfixturevalue("imap_server")
        imap.set_account("ada", secret("imap password"))
        ports["imap"] = imap.tls_port
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    vault = ClientCertificates(trusted_authority, is_short_lived=False)
    vault.start()
    vault.be("good", vault.first)
    at_provider.replace_secret(secret("client secret of an app"))
    hosts = {echo.removeprefix("http://"), host_of(at_provider)}
    hosts |= {f"localhost:{one}" for one in (vault.port, *ports.values())}
    running = await open_flowmend(allowed_private_hosts=frozenset(hosts), port=port)
    running.service.change("password", user="ada", password=secret("basic password"))
    running.service.change("key", user="ada", key=secret("api key"))
    async with visited(running, seen) as visitor:
        yield World(running, visitor, seen, secret, echo, ports, vault, at_provider)
    vault.stop()
    await smtp.stop()


@pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
async def test_no_secret_is_seen_anywhere_and_what_is_none_is_seen_everywhere(world: World) -> None:
    await _connect(world)
    await _sign_in_by_apps(world)
    await _run_flows(world)
    await _break_and_mend(world)
    await _look_everywhere(world)

    grants = world.running.service._service.grants
    tokens = {*grants._access_tokens, *grants._refresh_tokens, *grants._codes}
    for one in world.provider._tokens:
        tokens |= {one.access_token, one.refresh_token} - {""}
    assert len(tokens) >= 5  # code, and two generations of both tokens
    hidden = {**world.secret.by_name, "client secret": _CLIENT_SECRET} | {f"token {n}": t for n, t in enumerate(tokens)}
    found = {name: places[:5] for name, secret in hidden.items() if (places := world.seen.places_of(secret))}
    assert not found
    assert len(hidden) >= 20

    assert world.seen.kinds() >= {"page", "api", "cli", "log", "database"}
    for kind in ("page GET /runs", "api GET /runs", "api GET /flows", "cli runs", "database journal_pages"):
        assert world.seen.places_of(CONTROL, kind=kind), f"the search sees nothing in {kind}"
    assert any(world.flows[0].encode() in text for place, text in world.seen.texts if place.startswith("log"))


@pytest.mark.parametrize("place", ["page", "api", "cli", "log", "database"])
def test_the_search_finds_a_secret_in_every_form_and_place(place: str) -> None:
    secret = planted("found")
    for form in forms_of(secret):
        seen = Seen()
        seen.add(f"{place} x", b"before " + form + b" after")
        assert seen.places_of(secret) == [f"{place} x"]


async def _connect(world: World) -> None:
    """Make every kind of connection, each after a wrong secret was refused."""
    running, secret, visitor = world.running, world.secret, world.visitor
    for name in ("sample_orders", "sample_shipping", "sample_customers"):
        await visitor.command("connectors", "add", str(SAMPLE / "connectors" / name))
    await visitor.api("POST", "/connectors", {"name": "echo", **_echo_connector(world.echo)})
    home = {"host_url": running.service.url}
    at = {protocol: {"host": "localhost", "port": str(port), "user": "ada"} for protocol, port in world.ports.items()}
    made = {
        "sample_orders": {**home, "username": "ada", "password": secret("basic password")},
        "sample_shipping": {**home, "api_key": secret("api key")},
        "echo": {"user": "ada", "password": secret("echoed password")},
        "vault": {**world.vault.values, "certificate": world.vault.first},
    }
    made |= {one: {**place, "password": secret(f"{one} password")} for one, place in at.items()}
    made["postgresql"]["database"] = "postgres"
    for name, pem in (("certificate", world.vault.first), ("wrong certificate", world.vault.wrong)):
        # A line in the middle of the key: no form of the whole keeps another.
        secret.by_name[f"key of the {name}"] = pem.partition("PRIVATE KEY-----\n")[2].splitlines()[1]
    documents = {"definition": world.vault.definition, "properties": world.vault.properties}
    await visitor.api("POST", "/connectors", {"name": "vault", **documents})
    for connector, values in made.items():
        wrong = {
            name: secret(f"wrong {connector}") if name in {"password", "api_key"} else text
            for name, text in values.items()
        }
        if connector == "vault":
            wrong["certificate"] = world.vault.wrong
        if connector == "smtp":
            wrong["user"] = "eve"
        for given in (wrong, values) if connector != "echo" else (values,):
            answer = await visitor.api(
                "POST", "/connections", {"connector": connector, "display_name": CONTROL, "parameters": given}
            )
        assert "id" in answer, answer
        world.connections[connector] = answer["id"]
    customers = {"token:HostUrl": running.service.url, "client_secret": _CLIENT_SECRET}
    answer = await visitor.api(
        "POST", "/connections", {"connector": "sample_customers", "display_name": CONTROL, "parameters": customers}
    )
    world.connections["sample_customers"] = answer["id"]
    await _consent(world)


async def _consent(world: World) -> None:
    """Sign in to the OAuth connection as a browser does."""
    connection_id = world.connections["sample_customers"]
    _, provider, _ = await world.visitor.page("GET", f"/connections/{connection_id}/consent")
    form = {"decision": "allow", "user": "ada", "password": world.secret("basic password")}
    async with aiohttp.ClientSession() as session, session.post(provider, data=form, allow_redirects=False) as answer:
        back = answer.headers["Location"]
    status, _, content = await world.visitor.page("GET", back)
    assert status == 200, content


async def _sign_in_by_apps(world: World) -> None:
    """An app with a secret, one with a certificate, and a person with a code on another device."""
    secret, visitor, provider = world.secret, world.visitor, world.provider
    definition, properties = connector_documents(provider.url)
    await visitor.api("POST", "/connectors", {"name": "provider", "definition": definition, "properties": properties})
    made = make("our app", rsa_key=True)
    public = made.certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    provider.client.public_key_pem = public.decode()
    secret.by_name["key of an app"] = made.key_pem.splitlines()[5]
    proofs = {
        "by_secret": {"client_secret": secret("client secret of an app")},
        "by_certificate": {
            "certificate": base64.b64encode(made.pfx(secret("password of a PFX"))).decode(),
            "certificate_password": secret("password of a PFX"),
        },
    }
    for way, proof in proofs.items():
        about = {"connector": "provider", "display_name": CONTROL, "client_id": CLIENT}
        app = await visitor.api("POST", "/sign_in_apps", {**about, **proof})
        wrong = {"client_secret": secret(f"wrong {way}")}
        asked = {"connector": "provider", "display_name": CONTROL, "sign_in_app": app["id"], "parameters": {}}
        by_itself = await visitor.api("POST", "/connections", {**asked, "parameter_set": "app"})
        by_device = await visitor.api("POST", "/connections", {**asked, "parameter_set": "person"})
        world.connections[way], world.connections[f"{way}_on_a_device"] = by_itself["id"], by_device["id"]
        await visitor.api("POST", f"/sign_in_apps/{app['id']}/secret", wrong)
        begun = await visitor.api("POST", f"/connections/{by_device['id']}/device_sign_in", {})
        await visitor.page("GET", f"/connections/{by_device['id']}/device")
        secret.by_name[f"device code {way}"] = provider._devices[-1].device_code
        await visitor.api("POST", f"/connections/{by_device['id']}/device_sign_in/check")
        provider.answer_device(begun["user_code"], "ada")
        world.running.clock.move(seconds=10)
        signed_in = await visitor.api("POST", f"/connections/{by_device['id']}/device_sign_in/check")
        assert signed_in["is_kept"], signed_in


async def _run_flows(world: World) -> None:
    running, secret, echo = world.running, world.secret, world.echo
    at = {"secureData": {"properties": ["inputs", "outputs"]}}
    basic = {"type": "Basic", "username": "ada", "password": secret("inline password")}
    raw = {"type": "Raw", "value": f"Bearer {secret('inline token')}"}
    good = {
        "Orders": call_orders("ListOrders"),
        "Key": _call("GetAccount", "sample_shipping"),
        "Customers": _call("ListCustomers", "sample_customers"),
        "Echo": _call("Echo", "echo"),
        "Copy": after(compose({"echo": "@body('Echo')", "control": CONTROL}), "Echo"),
        "Inline": http("GET", f"{echo}/inline", authentication=basic),
        "Raw": http("GET", f"{echo}/raw", authentication=raw),
        "Header": http("GET", f"{echo}/header", headers={"Authorization": f"Bearer {secret('header token')}"}),
        "Key_header": http("GET", f"{echo}/key", headers={"X-Api-Key": secret("header key")}),
        "Parameter": {
            **http("POST", f"{echo}/body", body={"p": "@parameters('given')", "d": "@parameters('default')"}),
            "runtimeConfiguration": at,
        },
        "Told": {**http("GET", f"{echo}/told"), "runtimeConfiguration": at},
        "Secure": after(compose("@body('Told')", runtimeConfiguration=at), "Told"),
    }
    parameters = {
        "given": {"type": "SecureString"},
        "default": {"type": "SecureString", "defaultValue": secret("secure default")},
    }
    for name, actions in (
        ("good", good),
        ("bad", {**_failing(echo, secret), "After": after(compose(CONTROL), "Fail", when="Failed")}),
    ):
        file = _file(actions, parameters if name == "good" else {}, echo)
        if name == "good":
            file["parameters"] = {"given": {"value": secret("secure parameter")}}
        path = running.services.settings.data.parent / f"{name}.json"
        path.write_text(json.dumps(file))
        await world.visitor.command("import", str(path))
        path.unlink()
    flows = await world.visitor.api("GET", "/flows")
    for flow in flows["value"]:
        world.flows.append(flow["id"])
        await world.visitor.api("POST", f"/flows/{flow['id']}/turn_on")
    running.service.change("expire")  # so that the tokens are refreshed on the way
    await _run_each(world)


async def _run_each(world: World) -> None:
    for flow_id in world.flows:
        answer = await world.visitor.api("POST", f"/flows/{flow_id}/run", {"control": CONTROL})
        if answer["name"]:
            await world.running.ended(answer["name"])
            world.runs.append(answer["name"])


async def _break_and_mend(world: World) -> None:
    """Every connection is refused, tested, verified with a wrong secret and with the right one, here and by a link."""
    running, secret, visitor = world.running, world.secret, world.visitor
    accounts: Accounts = running.service._service.accounts
    accounts.change_password("ada", secret("second basic password"))
    accounts.change_key("ada", secret("second api key"))
    await _run_each(world)
    for connector, connection_id in world.connections.items():
        await visitor.api("POST", f"/connections/{connection_id}/test")
        if connector in {"sample_customers", "echo", "vault"} or connector.startswith("by_"):
            continue
        name = "api_key" if connector == "sample_shipping" else "password"
        wrong = {name: secret(f"wrong again {connector}")}
        await visitor.page("POST", f"/connections/{connection_id}/verify", {f"p.{name}": wrong[name]})
        await visitor.command(
            *("connections", "verify", connection_id, "--secrets-stdin", "--json"), stdin=json.dumps(wrong), exits=(1,)
        )
    running.clock.move(minutes=16)  # so many refusals in a row are no longer counted
    link = await make_repair_link(running.services, world.connections["sample_orders"], running.owner)
    code = urlsplit(link.url).fragment
    world.secret.by_name["repair link"] = code
    await visitor.page("GET", "/repair")
    assert (await visitor.page("POST", "/repair", {"code": code}))[1] == "/repair/connection"
    for password in (secret("wrong by the link"), secret("second basic password")):
        await visitor.page("GET", "/repair/connection")
        status, _, content = await visitor.page("POST", "/repair/connection", {"p.password": password})
    assert status == 200, content
    shipping = world.connections["sample_shipping"]
    answer = await visitor.api(
        "POST", f"/connections/{shipping}/verify", {"parameters": {"api_key": secret("second api key")}}
    )
    assert answer["is_proven"], answer
    login, _ = await issue_login_link(running.services)
    world.secret.by_name["login link"] = login.partition("link=")[2]
    running.service.change("expire")
    await _run_each(world)


async def _look_everywhere(world: World) -> None:
    visitor, services = world.visitor, world.running.services
    actions = ["Echo", "Copy", "Inline", "Parameter", "Secure", "Fail", "After", "Orders"]
    values = {
        "flow_id": world.flows,
        "run_name": world.runs,
        "action": actions,
        "connection_id": list(world.connections.values()),
        "connector_id": list(world.connections),
        "repetition": ["000000"],
        "version": sorted({row.version for flow in world.flows for row in services.store.flows.versions(flow)}),
        "incident_id": [row.incident_id for row in services.store.incidents.list(limit=50)[0]],
        "app_id": [row.app_id for row in services.store.connections.list() if row.app_id],
    }
    answered = await visitor.ask_every_route(values)
    assert len(answered) >= 12, answered
    assert await visitor.visit_every_page() >= 40
    traced = [(run, name) for run in world.runs[:2] for name in await world.running.records(run) if name in actions]
    for arguments in (
        *(("runs", "show", run, *more) for run in world.runs[:4] for more in ((), ("--json",))),
        *(("runs", "trace", run, action) for run, action in traced),
        *(("flows", verb, flow) for flow in world.flows for verb in ("show", "export")),
        *(("connections", "show", one, *more) for one in world.connections.values() for more in ((), ("--json",))),
        *(
            (what, "list", *more)
            for what in ("runs", "flows", "connections", "connectors", "incidents")
            for more in ((), ("--json",))
        ),
    ):
        await visitor.command(*arguments)
    await services.store.journal.write(())
    visitor.read_database()


def _call(operation: str, connector: str) -> dict[str, Any]:
    action = call_orders(operation)
    action["inputs"]["host"] |= {"connectionName": f"shared_{connector}", "apiId": f"/apis/shared_{connector}"}
    return action


def _failing(echo: str, secret: Planted) -> dict[str, Any]:
    basic = {"type": "Basic", "username": "ada", "password": secret("refused inline password")}
    return {"Fail": http("GET", f"{echo}/fail", authentication=basic)}


def _file(actions: dict[str, Any], parameters: dict[str, Any], echo: str) -> dict[str, Any]:
    keys = set(re.findall(r'"(shared_\w+)"', json.dumps(actions)))
    return {
        "connectionReferences": {key: {"connectionName": "", "id": f"/apis/{key}"} for key in keys},
        "definition": {
            "$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#",
            "contentVersion": "1.0.0.0",
            "triggers": {"manual": {"type": "Request", "kind": "Http", "inputs": {}}},
            "parameters": parameters,
            "actions": actions,
        },
    }


def _echo_connector(origin: str) -> dict[str, Any]:
    address = urlsplit(origin)
    return {
        "definition": {
            "swagger": "2.0",
            "info": {"title": "Echo", "version": "1"},
            "host": address.netloc,
            "schemes": ["http"],
            "paths": {"/echo": {"get": {"operationId": "Echo", "parameters": []}}},
            "securityDefinitions": {"basic": {"type": "basic"}},
        },
        "properties": {
            "properties": {
                "connectionParameters": {
                    "user": {"type": "string", "uiDefinition": {"constraints": {"required": "true"}}},
                    "password": {"type": "securestring"},
                }
            }
        },
    }
