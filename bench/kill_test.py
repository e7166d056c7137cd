"""Kills a running Flowmend at random moments and counts what the service saw.

    python bench/kill_test.py [--runs 500] [--kills 10] [--seed N]

A service on loopback, and `flowmend up` as a process of its own; events are posted to a flow that first creates an order
(the operation honours its key) and then writes a note (the operation ignores keys), while the server is ended with SIGKILL
at random moments: with runs at every stage, and now and then while it starts. Afterwards it checks, from the journal of every
run and the service's own memory:

- every event has one run, also one posted again because its answer was lost; none is stuck without a stated reason;
- every order was created once, and each repeat carried the first key;
- no note was sent twice, and nothing evaluated anew; the runs whose note is in doubt ask.

The seed is printed; the same seed gives the same moments. Exit 0 where everything holds.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from pathlib import Path

from counting_service import NOTE, ORDER, CountingService, free_port
from fault_checks import IN_DOUBT, check_accepted, check_all_answered, check_ends, check_orders_and_notes
from fault_flows import Posted, order_and_note, post_events, prepare, report, settled
from fault_server import KILL_TAKES, Server, kill_at_random
from flowmend.assembly import open_services
from flowmend.settings import read_settings

#: Long enough for a kill to find both calls under way, short enough that most runs end between two kills.
LATENCY_SECONDS = 0.3
#: At once in the beginning; a kill finds as many as a restart then takes up.
AT_ONCE = 300


async def run(runs: int, kills: int, seed: int) -> int:
    draws = random.Random(seed)
    print(f"seed {seed}: {runs} runs, {kills} kills", flush=True)
    began = time.monotonic()
    service = CountingService(latency_seconds=LATENCY_SECONDS)
    await service.start()
    posted = Posted()
    with tempfile.TemporaryDirectory(prefix="flowmend-kill-") as folder:
        hosts = frozenset({f"localhost:{service.port}"})
        settings = read_settings({}, data=Path(folder), port=free_port(), allowed_private_hosts=hosts)
        server = Server(settings)
        try:
            url = (await prepare(settings, service.url, {"kill": order_and_note()}))["kill"]
            numbers = [f"K-{index:05d}" for index in range(runs)]
            await asyncio.gather(
                post_events(url, numbers, seconds=kills * KILL_TAKES, at_once=min(AT_ONCE, runs // 2), posted=posted),
                kill_at_random(server, draws, kills),
            )
            application = open_services(settings)
            by_status = await settled(application)
            server.stop()
            wrong = [
                *check_accepted(application, posted.accepted),
                *check_all_answered(posted, runs),
                *check_ends(by_status, {"Succeeded", IN_DOUBT}),
                *check_orders_and_notes(application, service),
            ]
            application.services.store.close()
        finally:
            server.stop()
            await service.stop()
    print(f"accepted {len(posted.accepted)}, asked again {posted.asked_again}, refused {dict(posted.refused) or 0}")
    print(
        f"runs stored {by_status.total()}: "
        + ", ".join(f"{count} {status}" for status, count in sorted(by_status.items()))
    )
    for kind in (ORDER, NOTE):
        heard = [one for one in service.heard if one.kind == kind]
        effects = sum(times for (what, _), times in service.done.items() if what == kind)
        print(
            f"{kind}s: {len(heard)} requests, {len({one.key for one in heard})} distinct keys, "
            f"{len({one.number for one in heard})} numbers, {effects} effects"
        )
    print(f"{time.monotonic() - began:.0f} s")
    return report(wrong)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    chosen = parser.parse_args()
    sys.exit(asyncio.run(run(chosen.runs, chosen.kills, chosen.seed)))
