"""What stops when somebody goes: the connections signed in as them or made by them, and the flows that need these.

An account is closed on its owner's last day, and every flow that acts as it fails that night. Asked beforehand, each
connection can be signed in to by somebody else in time.
"""

from dataclasses import dataclass

from flowmend.core.errors import AskedWrongly
from flowmend.store.rows import ConnectionRow, FlowState, SignInAppRow
from flowmend.use_cases.ports import Services

_LONGEST_NAME = 320  # of an address (RFC 5321 §4.5.3.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeavingFlow:
    """A flow that a person's going concerns. stops: it is on and a connection it uses is signed in as them.

    is_theirs: they own it here. connections: (id, name) of those it uses.
    """

    flow_id: str
    name: str
    is_on: bool
    is_theirs: bool
    stops: bool
    connections: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaving:
    """What concerns one person. accounts: connections signed in as them, which stop with their account.

    owned: connections they made here that act as somebody else, or as nobody known: these go on, and need a new owner.
    """

    person: str
    accounts: tuple[ConnectionRow, ...]
    owned: tuple[ConnectionRow, ...]
    apps: tuple[SignInAppRow, ...]
    flows: tuple[LeavingFlow, ...]

    @property
    def stopping(self) -> int:
        """How many flows that are on stop."""
        return sum(flow.stops for flow in self.flows)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPerson:
    """Somebody that connections are signed in as, or owned by. name: an account's, or a person's here."""

    name: str
    connections: int


async def known_people(services: Services) -> list[KnownPerson]:
    """Everybody whose going would concern something; those with most connections first."""
    owners = {person.person_id: person.name for person in services.store.access.people()}
    counts: dict[str, KnownPerson] = {}
    for account, owner_id, count in services.store.connection_list.count_by_person():
        for name in {account, "" if account else owners.get(owner_id, "")} - {""}:
            known = counts.get(name.casefold(), KnownPerson(name=name, connections=0))
            counts[name.casefold()] = KnownPerson(name=known.name, connections=known.connections + count)
    return sorted(counts.values(), key=lambda one: (-one.connections, one.name.casefold()))


async def what_stops(services: Services, person: str) -> Leaving:
    """What concerns this person. person: their account name or mail address, their name here, or their id.

    Errors: AskedWrongly where nobody is named.
    """
    wanted = person.strip().casefold()
    if not wanted or len(wanted) > _LONGEST_NAME:
        raise AskedWrongly("Name somebody: an account, a mail address, or a name.", code="NobodyNamed", target="person")
    ids = {
        one.person_id
        for one in services.store.access.people()
        if wanted in {one.person_id.casefold(), one.name.casefold(), one.email.casefold()}
    }
    rows = services.store.connection_list.of_person(person.strip(), ids)
    accounts = tuple(row for row in rows if row.account_name.casefold() == wanted)
    owned = tuple(row for row in rows if row not in accounts)
    return Leaving(
        person=person.strip(),
        accounts=accounts,
        owned=owned,
        apps=tuple(app for app in services.store.connections.sign_in_apps() if app.owner_id in ids),
        flows=_flows(services, rows, frozenset(row.connection_id for row in accounts), ids),
    )


def _flows(
    services: Services, rows: tuple[ConnectionRow, ...], stopping: frozenset[str], ids: set[str]
) -> tuple[LeavingFlow, ...]:
    names = {row.connection_id: row.display_name for row in rows}
    used: dict[str, set[str]] = {}
    for connection_id, flows in services.store.blast_radius.flows_using(list(names)).items():
        for flow_id in flows:
            used.setdefault(flow_id, set()).add(connection_id)
    found = [
        LeavingFlow(
            flow_id=flow.flow_id,
            name=flow.name,
            is_on=flow.state is FlowState.ON,
            is_theirs=flow.owner_id in ids,
            stops=flow.state is FlowState.ON and not stopping.isdisjoint(used.get(flow.flow_id, ())),
            connections=tuple(sorted((one, names[one]) for one in used.get(flow.flow_id, ()))),
        )
        for flow in services.store.flows.list()
        if flow.flow_id in used or flow.owner_id in ids
    ]
    return tuple(sorted(found, key=lambda flow: (not flow.stops, not flow.is_on, flow.name.casefold())))
