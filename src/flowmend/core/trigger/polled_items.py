"""Which items of a poll's answer are new, and what to remember of them."""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from flowmend.core.connector.trigger_facts import PollFacts
from flowmend.core.errors import ExpressionError
from flowmend.core.expression import compile_template, to_text
from flowmend.core.json_value import Json
from flowmend.core.trigger.answer_scope import AnswerScope

#: At most so many items are remembered, or all of the last answer's where those are more.
_MOST_SEEN = 5_000
_NAMED_LISTS = ("value", "items")
#: A number larger than this counts milliseconds since 1970; in seconds it would be the year 5138.
_MILLISECONDS_FROM = 100_000_000_000


class NewItems(msgspec.Struct, frozen=True, kw_only=True):
    """items: those not seen before, oldest first; None where nothing says that there are items. body: the answer's, with
    the new items alone. memory: what changed of it. has_more: the answer goes on elsewhere.
    """

    items: list[Json] | None
    body: Json
    memory: dict[str, Json] = msgspec.field(default_factory=dict)
    has_more: bool = False


def look_through(
    facts: PollFacts, outputs: Mapping[str, Json], memory: Mapping[str, Json], *, now: datetime
) -> NewItems:
    """The new items of an answer. now: the time an expression of a policy sees."""
    body = outputs.get("body")
    if not facts.tells_items:
        return _undeclared(facts, body)
    found = _list_in(facts, body, now)
    if found is None:
        return NewItems(items=[], body=body)
    items = list(reversed(found)) if facts.is_descending else found
    # Before the first whole answer there is nothing to compare with: what is there is old, unless a date was chosen.
    is_priming = not (memory.get("has_begun") or memory.get("is_dated") or facts.item_time)
    placed = _place(facts, body, items, memory, now)
    has_more = bool(placed["is_underway"])
    fresh, seen = _unseen(facts, items, memory, until=memory.get("cursor") if has_more else placed.get("cursor"))
    changed = {**placed, "seen": seen, "has_begun": bool(memory.get("has_begun")) or not has_more}
    fresh = [] if is_priming else fresh
    return NewItems(items=fresh, body=_with_items(facts, body, fresh), memory=changed, has_more=has_more)


def _undeclared(facts: PollFacts, body: Json) -> NewItems:
    """An answer whose connector says nothing of items: all of it is one event, unless it is an empty list."""
    found = (
        body
        if isinstance(body, list)
        else next(
            (body[name] for name in _NAMED_LISTS if isinstance(body, dict) and isinstance(body.get(name), list)), None
        )
    )
    if found == []:
        return NewItems(items=[], body=body)
    if facts.is_single and isinstance(body, dict) and set(body) == {"value"} and isinstance(found, list):
        return NewItems(items=found, body=body)
    return NewItems(items=None, body=body)


def _list_in(facts: PollFacts, body: Json, now: datetime) -> list[Json] | None:
    if facts.items is not None:
        found = at(body, facts.items)
    else:
        try:
            found = compile_template(facts.list_expression).evaluate(AnswerScope(body, now))
        except ExpressionError:
            return None
    return list(found) if isinstance(found, list) else None


def _unseen(
    facts: PollFacts, items: Sequence[Json], memory: Mapping[str, Json], *, until: Json
) -> tuple[list[Json], list[Json]]:
    """(items not seen before, those that may come again). until: the time up to which all is known after this answer."""
    known = {str(name): time for name, time in memory.get("seen") or ()}
    floor = _minus(memory.get("cursor"), facts.overlap_seconds)
    fresh: list[Json] = []
    current: dict[str, Json] = {}
    for item in items:
        name, time = _identity(facts, item), at(item, facts.item_time) if facts.item_time else None
        is_old = _is_before(time, memory.get("from")) or _is_before(time, floor)
        if not is_old and name not in known and name not in current:
            fresh.append(item)
        current[name] = time
    every = {**known, **current}
    if facts.item_time:
        again = _minus(until, facts.overlap_seconds)
        return fresh, [[name, time] for name, time in every.items() if not _is_before(time, again)][-_MOST_SEEN:]
    older = [name for name in known if name not in current]
    return fresh, [[name, None] for name in (*older, *current)][-max(_MOST_SEEN, len(current)) :]


