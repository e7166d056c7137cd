"""Runs flows against a service that is slow, breaks connections off and lies, and counts what it really did.

    python bench/faulty_service.py [--runs 400] [--share 0.35] [--timeout PT1M] [--seed N]

Each event creates an order (the operation honours its key), writes a note (it does not) and tells a plain HTTP address, all with
retries. What is wrong with an answer is drawn from the seed, the event and how often it was asked, so the same seed gives the
same answers in whatever order the requests come: late ones, half a body, a wrong length, resets before and after the effect, an
error in a 200, an answer twice, garbage, redirects in a loop, a `Retry-After` that is huge or negative, and now and then a 401 that
was a mistake. Somebody verifies the connection whenever it broke. Afterwards it checks:

- every event was accepted or held, and in the end has a run; each has ended, or says what it waits for;
- each order happened once, under one key; each try that the service counted is in the journal, and the other way round;
- no run took another's answer for its own; what a run says succeeded happened, unless the service lied.

Exit 0 where everything holds.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from counting_service import NOTE, ORDER, TOLD, CountingService, Heard, free_port, unauthorized
from fault_checks import check_accepted, check_all_answered, check_ends, entries_of, journal_wrongs, number_of
from fault_flows import Posted, after, all_runs, order_and_note, post_events, prepare, report, settled, until
from fault_server import Server
from flowmend.assembly import Application, open_services
from flowmend.cli.local_server import read_local_token
from flowmend.core.outcome import Status
from flowmend.core.run.record import ActionRecord
from flowmend.sample.demo import FIRST_PASSWORD
from flowmend.settings import read_settings

LATE_SECONDS = 4.0
RETRIES = {"type": "fixed", "count": 4, "interval": "PT5S"}
#: {what is wrong: how often, of the wrong answers}
FAULTS = {
    "late": 3,
    "reset before": 4,
    "reset after": 4,
    "half a body": 4,
    "too long": 3,
    "too short": 2,
    "error in 200": 3,
    "twice": 4,
    "garbage": 3,
    "redirect": 2,
    "retry soon": 3,
    "retry before now": 2,
    "retry never": 1,
    "busy": 4,
    "mistaken 401": 1,
}
#: After these the service has done what it was asked.
_DONE = {"late", "reset after", "half a body", "too long", "too short", "twice"}
#: It says that it went well, and did nothing.
_LIES = {"error in 200"}
_ACTIONS = {ORDER: "Create_order", NOTE: "Write_note", TOLD: "Tell"}


class Mood:
    """What is wrong with each answer. met: {what was wrong: how often}."""

    def __init__(self, seed: int, share: float) -> None:
        self._seed = seed
        self._share = share
        self.met: Counter[str] = Counter()
        self.lied_to: set[tuple[str, str]] = set()
        self.is_over = False

    async def answer(
        self, request: web.Request, heard: Heard, times: int, do: Callable[[], dict[str, Any]]
    ) -> web.StreamResponse:
        draws = random.Random(f"{self._seed} {heard.kind} {heard.number} {times}")
        fault = ""
        if not self.is_over and draws.random() < self._share:
            (fault,) = draws.choices(list(FAULTS), list(FAULTS.values()))
        self.met[fault or "none"] += 1
        if fault in _LIES:
            self.lied_to.add((heard.kind, heard.number))
        done = do() if not fault or fault in _DONE else {"number": heard.number, "subject": heard.number}
        body = json.dumps(done).encode()
        if fault in _BY_HAND and request.transport is not None:
            request.transport.write(_BY_HAND[fault](body))
            request.transport.close()
            return web.Response(status=500)
        if fault == "late":
            await asyncio.sleep(LATE_SECONDS)
        return _by_words(fault, body)


def _by_words(fault: str, body: bytes) -> web.Response:
    if fault == "mistaken 401":
        return unauthorized()
    if fault == "redirect":
        return web.Response(status=307, headers={"Location": "/basic/orders"})
    if fault == "error in 200":
        return web.json_response({"error": {"code": "Broken", "message": "Nothing was done."}})
    if fault.startswith("retry") or fault == "busy":
        wait = {"retry soon": "1", "retry before now": "-5", "retry never": "999999999999", "busy": ""}[fault]
        status = 429 if fault == "retry soon" else 503
        return web.Response(status=status, headers={"Retry-After": wait} if wait else {})
    return web.Response(body=body, status=201, content_type="application/json")


def _framed(body: bytes, length: int) -> bytes:
    head = f"HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    return head.encode() + body


#: What is written to the socket before it is closed.
_BY_HAND: dict[str, Callable[[bytes], bytes]] = {
    "reset before": lambda _: b"",
    "reset after": lambda _: b"",
    "half a body": lambda body: _framed(body[: len(body) // 2], len(body)),
    "too long": lambda body: _framed(body, len(body) + 100),
    "too short": lambda body: _framed(body, len(body) - 1),
    "twice": lambda body: _framed(body, len(body)) * 2,
    "garbage": lambda _: b"\x16\x03\x01 NOT HTTP AT ALL\r\n\r\n\x00\xff",
}


def document(plain: str, timeout: str) -> dict[str, Any]:
    flow = order_and_note()
    actions = flow["definition"]["actions"]
    for name in ("Create_order", "Write_note"):
        actions[name]["inputs"]["retryPolicy"] = RETRIES
        actions[name]["limit"] = {"timeout": timeout}
    number = {"subject": "@triggerBody()?['number']"}
    actions["Tell"] = {
        "type": "Http",
        "inputs": {"method": "POST", "uri": plain, "body": number, "retryPolicy": RETRIES},
        "limit": {"timeout": timeout},
        "runAfter": after("Name"),
    }
    return flow


async def keep_verified(origin: str, token: str, mood: Mood, verified: list[float]) -> None:
    """Verify the connection whenever it is broken, with the password it had: the refusal was a mistake."""
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers) as session:
        while not mood.is_over:
            await asyncio.sleep(0.5)
            async with session.get(f"{origin}/api/v1/connections") as answer:
                (connection,) = (await answer.json())["value"]
            if connection["health"] == "broken":
                sign_in = {"parameters": {"username": "ada", "password": FIRST_PASSWORD}}
                address = f"{origin}/api/v1/connections/{connection['id']}/verify"
                async with session.post(address, json=sign_in) as answer:
                    if answer.status == 200 and (await answer.json())["is_kept"]:
                        verified.append(time.monotonic())


def check_runs(application: Application, service: CountingService, mood: Mood) -> Iterator[str]:
    """Journal against service, call by call."""
    heard = {kind: service.by_number(kind) for kind in _ACTIONS}
    found: Counter[str] = Counter()
    examples: dict[str, str] = {}
    for row in all_runs(application):
        number = number_of(application, row.run_name)
        places, entries = entries_of(application, row.run_name)
        last = {one.name: one for one in entries if isinstance(one, ActionRecord)}
        wrongs = [*journal_wrongs(places, entries)]
        for kind, action in _ACTIONS.items():
            record = last.get(action)
            asked = heard[kind].get(number, [])
            happened = bool(service.done[kind, asked[0].key if kind == ORDER else number]) if asked else False
            is_lie = (kind, number) in mood.lied_to
            wrongs += [f"{action}: {wrong}" for wrong in _wrongs(record, asked, happened=happened, is_lie=is_lie)]
        if row.status == Status.FAILED and not row.error_code:
            wrongs.append("it failed without a reason")
        for wrong in wrongs:
            found[wrong] += 1
            examples.setdefault(wrong, row.run_name)
    for wrong, count in found.items():
        yield f"{wrong}: {count} runs, e.g. {examples[wrong]}"


def _wrongs(record: ActionRecord | None, asked: list[Heard], *, happened: bool, is_lie: bool) -> Iterator[str]:
    if record is None or not record.attempts:
        if asked:
            yield "the service was asked and the journal knows no try"
        return
    if {one.key for one in asked} - {record.key}:
        yield "a try carried another key than the journal's"
    unsent = sum(one.code == "Unauthorized" for one in record.attempts)
    cut_off = record.status is Status.TIMED_OUT
    if not len(record.attempts) - unsent <= len(asked) <= len(record.attempts) + cut_off:
        yield "the tries of the journal are not those that the service counted"
    if record.status is Status.SUCCEEDED:
        if not (happened or is_lie):
            yield "it succeeded and nothing happened"
        body = record.outputs.get("body") if isinstance(record.outputs, dict) else None
        told = {body[name] for name in ("number", "subject") if name in body} if isinstance(body, dict) else set()
        if told - {one.number for one in asked}:
            yield "it took another's answer for its own"
    elif not record.code:
        yield "it failed without a reason"


async def run(runs: int, share: float, limit: str, seed: int) -> int:
    print(f"seed {seed}: {runs} runs, {share:.0%} of the answers are wrong", flush=True)
    mood = Mood(seed, share)
    service = CountingService(manner=mood.answer)
    await service.start()
    posted, verified = Posted(), list[float]()
    with tempfile.TemporaryDirectory(prefix="flowmend-faulty-") as folder:
        hosts = frozenset({f"localhost:{service.port}"})
        settings = read_settings({}, data=Path(folder), port=free_port(), allowed_private_hosts=hosts)
        server = Server(settings)
        try:
            url = (await prepare(settings, service.url, {"faulty": document(f"{service.url}/plain", limit)}))["faulty"]
            await server.start()
            await until(lambda: read_local_token(settings.data), seconds=20)
            origin, token = f"http://127.0.0.1:{settings.port}", read_local_token(settings.data)
            verifying = asyncio.create_task(keep_verified(origin, token, mood, verified))
            numbers = [f"L-{index:05d}" for index in range(runs)]
            await post_events(url, numbers, seconds=runs / 20, at_once=min(20, runs), posted=posted)
            application = open_services(settings)
            held = application.services.store.trigger_events.count_held
            await until(lambda: not held(), seconds=60)
            by_status = await settled(application)
            mood.is_over = True
            await verifying
            server.stop()
            ends = {status for status in by_status if status.startswith("Failed")} | {"Succeeded"}
            wrong = [
                *check_accepted(application, posted.accepted),
                *check_all_answered(posted, runs),
                *check_ends(by_status, ends),
                *check_runs(application, service, mood),
            ]
            if by_status.total() != runs:
                wrong.append(f"{by_status.total()} runs for {runs} events")
            if len({key for kind, key in service.done if kind == ORDER}) != sum(
                times for (kind, _), times in service.done.items() if kind == ORDER
            ):
                wrong.append("an order happened twice")
            application.services.store.close()
        finally:
            server.stop()
            await service.stop()
    print(f"accepted {len(posted.accepted)}; verified {len(verified)} times; {service.signed_in} sign-ins tested")
    print("runs: " + ", ".join(f"{count} {status}" for status, count in sorted(by_status.items())))
    print("answers: " + ", ".join(f"{count} {fault}" for fault, count in mood.met.most_common()))
    for kind in _ACTIONS:
        heard = [one for one in service.heard if one.kind == kind]
        effects = sum(times for (what, _), times in service.done.items() if what == kind)
        print(f"{kind}: {len(heard)} requests, {len({one.key for one in heard})} distinct keys, {effects} effects")
    return report(wrong)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--share", type=float, default=0.35)
    parser.add_argument("--timeout", default="PT1M", help="of an action with all its tries")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    chosen = parser.parse_args()
    sys.exit(asyncio.run(run(chosen.runs, chosen.share, chosen.timeout, chosen.seed)))
