"""What a poll found becomes events: one for each item, whichever of connector and flow splits it."""

from typing import Any

import pytest

from flowmend.use_cases.kept_events import kept_events
from running import Running, compose

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("database", ["sqlite"], indirect=True)]

WHOLE = {"body": {"value": [{"name": "a"}, {"name": "b"}]}}
ITEM = {"body": {"name": "a"}}


async def kept(running: Running, outputs: Any, *, is_item: bool) -> list[tuple[str, str]]:
    triggers = {"new": {"type": "Request", "kind": "Http", "inputs": {}, "splitOn": "@triggerOutputs()?['body/value']"}}
    flow_id = await running.add_flow({"A": compose(1)}, triggers=triggers)
    loaded = running.services.flows.latest(flow_id)
    trigger = loaded.flow.definition.triggers["new"]
    return [
        (str(row.status), row.code)
        for row in await kept_events(running.services, loaded, trigger, outputs, is_item=is_item)
    ]


async def test_a_flow_splits_what_its_connector_gives_as_a_whole(running: Running) -> None:
    assert len(await kept(running, WHOLE, is_item=False)) == 2


async def test_an_item_of_a_connector_that_splits_is_not_lost_to_a_flow_that_splits_too(running: Running) -> None:
    (row,) = await kept(running, ITEM, is_item=True)
    assert row[0] == "Waiting"


async def test_an_answer_without_a_list_to_split_starts_nothing(running: Running) -> None:
    assert await kept(running, ITEM, is_item=False) == [("Skipped", "SplitOnWithoutItems")]
    assert await kept(running, {"body": {"value": []}}, is_item=True) == [("Skipped", "SplitOnWithoutItems")]
