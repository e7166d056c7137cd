"""Polls as values: what is asked, what an answer means, and that every item comes once whatever happens in between."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flowmend.core.connector.trigger_facts import PLAIN_POLL, PollFacts
from flowmend.core.outcome import ErrorDetail, Outcome, Status
from flowmend.core.trigger.polling import CURSOR, FROM, Polled, back_off, first_memory, read_poll, what_to_ask

NOW = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
LATER = NOW + timedelta(minutes=5)


def answered(status: int, body: Any = None, **headers: str) -> Outcome:
    outputs: dict[str, Any] = {"statusCode": status, "headers": {k.replace("_", "-"): v for k, v in headers.items()}}
    if body is not None:
        outputs["body"] = body
    retry_after = float(headers["Retry_After"]) if "Retry_After" in headers else None
    good = status < 300
    return Outcome(
        status=Status.SUCCEEDED if good else Status.FAILED,
        code=str(status),
        outputs=outputs,
        error=None if good else ErrorDetail(str(status), "no"),
        is_retryable=status >= 500,
        retry_after_seconds=retry_after,
    )


def polled(facts: PollFacts, outcome: Outcome, memory: dict[str, Any] | None = None, **more: Any) -> Polled:
    given_ = {"now": NOW, "regular_at": LATER, "draw": 0.5} | more
    return read_poll(facts, outcome, first_memory(NOW, None) if memory is None else memory, **given_)


def test_a_200_fires_with_the_answer_as_the_outputs() -> None:
    found = polled(PLAIN_POLL, answered(200, {"a": 1}))
    assert (found.status, found.next_at) == (Status.SUCCEEDED, LATER)
    assert found.events == ({"statusCode": 200, "headers": {}, "body": {"a": 1}},)


@pytest.mark.parametrize("status", [201, 202, 204])
def test_other_good_answers_do_not_fire(status: int) -> None:
    found = polled(PLAIN_POLL, answered(status, {"a": 1}))
    assert (found.status, found.code, found.events) == (Status.SKIPPED, "NoNewItems", ())


@pytest.mark.parametrize("status", [202, 404])
def test_a_condition_on_the_status_replaces_the_rule_that_200_fires(status: int) -> None:
    assert len(polled(PLAIN_POLL, answered(status, {"a": 1}), any_status=True).events) == 1


def test_the_next_poll_asks_where_the_answer_says() -> None:
    first = polled(PLAIN_POLL, answered(202, Location="/poll?triggerstate=7"))
    assert what_to_ask(PLAIN_POLL, first.memory).location == "/poll?triggerstate=7"
    second = polled(PLAIN_POLL, answered(200, {"a": 1}, Location="/poll?triggerstate=8"), first.memory)
    assert what_to_ask(PLAIN_POLL, second.memory).location == "/poll?triggerstate=8"


def test_the_service_may_ask_to_be_left_alone_for_longer_than_the_recurrence() -> None:
    assert polled(PLAIN_POLL, answered(202, Retry_After="900")).next_at == NOW + timedelta(minutes=15)
    assert polled(PLAIN_POLL, answered(202, Retry_After="5")).next_at == LATER


def test_a_service_with_more_at_once_is_asked_at_once() -> None:
    assert polled(PLAIN_POLL, answered(200, {"a": 1}, Retry_After="0")).next_at == NOW


def test_a_failed_poll_keeps_its_place_and_comes_back_ever_later() -> None:
    memory = {"location": "/x", "from": "2026-03-02T08:00:00Z"}
    waits = []
    for _ in range(8):
        found = polled(PLAIN_POLL, answered(503), memory)
        memory = found.memory
        assert found.next_at is not None
        waits.append((found.next_at - NOW).total_seconds())
    assert memory["location"] == "/x"
    assert waits == [10, 20, 40, 80, 300, 600, 900, 900]
    assert "failures" not in polled(PLAIN_POLL, answered(202), memory).memory


def test_a_daily_poll_that_fails_for_good_waits_a_day() -> None:
    assert back_off(3, timedelta(days=1), 0.5, may_pass=False) == timedelta(days=1)


def test_a_protocols_operation_gets_its_cursor_back() -> None:
    memory = first_memory(NOW, None)
    assert what_to_ask(PLAIN_POLL, memory).parameters == {FROM: "2026-03-02T08:00:00Z"}
    outcome = answered(200, {"value": [{"id": 1}]})
    outcome = Outcome(status=outcome.status, code="OK", outputs={**outcome.outputs, CURSOR: {"uid": 9}})
    found = polled(PLAIN_POLL, outcome, memory)
    assert what_to_ask(PLAIN_POLL, found.memory).parameters[CURSOR] == {"uid": 9}
    assert CURSOR not in found.events[0]
    empty = Outcome(status=Status.SUCCEEDED, code="OK", outputs={"statusCode": 200, "body": {"value": []}, CURSOR: 10})
    found = polled(PLAIN_POLL, empty, found.memory)
    assert (found.events, found.memory["cursor"]) == ((), 10)


def test_a_single_trigger_makes_each_item_an_event() -> None:
    facts = PollFacts(is_single=True, items=("value",), item_id=(("id",),), item_time=("at",))
    body = {"value": [{"id": 1, "at": "2026-03-02T09:00:00Z"}, {"id": 2, "at": "2026-03-02T09:00:01Z"}]}
    assert [event["body"]["id"] for event in polled(facts, answered(200, body)).events] == [1, 2]


def test_what_was_there_before_polling_began_is_old() -> None:
    facts = PollFacts(items=("value",), item_id=(("id",),))
    first = polled(facts, answered(200, {"value": [{"id": 1}]}))
    assert first.events == ()
    second = polled(facts, answered(200, {"value": [{"id": 1}, {"id": 2}]}), first.memory)
    assert second.events[0]["body"] == {"value": [{"id": 2}]}


def test_with_a_date_chosen_what_is_there_since_then_is_new() -> None:
    facts = PollFacts(items=(), item_id=(("id",),), item_time=("at",), since={"since": "{cursor}"})
    memory = first_memory(NOW, datetime(2026, 2, 1, tzinfo=UTC))
    assert what_to_ask(facts, memory).queries == {"since": "2026-02-01T00:00:00Z"}
    body = [{"id": 1, "at": "2026-01-31T00:00:00Z"}, {"id": 2, "at": "2026-02-02T00:00:00Z"}]
    found = polled(facts, answered(200, body), memory)
    assert found.events[0]["body"] == [body[1]]
    assert what_to_ask(facts, found.memory).queries == {"since": "2026-02-02T00:00:00Z"}


def test_a_forgotten_delta_link_begins_the_list_anew() -> None:
    facts = PollFacts(items=("value",), item_id=(("id",),), delta_link=("@delta",))
    memory = polled(facts, answered(200, {"value": [], "@delta": "https://h/d1"})).memory
    found = polled(facts, answered(410), memory)
    assert (found.code, found.next_at) == ("PlaceForgotten", NOW)
    assert what_to_ask(facts, found.memory).location == ""


def test_a_policy_reads_the_next_query_off_the_newest_item() -> None:
    facts = PollFacts(
        is_descending=True,
        config={"after": "@{triggerBody().approvals[0].created}"},
        list_expression="@triggerBody().approvals",
    )
    first = polled(facts, answered(200, {"approvals": [{"created": "t1"}]}))
    assert first.events == ()
    assert what_to_ask(facts, first.memory).queries == {"after": "t1"}
    body = {"approvals": [{"created": "t3"}, {"created": "t2"}, {"created": "t1"}]}
    second = polled(facts, answered(200, body), first.memory)
    assert second.events[0]["body"] == [{"created": "t2"}, {"created": "t3"}]
    assert what_to_ask(facts, second.memory).queries == {"after": "t3"}


# -- the law: each item once, in order, over any sequence of polls, failures and crashes ------------------------------


class Feed:
    """A service with items that only grow in number; answers as its kind of place-keeping does."""

    def __init__(self, page: int) -> None:
        self.items: list[dict[str, Any]] = []
        self.page = page

    def add(self, count: int, step: int) -> None:
        for _ in range(count):
            last = self.items[-1]["at"] if self.items else "2026-03-02T08:00:01Z"
            at = datetime.fromisoformat(last) + timedelta(seconds=step)
            self.items.append({"id": len(self.items), "at": at.strftime("%Y-%m-%dT%H:%M:%SZ")})

    def timed(self, asked: Any) -> dict[str, Any]:
        if asked.location:
            since, _, skip = asked.location.partition("|")
        else:
            since, skip = asked.queries["since"], "0"
        found = [one for one in self.items if one["at"] >= since]
        page = found[int(skip) : int(skip) + self.page]
        more = len(found) > int(skip) + self.page
        return {"value": page, **({"next": f"{since}|{int(skip) + self.page}"} if more else {})}

    def delta(self, asked: Any) -> dict[str, Any]:
        place = int(asked.location or 0)
        page = self.items[place : place + self.page]
        done = place + len(page)
        return {"value": page, ("next" if done < len(self.items) else "delta"): str(done)}

    def whole(self, asked: Any) -> dict[str, Any]:
        return {"value": list(reversed(self.items))}


IDS = {"items": ("value",), "item_id": (("id",),)}
KINDS: dict[str, tuple[PollFacts, Callable[[Feed, Any], dict[str, Any]]]] = {
    "timed": (PollFacts(**IDS, item_time=("at",), since={"since": "{cursor}"}, next_link=("next",)), Feed.timed),
    "timed with overlap": (
        PollFacts(**IDS, item_time=("at",), since={"since": "{cursor}"}, next_link=("next",), overlap_seconds=30),
        Feed.timed,
    ),
    "delta": (PollFacts(**IDS, next_link=("next",), delta_link=("delta",)), Feed.delta),
    "whole list": (PollFacts(**IDS, is_descending=True), Feed.whole),
    "whole list, timed": (PollFacts(**IDS, item_time=("at",), is_descending=True), Feed.whole),
    "digests alone": (PollFacts(items=("value",), is_descending=True), Feed.whole),
}
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(1, 7), st.integers(0, 2)),
        st.tuples(st.sampled_from(["poll", "fail", "crash"])),
    ),
    max_size=40,
)


@pytest.mark.parametrize("kind", KINDS)
@given(steps=STEPS, page=st.integers(1, 4))
@settings(max_examples=30, deadline=None)
def test_each_item_comes_once_and_in_order(kind: str, steps: list[tuple[Any, ...]], page: int) -> None:
    facts, answer = KINDS[kind]
    feed, came = Feed(page), []
    memory = first_memory(NOW, None)

    def poll(*, is_kept: bool) -> datetime | None:
        nonlocal memory
        found = polled(facts, answered(200, answer(feed, what_to_ask(facts, memory))), memory)
        if is_kept:  # events and memory are written together, or neither is
            memory = found.memory
            came.extend(item["id"] for event in found.events for item in event["body"]["value"])
        return found.next_at

    while poll(is_kept=True) == NOW:
        pass
    for step in steps:
        match step:
            case ("add", count, seconds):
                feed.add(count, seconds)
            case ("poll",):
                poll(is_kept=True)
            case ("crash",):
                poll(is_kept=False)
            case ("fail",):
                memory = polled(facts, answered(503), memory).memory
    while poll(is_kept=True) == NOW:
        pass
    poll(is_kept=True)
    while poll(is_kept=True) == NOW:
        pass
    assert came == [one["id"] for one in feed.items]
