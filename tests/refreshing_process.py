"""Processes that renew one connection's tokens again and again, as workers beside each other do.

Takes its work from the command line; each process prints one JSON line: `{"renewed": …, "refused": [codes]}`. They are forked
from one that has imported everything and opened nothing, so that they start together and soon.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import NamedTuple

from flowmend.assembly import open_services
from flowmend.settings import Settings
from flowmend.use_cases.opened_connections import OpenedConnection, OpenedConnections


class Work(NamedTuple):
    """What each process does, as the command line says it."""

    folder: str
    database: str
    connection_id: str
    private_host: str
    times: str
    processes: str


async def renew(work: Work, begin: int, ready: int) -> dict[str, object]:
    """What came of renewing so many times. begin: a pipe that ends once all are ready. ready: where to say so."""
    allowed = frozenset({work.private_host})
    settings = Settings(data=Path(work.folder), database_url=work.database, allowed_private_hosts=allowed)
    services = open_services(settings).services
    await services.http.start()
    os.write(ready, b".")
    os.read(begin, 1)
    renewed, refused = 0, []
    for _ in range(int(work.times)):
        opened = OpenedConnections().get(services, work.connection_id)
        assert opened is not None
        result = await services.operations.refresher.refreshed(services, opened)
        if isinstance(result, OpenedConnection):
            renewed += 1
        else:
            refused.append(result.code)
    await services.http.close()
    services.store.close()
    return {"renewed": renewed, "refused": refused}


def main(work: Work) -> None:
    begin, begin_all = os.pipe()
    ready, ready_all = os.pipe()
    children = []
    for _ in range(int(work.processes)):
        child = os.fork()
        if child == 0:
            os.close(begin_all)
            outcome = asyncio.run(renew(work, begin, ready_all))
            os.write(1, (json.dumps(outcome) + "\n").encode())
            os._exit(0)
        children.append(child)
    said = 0
    while said < len(children):
        said += len(os.read(ready, len(children)))
    os.close(begin_all)
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(Work(*sys.argv[1:]))
