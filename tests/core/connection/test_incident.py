"""Which refusals are one breakage. A small model applies what `fold` says, as the store does."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from flowmend.core.connection.incident import (
    OF_THE_ACCOUNT,
    Member,
    Refused,
    Source,
    SourceKind,
    account_source,
    fold,
    is_over,
    says_more,
)
from flowmend.core.outcome import Category

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass
class Incidents:
    """{incident id: members} of the open ones; those that were merged and closed; calls counted for each connection."""

    open: dict[str, list[Member]] = field(default_factory=dict)
    merged: dict[str, str] = field(default_factory=dict)
    closed: list[str] = field(default_factory=list)
    calls: dict[tuple[str, str], int] = field(default_factory=dict)
    reports: int = 0

    def report(self, refused: Refused) -> str:
        self.reports += 1
        members = [one for group in self.open.values() for one in group]
        folding = fold(refused, members)
        incident_id = folding.into or f"i{self.reports}"
        opened_at = next(
            (one.opened_at for one in self.open.get(incident_id, ())), NOON + timedelta(seconds=self.reports)
        )
        moved = [
            one for one in members if one.refused.connection_id in folding.moved and one.incident_id != incident_id
        ]
        for one in moved:
            self.open[one.incident_id].remove(one)
            count = self.calls.pop((one.incident_id, one.refused.connection_id))
            self.calls[incident_id, one.refused.connection_id] = count
            if not self.open[one.incident_id]:
                del self.open[one.incident_id]
                self.merged[one.incident_id] = incident_id
        kept = [*self.open.get(incident_id, ()), *moved]
        kept = [one for one in kept if one.refused.connection_id != refused.connection_id]
        mine = Member(incident_id=incident_id, opened_at=opened_at, source=folding.source, refused=refused)
        self.open[incident_id] = [
            Member(
                incident_id=incident_id,
                opened_at=opened_at,
                source=folding.source,
                refused=one.refused,
                is_mended=one.is_mended,
            )
            for one in (*kept, mine)
        ]
        key = (incident_id, refused.connection_id)
        self.calls[key] = self.calls.get(key, 0) + 1
        return incident_id

    def prove(self, connection_id: str) -> None:
        for incident_id, group in list(self.open.items()):
            after = [
                Member(
                    incident_id=one.incident_id,
                    opened_at=one.opened_at,
                    source=one.source,
                    refused=one.refused,
                    is_mended=one.is_mended or one.refused.connection_id == connection_id,
                )
                for one in group
            ]
            self.open[incident_id] = after
            if is_over([one.is_mended for one in after]):
                self.closed.append(incident_id)
                del self.open[incident_id]

    @property
    def grouping(self) -> frozenset[tuple[Source, frozenset[str]]]:
        return frozenset(
            (group[0].source, frozenset(one.refused.connection_id for one in group)) for group in self.open.values()
        )


def refused(connection_id: str, category: Category = Category.WRONG_PASSWORD, **parts: str) -> Refused:
    return Refused(**{"connection_id": connection_id, "connector_id": "crm", "category": category} | parts)  # type: ignore[arg-type]


def test_a_connection_of_an_unknown_account_stands_for_itself() -> None:
    incidents = Incidents()
    assert len({incidents.report(refused(name)) for name in ("a", "b")}) == 2


def test_two_connections_of_one_account_are_one_breakage_under_the_id_of_the_first() -> None:
    incidents = Incidents()
    first = incidents.report(refused("a", account_name="Ada"))
    assert {incidents.report(refused(name, account_name="ada")) for name in ("b", "c")} == {first}
    source = Source(kind=SourceKind.ACCOUNT, source_id="crm:ada")
    assert incidents.grouping == {(source, frozenset("abc"))}


def test_the_same_name_at_another_service_is_another_account() -> None:
    incidents = Incidents()
    incidents.report(refused("a", account_name="ada"))
    incidents.report(refused("b", account_name="ada", connector_id="erp"))
    assert len(incidents.grouping) == 2


def test_a_refusal_that_is_not_about_the_account_stays_with_its_connection() -> None:
    incidents = Incidents()
    incidents.report(refused("a", account_name="ada"))
    incidents.report(refused("b", Category.POLICY_BLOCKED, account_name="ada"))
    assert len(incidents.grouping) == 2


def test_an_expired_client_secret_takes_its_connections_out_of_what_they_were_thought_to_be() -> None:
    incidents = Incidents()
    first = incidents.report(refused("a", app_id="app", account_name="ada"))
    incidents.report(refused("b", app_id="app", account_name="ada"))
    of_app = incidents.report(refused("b", Category.CLIENT_SECRET_EXPIRED, app_id="app", account_name="ada"))
    assert of_app != first
    incidents.report(refused("a", Category.CLIENT_SECRET_EXPIRED, app_id="app", account_name="ada"))
    assert incidents.grouping == {(Source(kind=SourceKind.SIGN_IN_APP, source_id="app"), frozenset("ab"))}
    assert incidents.merged == {first: of_app}


def test_what_says_most_is_shown() -> None:
    assert says_more("disabled_account", than="wrong_password")
    assert says_more("wrong_password", than="unknown")
    assert not says_more("wrong_password", than="expired")
    assert not says_more("", than="unknown")


def test_only_a_known_name_makes_an_account() -> None:
    assert account_source(refused("a")) is None
    assert account_source(refused("a", account_name="ADA", app_id="app")) == Source(
        kind=SourceKind.ACCOUNT, source_id="app:ada"
    )


names = st.sampled_from("abcdefgh")
connections = st.builds(
    Refused,
    connection_id=names,
    connector_id=st.sampled_from(["crm", "erp"]),
    app_id=st.sampled_from(["", "app 1", "app 2"]),
    account_name=st.sampled_from(["", "ada", "Ada", "bob"]),
    category=st.sampled_from(Category),
)
each_once = st.lists(connections, unique_by=lambda one: one.connection_id, max_size=8)


@given(each_once.flatmap(lambda reports: st.tuples(st.permutations(reports), st.permutations(reports))))
def test_the_order_of_reports_does_not_change_the_grouping(orders: tuple[list[Refused], list[Refused]]) -> None:
    one, other = Incidents(), Incidents()
    for report in orders[0]:
        one.report(report)
    for report in orders[1]:
        other.report(report)
    assert one.grouping == other.grouping


@given(each_once)
def test_reporting_again_changes_only_the_count(reports: list[Refused]) -> None:
    incidents = Incidents()
    for report in reports:
        incidents.report(report)
    before = incidents.grouping
    for report in reports:
        incidents.report(report)
    assert incidents.grouping == before
    assert sum(incidents.calls.values()) == 2 * len(reports)


class Breakages(RuleBasedStateMachine):
    """Refusals and proofs in any order, each connection always of the same service, app and account."""

    def __init__(self) -> None:
        super().__init__()
        self.incidents = Incidents()
        self.broken: set[str] = set()

    @rule(name=names, category=st.sampled_from(Category))
    def is_refused(self, name: str, category: Category) -> None:
        self.incidents.report(
            refused(
                name, category, app_id="app" if name in "abcd" else "", account_name="ada" if name in "abef" else ""
            )
        )
        self.broken.add(name)

    @rule(name=names)
    def is_proven(self, name: str) -> None:
        self.incidents.prove(name)
        self.broken.discard(name)

    @invariant()
    def every_broken_connection_is_in_one_open_incident(self) -> None:
        waiting = [
            one.refused.connection_id for group in self.incidents.open.values() for one in group if not one.is_mended
        ]
        assert sorted(waiting) == sorted(self.broken)

    @invariant()
    def a_source_has_one_open_incident(self) -> None:
        sources = [group[0].source for group in self.incidents.open.values()]
        assert len(sources) == len(set(sources))

    @invariant()
    def no_refusal_is_counted_twice_or_lost(self) -> None:
        assert sum(self.incidents.calls.values()) == self.incidents.reports

    @invariant()
    def a_connection_that_stands_for_itself_is_alone(self) -> None:
        for group in self.incidents.open.values():
            if group[0].source.kind is SourceKind.CONNECTION:
                assert len(group) == 1

    @invariant()
    def what_is_open_is_neither_merged_nor_closed(self) -> None:
        over = {*self.incidents.merged, *self.incidents.closed}
        assert not over & set(self.incidents.open)


TestBreakages = Breakages.TestCase


def test_the_account_is_only_blamed_for_what_is_about_it() -> None:
    assert Category.CLIENT_SECRET_EXPIRED not in OF_THE_ACCOUNT
    assert Category.INSUFFICIENT_PERMISSION not in OF_THE_ACCOUNT


def test_one_name_at_two_addresses_is_two_accounts() -> None:
    here, there = (refused(name, account_name="admin", origins=frozenset({f"https://{name}"})) for name in ("a", "b"))
    same = refused("c", account_name="Admin", origins=frozenset({"https://a"}))
    assert account_source(here) == account_source(same) != account_source(there)


def test_an_account_whose_addresses_runs_compute_is_nobody_elses() -> None:
    assert account_source(refused("a", account_name="admin", origins=frozenset({"*"}))) is None
