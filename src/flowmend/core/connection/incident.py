"""Incidents: what broke, and which refusals are the same breakage.

One credential source breaks once, however many connections and calls feel it. What is known of the source grows with
each refusal: two connections of one account that were both refused for who the account is were broken by one cause.
So a refusal either opens an incident, joins the one of its source, or shows that several were one all along.
"""

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum

import msgspec

from flowmend.core.connector.request import ANY_ORIGIN
from flowmend.core.outcome import Category


class SourceKind(StrEnum):
    """What broke: the thing whose cure mends every connection folded in."""

    CONNECTION = "connection"
    ACCOUNT = "account"
    SIGN_IN_APP = "sign_in_app"


class Source(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """source_id: connection id, sign-in app id, or `<sign-in app, or connector@where>:<account name, folded>`."""

    kind: SourceKind
    source_id: str


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A connection whose credential was refused, and what that refusal was about. origins: where that credential may go."""

    connection_id: str
    connector_id: str
    app_id: str = ""
    account_name: str = ""
    origins: frozenset[str] = frozenset()
    category: Category


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A connection within an open incident."""

    incident_id: str
    opened_at: datetime
    source: Source
    refused: Refused
    is_mended: bool = False


class Folding(msgspec.Struct, frozen=True, kw_only=True):
    """Where a refusal belongs. into: the open incident, "" for a new one. source: what that incident is of from now on.

    moved: connections that leave other incidents for this one; an incident that nobody is left in was merged into it.
    """

    source: Source
    into: str = ""
    moved: frozenset[str] = frozenset()


#: Refusals that are about who signs in, so that another connection of the same account meets them too.
OF_THE_ACCOUNT = frozenset(
    {Category.DISABLED_ACCOUNT, Category.MFA, Category.REVOKED, Category.EXPIRED, Category.WRONG_PASSWORD}
)

_WIDTH = {SourceKind.CONNECTION: 0, SourceKind.ACCOUNT: 1, SourceKind.SIGN_IN_APP: 2}

#: How much a refusal says of the cause, most first; what is not listed lies between.
_TELLING = {
    Category.CLIENT_SECRET_EXPIRED: 4,
    Category.DISABLED_ACCOUNT: 3,
    Category.MFA: 2,
    Category.POLICY_BLOCKED: 2,
    Category.UNKNOWN: 0,
}


def account_source(refused: Refused) -> Source | None:
    """The account a connection is signed in as, told apart by what it signs in with, or where; None where it is not known.

    One name at two addresses is two accounts: everybody has an `admin`.
    """
    if not refused.account_name or (not refused.app_id and ANY_ORIGIN in refused.origins):
        return None
    where = hashlib.sha256("\n".join(sorted(refused.origins)).encode()).hexdigest()[:8]
    scope = refused.app_id or (f"{refused.connector_id}@{where}" if refused.origins else refused.connector_id)
    return Source(kind=SourceKind.ACCOUNT, source_id=f"{scope}:{refused.account_name.casefold()}")


def fold(refused: Refused, members: Iterable[Member]) -> Folding:
    """Where a refusal belongs among the open incidents.

    members: of every open incident that holds this connection, its account or its sign-in app; others do not matter.
    """
    members = tuple(members)
    mine = next((one for one in members if one.refused.connection_id == refused.connection_id), None)
    source = _source(refused, members)
    if mine is not None and _WIDTH[mine.source.kind] >= _WIDTH[source.kind]:
        return Folding(source=mine.source, into=mine.incident_id)
    same_cause = [one for one in members if one.incident_id and _joins(one, refused, source)]
    into = next((one.incident_id for one in members if one.source == source), "") or _oldest(same_cause, members)
    moved = frozenset(one.refused.connection_id for one in same_cause if one.incident_id != into)
    return Folding(source=source, into=into, moved=moved)


def says_more(category: str, than: str) -> bool:
    """Whether a refusal of this category tells more of the cause than one of the other."""
    return _how_telling(category) > _how_telling(than)


def is_over(mended: Sequence[bool]) -> bool:
    """Whether an incident is closed: every connection of it was proven good again."""
    return all(mended)


def _source(refused: Refused, members: tuple[Member, ...]) -> Source:
    if refused.category is Category.CLIENT_SECRET_EXPIRED and refused.app_id:
        return Source(kind=SourceKind.SIGN_IN_APP, source_id=refused.app_id)
    account = account_source(refused)
    if account is not None and refused.category in OF_THE_ACCOUNT:
        others = (one for one in members if one.refused.connection_id != refused.connection_id)
        if any(one.source == account or _is_of(one, account) for one in others):
            return account
    return Source(kind=SourceKind.CONNECTION, source_id=refused.connection_id)


def _joins(member: Member, refused: Refused, source: Source) -> bool:
    """Whether a member, as things are known now, belongs to the incident of this source."""
    if member.source == source:
        return False  # it is there already
    if member.refused.connection_id == refused.connection_id:
        return True
    if source.kind is SourceKind.SIGN_IN_APP:
        other = member.refused
        return other.category is Category.CLIENT_SECRET_EXPIRED and other.app_id == source.source_id
    return source.kind is SourceKind.ACCOUNT and _is_of(member, source)


def _is_of(member: Member, account: Source) -> bool:
    """A connection that counts for itself so far, and was refused for this account."""
    is_alone = member.source.kind is SourceKind.CONNECTION and not member.is_mended
    return is_alone and member.refused.category in OF_THE_ACCOUNT and account_source(member.refused) == account


def _oldest(same_cause: Sequence[Member], members: tuple[Member, ...]) -> str:
    """The first incident that goes over whole: its links and messages stay good. "" where none does."""
    moving = {one.refused.connection_id for one in same_cause}
    staying = {one.incident_id for one in members if one.refused.connection_id not in moving}
    whole = [one for one in same_cause if one.incident_id not in staying]
    return min(((one.opened_at, one.incident_id) for one in whole), default=(None, ""))[1]


def _how_telling(category: str) -> int:
    try:
        return _TELLING.get(Category(category), 1)
    except ValueError:
        return 0
