"""Incidents on both databases: one for each broken source, whoever reports it and however often at once."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

from flowmend.core.connection.health import HealthState
from flowmend.core.outcome import Category
from flowmend.store import Store
from flowmend.store.incident_rows import IncidentRow, IncidentState, SourceKind
from flowmend.store.incidents import Refusal
from flowmend.store.rows import ConnectionRow

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOON + timedelta(minutes=10)


def broken(store: Store, connection_id: str, **columns: object) -> ConnectionRow:
    """A connection that is broken, stored."""
    category = str(columns.pop("category", "wrong_password"))
    row = ConnectionRow(
        **{
            "connection_id": connection_id,
            "connector_id": "crm-connector",
            "display_name": connection_id,
            "owner_id": "owner",
            "parameters": {},
            "allowed_origins": [],
            "health": HealthState.BROKEN,
            "health_changed_at": NOON,
            "refused_category": category,
            "created_at": NOON,
            "changed_at": NOON,
        }
        | columns
    )
    store.connections.add(row)
    return row


def refusal(category: str = "wrong_password", **parts: object) -> Refusal:
    said = {"fixable_by": "reverify", "remedy": "verify_password", "code": "Unauthorized", "message": "Wrong password."}
    at = parts.get("at", NOON)
    return Refusal(**({"at": at, "since": at, "category": category} | said | parts))  # type: ignore[arg-type]


def reported(store: Store, row: ConnectionRow, new_id: str = "", **parts: object) -> IncidentRow:
    category = row.refused_category
    incident = store.incidents.fold(row, refusal(category, **parts), new_id or f"of {row.connection_id}")
    assert incident is not None
    return incident


def proven(store: Store, connection_id: str) -> IncidentRow | None:
    store.connections.change(connection_id, health=HealthState.CONNECTED)
    return store.incidents.prove(connection_id, LATER)


class TestOpening:
    def test_the_first_refusal_opens_an_incident_of_the_connection(self, store: Store) -> None:
        before = NOON - timedelta(minutes=17)
        incident = reported(store, broken(store, "crm", last_good_at=before))
        assert (incident.source_kind, incident.source_id) == (SourceKind.CONNECTION, "crm")
        assert (incident.state, incident.bad_calls, incident.category) == (IncidentState.OPEN, 1, "wrong_password")
        assert (incident.last_good_at, incident.first_bad_at, incident.last_bad_at) == (before, NOON, NOON)
        assert store.incidents.get(incident.incident_id) == incident
        assert store.incidents.open_of(["crm", "erp"]) == {"crm": incident.incident_id}

    def test_later_refusals_of_it_join(self, store: Store) -> None:
        row = broken(store, "crm")
        first = reported(store, row, "one")
        second = reported(store, row, "two", at=LATER)
        assert second.incident_id == first.incident_id
        assert (second.bad_calls, second.first_bad_at, second.last_bad_at) == (2, NOON, LATER)

    def test_two_services_have_two_incidents(self, store: Store) -> None:
        ids = {reported(store, broken(store, name, connector_id=name)).incident_id for name in ("crm", "erp")}
        assert len(ids) == 2

    def test_a_connection_that_is_good_again_opens_none(self, store: Store) -> None:
        row = broken(store, "crm")
        store.connections.change("crm", health=HealthState.CONNECTED)
        assert store.incidents.fold(row, refusal(), "one") is None

    def test_many_refusals_at_one_moment_open_one(self, opened: Callable[[], Store]) -> None:
        stores = [opened(), opened()]
        row = broken(stores[0], "crm")
        begin = Barrier(8)

        def report(number: int) -> str:
            begin.wait()
            return reported(stores[number % 2], row, f"incident {number}").incident_id

        with ThreadPoolExecutor(8) as threads:
            ids = set(threads.map(report, range(8)))
        assert len(ids) == 1
        incident = stores[0].incidents.get(ids.pop())
        assert incident is not None
        assert incident.bad_calls == 8

    def test_connections_of_one_account_at_one_moment_are_one_in_the_end(self, opened: Callable[[], Store]) -> None:
        stores = [opened(), opened()]
        rows = [broken(stores[0], f"c{number}", account_name="ada@contoso.com") for number in range(6)]
        begin = Barrier(6)

        def report(number: int) -> None:
            begin.wait()
            reported(stores[number % 2], rows[number])

        with ThreadPoolExecutor(6) as threads:
            list(threads.map(report, range(6)))
        held_by = stores[0].incidents.open_of(row.connection_id for row in rows)
        assert len(held_by) == 6
        assert len(set(held_by.values())) == 1


class TestMerging:
    def test_a_second_connection_of_the_account_shows_the_common_cause(self, store: Store) -> None:
        first = reported(store, broken(store, "crm", account_name="Ada@contoso.com"))
        second = reported(store, broken(store, "crm 2", account_name="ada@contoso.com"))
        assert second.incident_id == first.incident_id  # links to it stay good
        assert second.source_kind is SourceKind.ACCOUNT
        assert second.source_id.startswith("crm-connector")
        assert second.source_id.endswith(":ada@contoso.com")
        assert second.bad_calls == 2
        third = reported(store, broken(store, "crm 3", account_name="ADA@contoso.com"))
        assert (third.incident_id, third.bad_calls) == (first.incident_id, 3)

    def test_incidents_found_to_be_one_are_merged_and_counted_once(self, store: Store) -> None:
        unknown = broken(store, "crm", account_name="ada", category="unknown")
        first = reported(store, unknown)
        other = reported(store, broken(store, "crm 2", account_name="ada"), at=LATER)
        assert other.incident_id != first.incident_id
        store.connections.change("crm", refused_category="disabled_account")
        row = store.connections.get("crm")
        assert row is not None
        joined = reported(store, row, "never used")
        assert joined.incident_id == first.incident_id
        assert (joined.bad_calls, joined.category) == (3, "disabled_account")
        merged = store.incidents.get(other.incident_id)
        assert merged is not None
        assert (merged.state, merged.merged_into, merged.bad_calls) == (IncidentState.MERGED, first.incident_id, 0)

    def test_an_expired_client_secret_is_one_incident_of_its_app(self, store: Store) -> None:
        found = {
            reported(store, broken(store, f"c{number}", app_id="our-app", category="client_secret_expired")).incident_id
            for number in range(12)
        }
        assert len(found) == 1
        incident = store.incidents.get(found.pop())
        assert incident is not None
        assert (incident.source_kind, incident.source_id) == (SourceKind.SIGN_IN_APP, "our-app")
        assert (incident.bad_calls, incident.category) == (12, Category.CLIENT_SECRET_EXPIRED)
        assert len(store.incidents.connections_of(incident.incident_id)) == 12

    def test_the_refusal_that_says_most_is_shown(self, store: Store) -> None:
        reported(store, broken(store, "crm", account_name="ada", category="disabled_account"))
        incident = reported(store, broken(store, "crm 2", account_name="ada"))
        assert incident.category == "disabled_account"


class TestClosing:
    def test_a_proof_closes_it(self, store: Store) -> None:
        opened_one = reported(store, broken(store, "crm"))
        closed = proven(store, "crm")
        assert closed is not None
        assert (closed.incident_id, closed.state) == (opened_one.incident_id, IncidentState.CLOSED)
        assert (closed.closed_at, closed.closed_by) == (LATER, "proof")
        assert not store.incidents.open_of(["crm"])
        assert store.incidents.prove("crm", LATER) is None

    def test_it_stays_open_until_all_are_proven(self, store: Store) -> None:
        for name in ("a", "b"):
            reported(store, broken(store, name, account_name="ada"))
        first, second = proven(store, "a"), proven(store, "b")
        assert first is not None
        assert second is not None
        assert (first.state, second.state) == (IncidentState.OPEN, IncidentState.CLOSED)

    def test_one_that_broke_again_meanwhile_is_not_mended(self, store: Store) -> None:
        reported(store, broken(store, "crm"))
        assert store.incidents.prove("crm", LATER) is None
        assert store.incidents.open_of(["crm"])

    def test_a_break_after_the_close_opens_a_new_one(self, store: Store) -> None:
        row = broken(store, "crm")
        first = reported(store, row, "one")
        proven(store, "crm")
        store.connections.change("crm", health=HealthState.BROKEN)
        second = reported(store, row, "two", at=LATER)
        assert second.incident_id != first.incident_id
        assert second.bad_calls == 1

    def test_a_connection_that_breaks_again_while_others_wait_is_waited_for_again(self, store: Store) -> None:
        rows = [broken(store, name, account_name="ada") for name in ("a", "b")]
        ids = {reported(store, row).incident_id for row in rows}
        proven(store, "a")
        store.connections.change("a", health=HealthState.BROKEN)
        ids.add(reported(store, rows[0], "another").incident_id)
        assert len(ids) == 1
        after = proven(store, "b")
        assert after is not None
        assert after.state is IncidentState.OPEN

    def test_a_deleted_connection_leaves_it(self, store: Store) -> None:
        for name in ("a", "b"):
            reported(store, broken(store, name, account_name="ada"))
        store.connections.delete("a")
        left = store.incidents.leave("a", LATER, "Ada")
        assert left is not None
        assert left.state is IncidentState.OPEN
        store.connections.delete("b")
        over = store.incidents.leave("b", LATER, "Ada")
        assert over is not None
        assert (over.state, over.closed_by) == (IncidentState.CLOSED, "Ada")


class TestBadCalls:
    def test_they_are_counted_in_memory_and_written_together(self, store: Store) -> None:
        incident = reported(store, broken(store, "crm"))
        assert [store.incidents.note_bad_call("crm", LATER) for _ in range(3)] == [True, False, False]
        assert store.incidents.get(incident.incident_id) == incident
        assert not store.incidents.write_bad_calls()
        written = store.incidents.get(incident.incident_id)
        assert written is not None
        assert (written.bad_calls, written.last_bad_at) == (4, LATER)

    def test_closing_the_store_writes_them(self, opened: Callable[[], Store]) -> None:
        store = opened()
        incident = reported(store, broken(store, "crm"))
        store.incidents.note_bad_call("crm", LATER)
        store.close()
        written = opened().incidents.get(incident.incident_id)
        assert written is not None
        assert written.bad_calls == 2

    def test_a_proof_writes_them_first(self, store: Store) -> None:
        reported(store, broken(store, "crm"))
        store.incidents.note_bad_call("crm", LATER)
        closed = proven(store, "crm")
        assert closed is not None
        assert closed.bad_calls == 2

    def test_calls_on_connections_without_an_incident_are_named(self, store: Store) -> None:
        broken(store, "crm")
        store.incidents.note_bad_call("crm", LATER)
        assert store.incidents.write_bad_calls() == ["crm"]


class TestLists:
    def filled(self, store: Store) -> list[str]:
        """Five incidents, the odd ones closed; their ids, open ones first, then the latest."""
        for number in range(5):
            row = broken(store, f"c{number}", connector_id=f"connector {number}")
            reported(store, row, f"i{number}", at=NOON + timedelta(hours=number))
            if number % 2:
                proven(store, f"c{number}")
        return ["i4", "i2", "i0", "i3", "i1"]

    def test_open_ones_come_first_and_pages_follow_each_other(self, store: Store) -> None:
        expected, found, cursor = self.filled(store), [], ""
        while True:
            page, cursor = store.incidents.list(limit=2, cursor=cursor)
            found += [row.incident_id for row in page]
            if not cursor:
                break
        assert found == expected

    def test_they_are_narrowed_by_state_and_connection(self, store: Store) -> None:
        self.filled(store)
        narrowed = {
            state: [row.incident_id for row in store.incidents.list(state=state)[0]] for state in ("open", "closed")
        }
        assert narrowed == {"open": ["i4", "i2", "i0"], "closed": ["i3", "i1"]}
        assert [row.incident_id for row in store.incidents.list(connection_id="c3")[0]] == ["i3"]

    def test_the_count_of_open_ones_follows_every_change(self, store: Store) -> None:
        assert store.incidents.count_open() == 0
        self.filled(store)
        assert store.incidents.count_open() == 3
        proven(store, "c0")
        assert store.incidents.count_open() == 2

    def test_merged_ones_are_found_by_their_id_only(self, store: Store) -> None:
        first = reported(store, broken(store, "a", account_name="ada", category="unknown"))
        reported(store, broken(store, "b", account_name="ada"))
        store.connections.change("a", refused_category="expired")
        row = store.connections.get("a")
        assert row is not None
        reported(store, row)
        assert [one.incident_id for one in store.incidents.list()[0]] == [first.incident_id]

    def test_members_keep_what_is_known_of_deleted_connections(self, store: Store) -> None:
        incident = reported(store, broken(store, "crm"))
        (member,) = store.incidents.members_of([incident.incident_id])
        assert (member.display_name, member.health, member.mended_at) == ("crm", HealthState.BROKEN, None)
        store.connections.delete("crm")
        store.incidents.leave("crm", LATER, "Ada")
        (member,) = store.incidents.members_of([incident.incident_id])
        assert (member.display_name, member.health, member.mended_at) == (None, None, LATER)

    def test_a_failed_run_finds_the_incident_of_its_time(self, store: Store) -> None:
        reported(store, broken(store, "crm"), "first")
        proven(store, "crm")
        minute = timedelta(minutes=1)
        assert store.incidents.of_failure("crm", NOON, NOON + minute) == "first"
        assert store.incidents.of_failure("crm", NOON - minute, NOON + minute) == "first"
        assert store.incidents.of_failure("crm", NOON - 2 * minute, NOON - minute) == ""
        assert store.incidents.of_failure("crm", LATER + minute, LATER + 2 * minute) == ""
