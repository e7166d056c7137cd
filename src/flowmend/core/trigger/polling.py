"""What a poll asks, and what its answer means: events, what to remember, and when to ask again.

Where a service keeps the place itself it says in `Location` where to ask next (`triggerstate`), and that is remembered.
Where it does not, its connector's data says what tells items apart (`core.connector.trigger_facts`), and the place is a
time, a delta link, or the items seen last. A built-in protocol's operation answers with its own cursor under
`x-flowmend-cursor`, and gets it back with the next poll.

What is remembered is a plain JSON object, kept with the trigger's row and written with the events in one transaction, so
an item comes once however often the server stops in between. Its keys, all optional:

    {"from": "2026-03-01T08:00:00Z"        items of before this time are old; set when polling begins
     "is_dated": true                      a date was chosen, so what was there at that date counts as new
     "location", "cursor", "values", "etag": how to ask next
     "seen": [[id, time or null], …]       items that may come again
     "has_begun": true                     the list was seen whole once; before, what is in it is old
     "is_underway", "latest":              an answer goes on at `location`; the latest time in it so far
     "failures": 3}                        polls that failed in a row

Source: wdl.md §3; learn.microsoft.com/azure/logic-apps/logic-apps-create-api-app#perform-check-polling-triggers
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import msgspec

from flowmend.core.connector.trigger_facts import PollFacts
from flowmend.core.json_value import Json
from flowmend.core.outcome import ErrorDetail, Outcome, Status
from flowmend.core.trigger.polled_items import NewItems, look_through

#: The parameter, and the key in the outputs, by which a built-in protocol's operation is given its place and tells it.
CURSOR = "x-flowmend-cursor"
#: The parameter that tells such an operation from when on items are new, an ISO time.
FROM = "x-flowmend-from"

_FIRST_RETRY = timedelta(seconds=10)
#: So often a failure that may pass is tried again before the next regular time, as the default retry policy does.
_QUICK_RETRIES = 4
_LONGEST_BACK_OFF = timedelta(minutes=15)
_LONGEST_RETRY_AFTER = timedelta(days=1)
_NOTHING_NEW = frozenset({202, 204})
_NOT_MODIFIED = 304
_GONE = 410


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a poll adds to the trigger's own request.

    location: where to ask instead, "" for the request as it is. queries: values of its query, added or replaced.
    parameters: of a built-in protocol's operation.
    """

    location: str = ""
    queries: dict[str, str] = msgspec.field(default_factory=dict)
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    parameters: dict[str, Json] = msgspec.field(default_factory=dict)


class Polled(msgspec.Struct, frozen=True, kw_only=True):
    """What a poll came to.

    events: outputs of the trigger, one for each event, oldest first. memory: to be kept with them. next_at: when to ask
    again, None for no more. status: Succeeded where there are events, Skipped where there is no news, else Failed.
    """

    events: tuple[Json, ...] = ()
    memory: dict[str, Json]
    next_at: datetime | None
    status: Status
    code: str
    error: ErrorDetail | None = None


def first_memory(now: datetime, poll_from: datetime | None) -> dict[str, Json]:
    """What a trigger remembers that has never polled: items are new from `poll_from` on, or from now."""
    start = poll_from or now
    return {"from": _written(start)} if poll_from is None else {"from": _written(start), "is_dated": True}


def what_to_ask(facts: PollFacts, memory: Mapping[str, Json]) -> Asked:
    """What the next poll asks by what is remembered."""
    headers = {"If-None-Match": str(memory["etag"])} if facts.uses_etag and memory.get("etag") else {}
    parameters: dict[str, Json] = {FROM: memory.get("from")}
    if memory.get("cursor") is not None:
        parameters[CURSOR] = memory["cursor"]
    if location := memory.get("location"):
        return Asked(location=str(location), headers=headers, parameters=parameters)
    queries = {str(name): str(value) for name, value in (memory.get("values") or {}).items()}
    cursor = _sent_cursor(facts, memory)
    queries |= {name: template.replace("{cursor}", cursor) for name, template in facts.since.items()}
    if not memory.get("is_dated"):
        queries |= {name: template.replace("{cursor}", cursor) for name, template in facts.start.items()}
    return Asked(queries=queries, headers=headers, parameters=parameters)


def read_poll(
    facts: PollFacts,
    outcome: Outcome,
    memory: Mapping[str, Json],
    *,
    now: datetime,
    regular_at: datetime | None,
    draw: float,
    any_status: bool = False,
) -> Polled:
    """What an answer to `what_to_ask` means.

    regular_at: the next time by the trigger's recurrence, None where it is over. draw: in [0, 1), spreads retries.
    any_status: the trigger has a condition on the status, which replaces the rule that 200 alone fires.
    """
    outputs = outcome.outputs if isinstance(outcome.outputs, dict) else {}
    status_code = outputs.get("statusCode")
    if status_code == _NOT_MODIFIED or (
        outcome.status is Status.SUCCEEDED and status_code in _NOTHING_NEW and not any_status
    ):
        return _without_news(facts, outcome, outputs, memory, now=now, regular_at=regular_at)
    if status_code == _GONE and memory.get("location"):
        return _begun_anew(memory, now=now)
    fires = outcome.status is Status.SUCCEEDED and (status_code == 200 or CURSOR in outputs)
    is_refused = outcome.diagnosis is not None and outcome.diagnosis.connection_broken
    if not fires and not (any_status and outputs and not is_refused):
        if outcome.status is Status.SUCCEEDED:
            return _without_news(facts, outcome, outputs, memory, now=now, regular_at=regular_at)
        return _failed(outcome, memory, now=now, regular_at=regular_at, draw=draw)
    found = look_through(facts, outputs, memory, now=now)
    kept = _remembered(facts, outputs, {**memory, **found.memory})
    next_at = _asked_again(outcome, found, now=now, regular_at=regular_at)
    events = _events(facts, outputs, found)
    fired = Status.SUCCEEDED if events else Status.SKIPPED
    return Polled(
        events=events, memory=kept, next_at=next_at, status=fired, code=outcome.code if events else "NoNewItems"
    )


