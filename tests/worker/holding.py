"""Events held for a flow, and a service that remembers who came in which order and who met whom."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from running import LocalServer, Open, Running, http

KEY = {"metadata": {"flowmend": {"businessKey": "@triggerBody()?['about']"}}}
PLAN = "a plan"
#: How many of one flow alone are under way at once.
MOST_OF_ONE = 64


@dataclass(kw_only=True)
class Service:
    """Answers after a moment, and remembers who came in which order and who met whom."""

    seconds: float = 0.01
    numbers: list[int] = field(default_factory=list)
    under_way: Counter[str] = field(default_factory=Counter)
    together: list[str] = field(default_factory=list)
    most: int = 0
    is_open: asyncio.Event = field(default_factory=asyncio.Event)

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.json()
        about = str(body["about"])
        self.numbers.append(int(body["number"]))
        if self.under_way[about]:
            self.together.append(about)
        self.under_way[about] += 1
        self.most = max(self.most, self.under_way.total())
        await asyncio.sleep(self.seconds)
        await self.is_open.wait()
        self.under_way[about] -= 1
        return web.json_response({})


def tell(origin: str) -> dict[str, Any]:
    body = {"number": "@triggerBody()['number']", "about": "@triggerBody()['about']"}
    return http("POST", f"{origin}/tell", body=body)


async def hold(running: Running, flow_id: str, numbers: range, about: int) -> list[str]:
    """Events of so many things that arrive while a plan keeps their flow back; their names."""
    running.services.held.keep_back([flow_id], PLAN, None)
    accepted = [
        await running.call(flow_id, {"number": number, "about": f"thing {number % about}"}) for number in numbers
    ]
    assert all(one.held for one in accepted)
    return [one.event_name for one in accepted]


async def all_ended(running: Running, names: list[str]) -> list[str]:
    """The statuses of these runs once they have ended."""
    return [(await running.ended(name)).status for name in names]


async def opened(
    open_flowmend: Open, local_server: LocalServer, service: Service, actions: Any = None, **parts: Any
) -> tuple[Running, str]:
    """A Flowmend with a flow that tells this service of each event."""
    origin = await local_server(service.answer)
    running = await open_flowmend(allowed_private_hosts=frozenset({origin.removeprefix("http://")}))
    return running, await running.add_flow(actions(origin) if actions else {"Tell": tell(origin)}, **{**KEY, **parts})
