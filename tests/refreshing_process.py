"""A process that renews one connection's tokens again and again, as a worker beside others does.

Takes its work from the command line, waits for a line on stdin to begin with the others, and prints one JSON line:
`{"renewed": …, "refused": [codes]}`.
"""

import asyncio
import json
import sys
from pathlib import Path

from flowmend.assembly import open_services
from flowmend.settings import Settings
from flowmend.use_cases.opened_connections import OpenedConnection, OpenedConnections


async def renew(folder: str, database: str, connection_id: str, private_host: str, times: int) -> dict[str, object]:
    settings = Settings(data=Path(folder), database_url=database, allowed_private_hosts=frozenset({private_host}))
    services = open_services(settings).services
    await services.http.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    renewed, refused = 0, []
    for _ in range(times):
        opened = OpenedConnections().get(services, connection_id)
        assert opened is not None
        result = await services.operations.refresher.refreshed(services, opened)
        if isinstance(result, OpenedConnection):
            renewed += 1
        else:
            refused.append(result.code)
    await services.http.close()
    services.store.close()
    return {"renewed": renewed, "refused": refused}


if __name__ == "__main__":
    outcome = asyncio.run(renew(*sys.argv[1:5], times=int(sys.argv[5])))
    sys.stdout.write(json.dumps(outcome) + "\n")
