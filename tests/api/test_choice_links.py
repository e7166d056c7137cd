"""Choices by mail: the flow waits, the mail holds a link for each choice, and pressing one lets the flow go on."""

import json
import re
from html import unescape
from typing import Any
from urllib.parse import urlsplit

import pytest

from doubles.estate import Estate
from flowmend.api.signed_runs import answer_about_a_run
from flowmend.core.errors import NotAllowed
from flowmend.core.run import SendResponse
from flowmend.use_cases.accept_event import run_now
from flowmend.use_cases.flows import map_connection, turn_on
from running import LocalServer, Open, compose

pytestmark = pytest.mark.anyio

ASK: dict[str, Any] = {
    "type": "ApiConnectionWebhook",
    "inputs": {
        "host": {"connection": {"referenceName": "office365"}},
        "path": "/approvalmail/$subscriptions",
        "body": {
            "Message": {"To": "ada@contoso.example", "Subject": "Block?", "Body": "b", "Options": "Approve, <Reject>"},
            "NotificationUrl": "@{listCallbackUrl()}",
        },
    },
    "runAfter": {},
}
SAID = {**compose("@body('Ask')?['SelectedOption']"), "runAfter": {"Ask": ["Succeeded"]}}


async def followed(estate: Estate, link: str, method: str) -> SendResponse:
    parts = urlsplit(link)
    segments = parts.path.split("/workflows/", 1)[1].split("/")
    scope = {"method": method, "query_string": parts.query.encode(), "headers": []}
    return await answer_about_a_run(estate.running.services, segments, scope, b"")


async def test_a_choice_is_made_by_pressing_it_not_by_following_its_link(
    local_server: LocalServer, open_flowmend: Open
) -> None:
    estate = Estate()
    await estate.start(local_server, open_flowmend)
    running = estate.running
    connection_id = await estate.connect("office365")
    flow = {
        "connectionReferences": {"office365": {"connectionName": "", "id": "/apis/office365"}},
        "definition": {
            "$schema": "https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#",
            "contentVersion": "1.0.0.0",
            "triggers": {"manual": {"type": "Request", "kind": "Button", "inputs": {}}},
            "actions": {"Ask": ASK, "Said": SAID},
        },
    }
    flow_id = await estate.take_in(json.dumps(flow).encode(), "ask.json")
    await map_connection(running.services, flow_id, "office365", connection_id, running.owner)
    await turn_on(running.services, flow_id, running.owner)
    accepted = await run_now(running.services, flow_id, None, running.owner)
    await running.reached(accepted.event_name, lambda row: row.wake_at is not None)
    links = [unescape(one) for one in re.findall(r'href="([^"]+)"', estate.graph.sent[0]["body"]["content"])]
    assert [one.rpartition("flowmend-choice=")[2] for one in links] == ["Approve", "%3CReject%3E"]

    page = await followed(estate, links[1], "GET")
    assert "<button>&lt;Reject&gt;</button>" in page.body
    assert running.run(accepted.event_name).ended_at is None
    for method in ("GET", "POST"):
        with pytest.raises(NotAllowed):
            await followed(estate, links[1].replace("sig=", "sig=x"), method)
    made = await followed(estate, links[1], "POST")
    assert "✓ &lt;Reject&gt;" in made.body
    assert (await running.ended(accepted.event_name)).status == "Succeeded"
    assert (await running.records(accepted.event_name))["Said"].outputs == "<Reject>"