def _place(
    facts: PollFacts, body: Json, items: Sequence[Json], memory: Mapping[str, Json], now: datetime
) -> dict[str, Json]:
    """How to ask next. While an answer goes on the time asked for stays; the latest one seen counts from its end on."""
    link = at(body, facts.next_link) if facts.next_link else None
    times = [at(item, facts.item_time) for item in items] if facts.item_time else []
    latest = _latest([memory.get("cursor"), memory.get("latest"), *times])
    if isinstance(link, str) and link:
        return {"location": link, "latest": latest, "is_underway": True}
    placed: dict[str, Json] = {"latest": None, "is_underway": False}
    if latest is not None:
        placed["cursor"] = latest
    delta = at(body, facts.delta_link) if facts.delta_link else None
    if isinstance(delta, str) and delta:
        placed["location"] = delta
    elif memory.get("is_underway"):
        placed["location"] = ""
    if facts.config and items:
        placed["values"] = _configured(facts, body, now) or memory.get("values") or {}
    return placed


def _configured(facts: PollFacts, body: Json, now: datetime) -> dict[str, Json]:
    """The query values a policy takes from the answer; those that do not evaluate are left out."""
    values: dict[str, Json] = {}
    for name, template in facts.config.items():
        try:
            values[name] = to_text(compile_template(template).evaluate(AnswerScope(body, now)))
        except ExpressionError:
            continue
    return values


def _with_items(facts: PollFacts, body: Json, items: list[Json]) -> Json:
    """The answer's body with these items in the place of its list."""
    if facts.items is None:
        return items
    if not facts.items:
        return items
    return _replaced(body, facts.items, items)


def _replaced(value: Json, steps: Sequence[str], new: Json) -> Json:
    if not steps or not isinstance(value, dict):
        return new
    return {**value, steps[0]: _replaced(value.get(steps[0]), steps[1:], new)}


def _identity(facts: PollFacts, item: Json) -> str:
    """What tells an item from others: its id, or a digest of it where it has none."""
    names = [at(item, steps) for steps in facts.item_id]
    if names and all(isinstance(name, str | int | float) for name in names):
        return " ".join(str(name) for name in names)
    return hashlib.sha256(msgspec.json.encode(item, order="deterministic")).hexdigest()[:32]


def at(value: Json, steps: Sequence[str]) -> Json:
    """What lies at these steps, None where nothing does."""
    for step in steps:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _order(time: Json) -> tuple[int, float, str]:
    """Times in order: numbers among numbers, dates among dates, other texts by their letters."""
    if isinstance(time, int | float) and not isinstance(time, bool):
        return (1, float(time), "")
    moment = _moment(time)
    return (2, moment.timestamp(), "") if moment is not None else (3, 0.0, str(time))


def _latest(times: Sequence[Json]) -> Json:
    return max((time for time in times if time is not None), key=_order, default=None)


def _is_before(time: Json, floor: Json) -> bool:
    """Whether a time is surely earlier than another; False where they cannot be compared."""
    if time is None or floor is None:
        return False
    if isinstance(time, int | float) and (moment := _moment(floor)) is not None:
        return float(time) < moment.timestamp() * (1000 if time >= _MILLISECONDS_FROM else 1)
    mine, other = _order(time), _order(floor)
    return mine[0] == other[0] and mine < other


def _minus(time: Json, seconds: float) -> Json:
    if isinstance(time, int | float) and not isinstance(time, bool):
        return time - seconds
    moment = _moment(time)
    return (moment - timedelta(seconds=seconds)).isoformat() if moment is not None and seconds else time


def _moment(time: Json) -> datetime | None:
    if not isinstance(time, str):
        return None
    try:
        moment = datetime.fromisoformat(time)
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
