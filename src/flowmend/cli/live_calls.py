"""The calls of a run without a server: over the network, with the connections of the data folder."""

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

from flowmend.assembly import open_services
from flowmend.core.connector import refused_outcome
from flowmend.core.definition import Flow
from flowmend.core.outcome import Outcome
from flowmend.core.run import CallOperation
from flowmend.core.run.compiling import WEBHOOKS
from flowmend.settings import read_settings
from flowmend.use_cases.ports import Services


@asynccontextmanager
async def live_calls(
    flow: Flow, data: Path | None, environment: Mapping[str, str]
) -> AsyncIterator[Callable[[CallOperation], Awaitable[Outcome]]]:
    """What performs this flow's calls. Without a data folder there are no connections, and nothing is left behind."""
    settings = read_settings(environment, data=data)
    async with AsyncExitStack() as stack:
        if not settings.data.exists():
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="flowmend-"))
            settings = replace(settings, data=Path(folder), database_url="")
        services = open_services(settings).services
        stack.callback(services.store.close)
        await services.http.start()
        stack.push_async_callback(services.http.close)
        mappings = _mappings(services, flow)

        webhooks = {action.name for action in flow.definition.walk() if action.type in WEBHOOKS}

        async def perform(command: CallOperation) -> Outcome:
            if command.key[0] in webhooks:
                return refused_outcome(
                    "MissingServer", "Only a server can be called back. Import the flow, then run it."
                )
            return await services.operations.call(
                command.call,
                flow_id=flow.flow_id,
                mappings=mappings,
                client_request_id=command.client_request_id,
                trace_headers={"x-ms-workflow-operation-name": command.key[0]},
                attempt=command.attempt,
            )

        yield perform


def _mappings(services: Services, flow: Flow) -> dict[str, str]:
    """`{reference: connection id}`: as the imported flow has them, else the only connection that fits."""
    mapped = {one.reference: one.connection_id for one in services.store.flows.mappings(flow.flow_id)}
    connections = services.store.connections.list()
    for key, reference in flow.connection_references.items():
        fitting = [one.connection_id for one in connections if one.connector_id == reference.connector]
        if key not in mapped and len(fitting) == 1:
            mapped[key] = fitting[0]
    return mapped