def _events(facts: PollFacts, outputs: dict[str, Json], found: NewItems) -> tuple[Json, ...]:
    shown = {name: value for name, value in outputs.items() if name != CURSOR}
    if found.items is None:
        return (shown,)
    if facts.is_single:
        return tuple({**shown, "body": item} for item in found.items)
    return ({**shown, "body": found.body},) if found.items else ()


def _begun_anew(memory: Mapping[str, Json], *, now: datetime) -> Polled:
    """The service forgot the place (Graph: `resyncRequired`): the whole list is asked for again.

    Of items with times those since the last one are new; of others none can be, for nothing tells them apart.
    """
    kept = {
        name: value for name, value in memory.items() if name not in {"location", "is_underway", "latest", "failures"}
    }
    return Polled(memory={**kept, "has_begun": False}, next_at=now, status=Status.SKIPPED, code="PlaceForgotten")


def _without_news(
    facts: PollFacts,
    outcome: Outcome,
    outputs: dict[str, Json],
    memory: Mapping[str, Json],
    *,
    now: datetime,
    regular_at: datetime | None,
) -> Polled:
    kept = _remembered(facts, outputs, memory)
    next_at = _no_sooner(regular_at, now, outcome.retry_after_seconds)
    return Polled(memory=kept, next_at=next_at, status=Status.SKIPPED, code="NoNewItems")


def _failed(
    outcome: Outcome, memory: Mapping[str, Json], *, now: datetime, regular_at: datetime | None, draw: float
) -> Polled:
    """The place stays where it was: whatever came meanwhile is asked for again."""
    failures = int(memory.get("failures") or 0) + 1
    next_at = regular_at
    if regular_at is not None:
        wait = back_off(failures, regular_at - now, draw, may_pass=outcome.is_retryable)
        next_at = _no_sooner(now + wait, now, outcome.retry_after_seconds)
    error = outcome.error or ErrorDetail(outcome.code, _why(outcome))
    return Polled(
        memory={**memory, "failures": failures},
        next_at=next_at,
        status=Status.FAILED,
        code=outcome.code,
        error=error,
    )


def back_off(failures: int, interval: timedelta, draw: float, *, may_pass: bool) -> timedelta:
    """How long to leave a service alone after so many failures in a row.

    may_pass: sooner than the interval at first, for what mostly passes. Later twice the interval, four times it, and so on
    up to a quarter of an hour, never less than the interval. draw: in [0, 1), so that many triggers do not come together.
    """
    if may_pass and failures <= _QUICK_RETRIES:
        return min(interval, _FIRST_RETRY * (1 << (failures - 1)) * (0.5 + draw))
    doublings = min(max(failures - (_QUICK_RETRIES if may_pass else 0) - 1, 0), 16)
    return max(interval, min(interval * (1 << doublings), _LONGEST_BACK_OFF))


def _remembered(facts: PollFacts, outputs: dict[str, Json], memory: Mapping[str, Json]) -> dict[str, Json]:
    """The memory after an answer that was understood."""
    kept = {name: value for name, value in memory.items() if name != "failures"}
    headers = {name.lower(): text for name, text in (outputs.get("headers") or {}).items()}
    if CURSOR in outputs:
        kept["cursor"] = outputs[CURSOR]
    if "location" in headers and not facts.tells_items:
        kept["location"] = headers["location"]
    if "etag" in headers and outputs.get("statusCode") != _NOT_MODIFIED:
        kept["etag"] = headers["etag"]
    return kept


def _asked_again(outcome: Outcome, found: NewItems, *, now: datetime, regular_at: datetime | None) -> datetime | None:
    if found.has_more or (regular_at is not None and found.items != [] and outcome.retry_after_seconds == 0):
        return now
    return _no_sooner(regular_at, now, outcome.retry_after_seconds)


def _no_sooner(at: datetime | None, now: datetime, retry_after_seconds: float | None) -> datetime | None:
    """The planned time, or the one the service asks for where that is later (wdl.md §3)."""
    if at is None or retry_after_seconds is None:
        return at
    return max(at, now + min(timedelta(seconds=retry_after_seconds), _LONGEST_RETRY_AFTER))


def _sent_cursor(facts: PollFacts, memory: Mapping[str, Json]) -> str:
    cursor = memory.get("cursor")
    if cursor is None:
        return str(memory.get("from") or "")
    if facts.overlap_seconds and isinstance(cursor, str):
        try:
            return _written(datetime.fromisoformat(cursor) - timedelta(seconds=facts.overlap_seconds))
        except ValueError:
            return cursor
    return str(cursor)


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _why(outcome: Outcome) -> str:
    if outcome.diagnosis is not None and outcome.diagnosis.message:
        return outcome.diagnosis.message
    return f"The service answered {outcome.code}."
