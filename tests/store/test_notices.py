"""Notices, their deliveries and routes: the contract on both databases. What happens in two processes happens once."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace
from sqlalchemy import update

from flowmend.core.connection.health import HealthState
from flowmend.core.errors import Conflict
from flowmend.store import Store
from flowmend.store.backup.standing_still import stand_still
from flowmend.store.connection_tables import incidents
from flowmend.store.incidents import Refusal
from flowmend.store.journal import StartRun
from flowmend.store.notice_rows import ChannelKind, DeliveryState, MessageRouteRow, NoticeKind, NoticeRow

SECOND = timedelta(seconds=1)


def route(examples: Any, route_id: str = "owner", **parts: Any) -> MessageRouteRow:
    return MessageRouteRow(
        **{
            "route_id": route_id,
            "channel": ChannelKind.MAIL,
            "address": f"{route_id}@x.org",
            "created_at": examples.noon,
            **parts,
        }
    )


def notice(examples: Any, kind: NoticeKind = NoticeKind.BROKEN, subject: str = "i1", **parts: Any) -> NoticeRow:
    values = {
        "notice_id": f"{kind}-{subject}",
        "kind": kind,
        "subject": subject,
        "facts": {"名": "\0"},
        "at": examples.noon,
    }
    return NoticeRow(**{**values, **parts})


@pytest.fixture
def two_routes(store: Store, examples: Any) -> Store:
    for name in ("owner", "boss"):
        store.message_routes.add(route(examples, name))
    return store


def break_it(store: Store, examples: Any, incident_id: str, **parts: Any) -> None:
    """An incident of a connection of this name."""
    row = examples.connection(incident_id, health=HealthState.BROKEN, refused_category="wrong_password", **parts)
    store.connections.add(row)
    refusal = Refusal(
        at=examples.noon,
        since=examples.noon,
        category="wrong_password",
        fixable_by="reverify",
        remedy="r",
        code="c",
        message="m",
    )
    assert store.incidents.fold(row, refusal, incident_id) is not None


def mend_it(store: Store, examples: Any, incident_id: str) -> None:
    store.connections.change(incident_id, health=HealthState.CONNECTED)
    assert store.incidents.prove(incident_id, examples.noon + SECOND) is not None


class TestANotice:
    def test_is_kept_once_with_what_is_to_be_sent_of_it(self, two_routes: Store, examples: Any) -> None:
        store, first = two_routes, notice(examples)
        assert store.notices.note(first, ["owner", "boss"])
        assert not store.notices.note(replace(first, notice_id="another"), ["owner"])
        assert store.notices.get(first.notice_id) == replace(first, facts={"名": "\0"})
        assert store.notices.get("another") is None
        due = store.deliveries.due(examples.noon, 10)
        assert {(one.notice_id, one.route_id) for one in due} == {(first.notice_id, "owner"), (first.notice_id, "boss")}

    def test_of_an_unknown_route_is_not_kept_at_all(self, two_routes: Store, examples: Any) -> None:
        assert not two_routes.notices.note(notice(examples), ["owner", "nobody"])
        assert two_routes.notices.list()[0] == []

    def test_is_unread_until_it_is_read(self, two_routes: Store, examples: Any) -> None:
        store = two_routes
        for number in range(3):
            store.notices.note(notice(examples, subject=f"i{number}", at=examples.noon + number * SECOND), [])
        assert store.notices.count_unread() == 3
        assert store.notices.mark_read(examples.noon + 9 * SECOND, "broken-i1") == 1
        assert store.notices.mark_read(examples.noon + SECOND) == 1  # what came later was not seen
        assert store.notices.count_unread() == 1

    def test_pages_are_whole_and_the_latest_come_first(self, two_routes: Store, examples: Any) -> None:
        for number in range(7):  # two at each moment
            at = examples.noon + number // 2 * SECOND
            two_routes.notices.note(notice(examples, subject=f"i{number}", at=at), [])
        seen, cursor = [], ""
        while True:
            page, cursor = two_routes.notices.list(limit=2, cursor=cursor)
            seen += [one.subject for one in page]
            if not cursor:
                break
        assert seen == ["i6", "i5", "i4", "i3", "i2", "i1", "i0"]


class TestWhatNobodyWasTold:
    def test_an_open_incident_is_untold_until_a_notice_of_it_is_kept(self, two_routes: Store, examples: Any) -> None:
        store = two_routes
        break_it(store, examples, "i1")
        assert [one.incident_id for one in store.notices.untold_breaks()] == ["i1"]
        store.notices.note(notice(examples), ["owner"])
        assert (list(store.notices.untold_breaks()), list(store.notices.untold_mends())) == ([], [])
        assert [one.subject for one in store.notices.open_breaks()] == ["i1"]
        mend_it(store, examples, "i1")
        assert list(store.notices.open_breaks()) == []
        assert [one.incident_id for one in store.notices.untold_mends()] == ["i1"]
        store.notices.note(notice(examples, NoticeKind.MENDED), ["owner"])
        assert list(store.notices.untold_mends()) == []

    def test_one_that_was_mended_before_it_was_told_is_told_never(self, store: Store, examples: Any) -> None:
        break_it(store, examples, "i1")
        mend_it(store, examples, "i1")
        assert (list(store.notices.untold_breaks()), list(store.notices.untold_mends())) == ([], [])

    def test_what_was_told_of_a_part_was_told_of_the_whole(self, two_routes: Store, examples: Any) -> None:
        store = two_routes
        for name in ("part", "other", "whole"):
            break_it(store, examples, name)
        store.notices.note(notice(examples, subject="part"), ["owner"])
        store.notices.note(notice(examples, NoticeKind.ESCALATED, "part/30"), ["boss"])
        for name, into in (("part", "other"), ("other", "whole")):
            self._merge(store, examples, name, into)
        assert store.notices.take_over("whole")
        assert {one.subject for one in store.notices.breaks_of("whole")} == {"whole", "whole/30"}
        assert not store.notices.take_over("whole")
        assert list(store.notices.untold_breaks()) == []

    def _merge(self, store: Store, examples: Any, name: str, into: str) -> None:
        with store._database.writing() as connection:
            connection.execute(
                update(incidents)
                .where(incidents.c.incident_id == name)
                .values(state="merged", merged_into=into, closed_at=examples.noon)
            )


class TestADelivery:
    def test_of_two_who_want_to_send_it_one_may(
        self, two_routes: Store, opened: Callable[[], Store], examples: Any
    ) -> None:
        two_routes.notices.note(notice(examples), ["owner"])
        other = opened()
        (mine,), (theirs,) = two_routes.deliveries.due(examples.noon, 5), other.deliveries.due(examples.noon, 5)
        assert [two_routes.deliveries.claim(mine), other.deliveries.claim(theirs)] == [True, False]
        assert two_routes.deliveries.due(examples.noon, 5) == []

    def test_after_a_kill_a_mail_may_have_arrived_and_a_webhook_is_sent_again(
        self, two_routes: Store, examples: Any
    ) -> None:
        store = two_routes
        store.message_routes.add(route(examples, "hook", channel=ChannelKind.WEBHOOK, sealed_secret=b"\0\xff"))
        store.notices.note(notice(examples), ["owner", "hook"])
        for one in store.deliveries.due(examples.noon, 5):
            assert store.deliveries.claim(one)
        assert store.deliveries.recover(examples.noon) == 1
        states = {one.route_id: one.state for one in store.deliveries.of_notices(["broken-i1"])["broken-i1"]}
        assert states == {"owner": DeliveryState.UNKNOWN, "hook": DeliveryState.DUE}

    def test_who_may_have_read_it_counts_as_told_and_what_was_not_sent_can_be_dropped(
        self, two_routes: Store, examples: Any
    ) -> None:
        store = two_routes
        store.notices.note(notice(examples), ["owner", "boss"])
        store.deliveries.change("broken-i1", "owner", state=DeliveryState.UNKNOWN, next_at=None)
        assert store.deliveries.drop_unsent(["broken-i1"]) == 1
        assert store.deliveries.told(["broken-i1"]) == {"owner": "broken-i1"}
        assert store.deliveries.next_due() is None
        assert store.deliveries.again("broken-i1", "owner", examples.noon)
        assert not store.deliveries.again("broken-i1", "boss", examples.noon)

    def test_of_a_restored_backup_is_sent_no_more(self, two_routes: Store, examples: Any) -> None:
        two_routes.notices.note(notice(examples), ["owner", "boss"])
        two_routes.deliveries.change("broken-i1", "boss", state=DeliveryState.SENT, next_at=None)
        with two_routes._database.writing() as connection:
            stand_still(connection)
        states = {one.route_id: one.state for one in two_routes.deliveries.of_notices(["broken-i1"])["broken-i1"]}
        assert states == {"owner": DeliveryState.DROPPED, "boss": DeliveryState.SENT}

    def test_goes_with_its_route(self, two_routes: Store, examples: Any) -> None:
        two_routes.notices.note(notice(examples), ["owner", "boss"])
        assert two_routes.message_routes.remove("boss")
        assert not two_routes.message_routes.remove("boss")
        assert [one.delivery.route_id for one in two_routes.deliveries.latest(5)] == ["owner"]

    def test_routes_and_choices_are_kept_as_given(self, two_routes: Store, examples: Any) -> None:
        store = two_routes
        with pytest.raises(Conflict):
            store.message_routes.add(route(examples))
        assert store.message_routes.change("boss", after_minutes=30, kinds=["digest"])
        assert [one.route_id for one in store.message_routes.list()] == ["owner", "boss"]
        assert store.preferences.get("messages") is None
        store.preferences.put("messages", {"digest": "off"})
        store.preferences.put("messages", {"digest": "hour"})
        assert store.preferences.get("messages") == {"digest": "hour"}


class TestFailuresForOtherReasons:
    def test_are_those_that_no_broken_connection_explains(
        self, store: Store, examples: Any, write: Callable[..., None]
    ) -> None:
        break_it(store, examples, "i1")
        ended = {"status": "Failed", "ended_at": examples.noon + SECOND, "error_code": "Late"}
        for number, parts in enumerate(
            (
                {},
                {"connection_id": "i1"},
                {"connection_id": "another"},
                {"status": "Succeeded"},
                {"ended_at": examples.noon - SECOND},
            )
        ):
            write(store, StartRun(examples.run(number, **{**ended, **parts})))
        found = store.blast_radius.failed_for_other_reasons(examples.noon, examples.noon + 60 * SECOND)
        assert list(found) == [("flow-1", "Late", 2)]
