"""No secret is readable at rest, in logs, in errors or in what a repr shows."""

import base64
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from flowmend.core.errors import AskedWrongly, FlowmendError, SecretUnreadable
from flowmend.sample.demo import FIRST_PASSWORD
from flowmend.use_cases.access import issue_login_link, issue_token, person_of_token, use_login_link
from flowmend.use_cases.create_connection import create_connection
from flowmend.use_cases.flows import read_flow_detail, turn_on
from flowmend.use_cases.import_flow import import_flows
from flowmend.use_cases.resubmit_runs import resubmit_run
from flowmend.use_cases.runs import read_run
from flowmend.use_cases.verify_connection import verify_connection
from running import LocalServer, Open, Running, after, call_orders, compose, create_order, document, http

pytestmark = pytest.mark.anyio

KEY = "ada-key-1001"
WRONG = "this-was-never-right"
NEW = "spring-harbour-77"
HUSH = "hush-hush-value-4711"


def at_rest(folder: Path) -> bytes:
    """Everything the data folder keeps, write-ahead log included."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def forms_of(secret: str) -> list[bytes]:
    """A secret as it may turn up: itself, and inside base64 whatever stands before it."""
    found = [secret.encode()]
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + secret.encode())
        found.append(encoded[(0, 2, 3)[offset] : -4])
    return found


def assert_sealed(content: bytes, *secrets: str) -> None:
    for secret in secrets:
        for form in forms_of(secret):
            assert form not in content, f"a secret of {len(secret)} characters is readable"


async def test_no_credential_is_readable_at_rest_in_logs_or_in_errors(
    running: Running, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    errors: list[FlowmendError] = []
    shipping = await running.connect("sample_shipping", api_key=KEY)
    orders = await running.connect()
    by_key = call_orders("GetAccount")
    by_key["inputs"]["host"] |= {"connectionName": "shared_sample_shipping", "apiId": "/apis/shared_sample_shipping"}
    flow_id = await running.add_flow({"Order": create_order(), "Key": by_key})
    good = await running.call(flow_id, {"number": "N1"})
    assert (await running.ended(good.run_name)).status == "Succeeded"
    running.service.change("password", user="ada", password=NEW)
    bad = await running.call(flow_id, {"number": "N2"})
    await running.ended(bad.run_name)
    for connection_id, values in ((orders, {"password": WRONG}), (shipping, {"api_key": WRONG})):
        await verify_connection(running.services, connection_id, values, person_id=running.owner)
    try:
        values = {"username": "ada", "password": WRONG, "host_url": running.service.url}
        await create_connection(running.services, "sample_orders", "Second", values, running.owner)
    except AskedWrongly as error:
        errors.append(error)
    await verify_connection(running.services, orders, {"password": NEW}, person_id=running.owner)
    again = await resubmit_run(running.services, bad.run_name, person_id=running.owner)
    assert (await running.ended(again.run_name)).status == "Succeeded"
    token, link = await issue_token(running.services, "script"), (await issue_login_link(running.services))[0]
    await person_of_token(running.services, token)
    link_secret = link.partition("link=")[2]
    cookie, session = await use_login_link(running.services, link_secret)
    signature = running.signed(flow_id)[1]["sig"]
    access_key = running.services.flows.latest(flow_id).access_key

    secrets = (FIRST_PASSWORD, NEW, WRONG, KEY, token, link_secret, cookie, signature)
    content = at_rest(tmp_path)
    assert b"N1" in content  # it is the history that was searched
    assert_sealed(content, *secrets)
    assert access_key not in content
    assert errors
    seen = "\n".join([caplog.text, *map(str, errors), *map(repr, errors), *[error.message for error in errors]])
    assert_sealed(seen.encode(), *secrets)
    opened = running.services.operations._opened
    shown = [session, running.services.settings, *opened._opened.values(), running.services.vault]
    shown += [running.services.flows.latest(flow_id), *running.services.store.connections.list()]
    shown += [await read_run(running.services, name) for name in (good.run_name, bad.run_name)]
    assert_sealed(repr(shown).encode(), *secrets)
    assert repr(access_key) not in repr(shown)


async def test_what_is_secured_does_not_stand_in_the_file(
    open_flowmend: Open, local_server: LocalServer, tmp_path: Path
) -> None:
    async def service(_request: web.Request) -> web.Response:
        return web.json_response({"answer": f"out-{HUSH}"})

    origin = await local_server(service)
    running = await open_flowmend(allowed_private_hosts=frozenset({origin.removeprefix("http://")}))
    secured = {"runtimeConfiguration": {"secureData": {"properties": ["inputs", "outputs"]}}}
    flow_id = await running.add_flow(
        {
            "Post": {**http("POST", origin, body={"sent": "@concat('in-', triggerBody()?['value'])"}), **secured},
            "Copy": after(compose("@body('Post')", **secured), "Post"),
            "Held": after({"type": "Wait", "inputs": {"interval": {"count": 5, "unit": "Minute"}}}, "Copy"),
        },
        triggers={
            "manual": {
                "type": "Request",
                "kind": "Http",
                "inputs": {},
                "runtimeConfiguration": {"secureData": {"properties": ["outputs"]}},
            }
        },
    )
    accepted = await running.call(flow_id, {"value": HUSH})
    await running.at_rest()
    await running.recorded(accepted.run_name, "Copy", "Succeeded")

    content = at_rest(tmp_path)
    assert accepted.run_name.encode() in content
    assert_sealed(content, HUSH)

    running.clock.move(minutes=6)
    await running.settled()
    await running.ended(accepted.run_name)
    again = await resubmit_run(running.services, accepted.run_name, person_id=running.owner)
    await running.at_rest()
    await running.recorded(again.run_name, "Copy", "Succeeded")
    assert (await running.records(again.run_name))["Copy"].outputs == {"answer": f"out-{HUSH}"}
    assert_sealed(at_rest(tmp_path), HUSH)


async def test_secrets_written_into_a_file_are_sealed_and_still_work(
    open_flowmend: Open, local_server: LocalServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    received: list[Any] = []

    async def service(request: web.Request) -> web.Response:
        received.append((request.headers.get("Authorization"), request.headers.get("X-Api-Key"), await request.json()))
        return web.json_response({})

    origin = await local_server(service)
    running = await open_flowmend(allowed_private_hosts=frozenset({origin.removeprefix("http://")}))
    values = {name: f"{name}-{HUSH}" for name in ("given", "default", "nested", "inline", "header")}
    secured = {"runtimeConfiguration": {"secureData": {"properties": ["inputs"]}}}
    body = {"a": "@parameters('given')", "b": "@parameters('default')", "c": "@parameters('deep')['x']"}
    post = {
        **http(
            "POST",
            origin,
            body=body,
            authentication={"type": "Raw", "value": values["inline"]},
            headers={"X-Api-Key": values["header"]},
        ),
        **secured,
    }
    file = document(
        {"Post": post},
        parameters={
            "given": {"type": "SecureString"},
            "default": {"type": "securestring", "defaultValue": values["default"]},
            "deep": {"type": "secureObject", "defaultValue": {"x": values["nested"]}},
        },
    )
    file["parameters"] = {"given": {"value": values["given"]}}

    (imported,) = await import_flows(running.services, json.dumps(file).encode(), "a.json", person_id=running.owner)
    await turn_on(running.services, imported.flow_id, running.owner)
    accepted = await running.call(imported.flow_id, {})
    assert (await running.ended(accepted.run_name)).status == "Succeeded"

    sent = {"a": values["given"], "b": values["default"], "c": values["nested"]}
    assert received == [(values["inline"], values["header"], sent)]
    content = at_rest(tmp_path)
    assert b"X-Api-Key" in content
    detail = await read_flow_detail(running.services, imported.flow_id)
    shown = repr((detail.document, running.services.flows.latest(imported.flow_id), caplog.text))
    assert_sealed(content + shown.encode(), *values.values())
    assert "given" not in detail.document["parameters"]
    inputs = detail.document["definition"]["actions"]["Post"]["inputs"]
    assert (inputs["uri"], inputs["headers"]["X-Api-Key"]) == (origin, "@parameters('Post_X_Api_Key')")
    assert len(imported.moved_secrets) == len(values)


async def test_a_file_that_pretends_to_hold_sealed_values_is_a_file_like_any_other(running: Running) -> None:
    file = document({"A": compose(1)}) | {"flowmend": {"given": ["a"], "sealedParameters": "AAAA"}}
    (imported,) = await import_flows(running.services, json.dumps(file).encode(), "a.json", person_id=running.owner)
    await turn_on(running.services, imported.flow_id, running.owner)
    accepted = await running.call(imported.flow_id, {})
    assert (await running.ended(accepted.run_name)).status == "Succeeded"


async def test_a_service_that_echoes_the_password_does_not_put_it_into_the_history(
    open_flowmend: Open, local_server: LocalServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def echo(request: web.Request) -> web.Response:
        sent = request.headers.get("Authorization", "")
        plain = base64.b64decode(sent.partition(" ")[2]).decode() if sent else ""
        return web.json_response({"you_sent": sent, "plain": plain, "password": FIRST_PASSWORD})

    origin = await local_server(echo)
    running = await open_flowmend(allowed_private_hosts=frozenset({origin.removeprefix("http://")}))
    await running.connect(username="ada", password=FIRST_PASSWORD, host_url=origin)
    flow_id = await running.add_flow({"Get": call_orders("ListOrders"), "Copy": after(compose("@body('Get')"), "Get")})
    accepted = await running.call(flow_id)
    assert (await running.ended(accepted.run_name)).status == "Succeeded"

    records = await running.records(accepted.run_name)
    assert_sealed(json.dumps(records["Copy"].outputs).encode(), FIRST_PASSWORD, f"ada:{FIRST_PASSWORD}")
    assert_sealed(at_rest(tmp_path) + caplog.text.encode(), FIRST_PASSWORD)


async def test_the_password_of_an_http_action_stays_out_of_its_history(
    open_flowmend: Open, local_server: LocalServer, tmp_path: Path
) -> None:
    seen: list[str] = []

    async def service(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization", ""))
        return web.json_response({"echo": seen[-1]})

    origin = await local_server(service)
    running = await open_flowmend(allowed_private_hosts=frozenset({origin.removeprefix("http://")}))
    authentication = {"type": "Basic", "username": "ada", "password": "@triggerBody()?['secret']"}
    flow_id = await running.add_flow(
        {"Get": http("GET", origin, authentication=authentication)},
        triggers={
            "manual": {
                "type": "Request",
                "kind": "Http",
                "inputs": {},
                "runtimeConfiguration": {"secureData": {"properties": ["outputs"]}},
            }
        },
    )
    accepted = await running.call(flow_id, {"secret": HUSH})
    assert (await running.ended(accepted.run_name)).status == "Succeeded"
    assert base64.b64decode(seen[0].partition(" ")[2]).decode() == f"ada:{HUSH}"
    assert_sealed(at_rest(tmp_path), HUSH)


async def test_a_page_copied_to_another_run_does_not_open(running: Running) -> None:
    secured = {"runtimeConfiguration": {"secureData": {"properties": ["outputs"]}}}
    flow_id = await running.add_flow({"A": compose(HUSH, **secured)})
    first, second = await running.call(flow_id), await running.call(flow_id)
    for accepted in (first, second):
        await running.ended(accepted.run_name)
    with running.services.store._database.writing() as connection:
        connection.exec_driver_sql(
            "UPDATE journal_pages SET page = (SELECT page FROM journal_pages WHERE run_name = ? AND sequence = 1) "
            "WHERE run_name = ? AND sequence = 1",
            (first.run_name, second.run_name),
        )
    with pytest.raises(SecretUnreadable):
        await running.records(second.run_name)
    assert (await running.records(first.run_name))["A"].outputs == HUSH
