"""What the HTTP actions of a package sign in with by themselves, as the dry run of its import tells it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from flowmend.core.checking.distinct_sign_ins import DistinctSignIn, ValuedFlow, distinct_sign_ins
from flowmend.core.connector.request import ANY_ORIGIN
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.built_in_connectors import EMBEDDED_CONNECTOR
from flowmend.use_cases.embedded_connections import found_connection, needs_of
from flowmend.use_cases.embedded_sign_in import EmbeddedSignIn, read_embedded, suggested_name
from flowmend.use_cases.ports import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSignIn:
    """A distinct authentication written in flows, of which the import makes a connection.

    kind: as authentications spell it. account: who signs in, "" where nobody is named. hosts: where it goes; is_anywhere:
    also where runs compute that. connection_id, connection_name: the connection it is already, else "" and the name the new
    one gets. needs: what is still to be given. candidates: connections that may be chosen instead, (id, name), those of the
    same account first. uses: (flow name, step).
    """

    sign_in_id: str
    kind: str
    account: str
    hosts: tuple[str, ...]
    is_anywhere: bool
    connection_id: str
    connection_name: str
    needs: tuple[str, ...]
    candidates: tuple[tuple[str, str], ...]
    uses: tuple[tuple[str, str], ...]


def planned_sign_ins(
    services: Services, flows: Iterable[ValuedFlow], connections: Sequence[ConnectionRow]
) -> tuple[PlannedSignIn, ...]:
    """Each once, in the order the flows have them; nothing is stored."""
    embedded = [row for row in connections if row.connector_id == EMBEDDED_CONNECTOR]
    read = ((one, read_embedded(services, one.settled)) for one in distinct_sign_ins(flows))
    return tuple(_planned(services, one, wanted, embedded) for one, wanted in read if wanted is not None)


def _planned(
    services: Services, sign_in: DistinctSignIn, wanted: EmbeddedSignIn, embedded: Sequence[ConnectionRow]
) -> PlannedSignIn:
    found = found_connection(services, sign_in, wanted)
    account = wanted.plain.get("username") or wanted.plain.get("token:clientId") or ""
    same_first = sorted(embedded, key=lambda row: (not account or row.account_name != account, row.display_name))
    return PlannedSignIn(
        sign_in_id=sign_in.sign_in_id,
        kind=sign_in.settled.kind,
        account=account,
        hosts=tuple(origin.partition("://")[2] for origin in sign_in.origins if origin != ANY_ORIGIN),
        is_anywhere=ANY_ORIGIN in sign_in.origins,
        connection_id=found.connection_id if found else "",
        connection_name=found.display_name if found else suggested_name(sign_in, wanted),
        needs=needs_of(services, wanted),
        candidates=tuple((row.connection_id, row.display_name) for row in same_first),
        uses=tuple((use.flow_name, use.step) for use in sign_in.uses),
    )
