"""Rows of incidents and of the links that mend them."""

from datetime import datetime
from enum import StrEnum

from flowmend.core.connection.health import HealthState
from flowmend.core.connection.incident import SourceKind
from flowmend.store.rows import Row

__all__ = ["IncidentConnectionRow", "IncidentMember", "IncidentRow", "IncidentState", "RepairLinkRow", "SourceKind"]


class IncidentState(StrEnum):
    """closed: every connection of it was proven good again. merged: a common cause was found, see `merged_into`."""

    OPEN = "open"
    CLOSED = "closed"
    MERGED = "merged"


class IncidentRow(Row, frozen=True, kw_only=True):
    """One breakage of one credential source.

    source_id: connection id, sign-in app id, or `<app, or connector@where>:<account name>` of an account. last_good_at: the
    last good call before it. bad_calls: refused or stopped because of it. category, fixable_by, remedy, code, message: of
    the refusal that says most, secrets removed. closed_by: `proof`, or who closed it. version: counts its changes.
    """

    incident_id: str
    source_kind: SourceKind
    source_id: str
    state: IncidentState = IncidentState.OPEN
    opened_at: datetime
    closed_at: datetime | None = None
    closed_by: str = ""
    merged_into: str = ""
    last_good_at: datetime | None = None
    first_bad_at: datetime
    last_bad_at: datetime
    bad_calls: int = 1
    category: str
    fixable_by: str
    remedy: str
    code: str
    message: str
    version: int = 1


class IncidentConnectionRow(Row, frozen=True, kw_only=True):
    """A connection folded into an incident. mended_at: when it was proven good again."""

    incident_id: str
    connection_id: str
    last_good_at: datetime | None = None
    first_bad_at: datetime
    bad_calls: int = 1
    mended_at: datetime | None = None


class IncidentMember(Row, frozen=True, kw_only=True):
    """A connection folded into an incident, with what is known of it now. health: None where it was deleted."""

    incident_id: str
    connection_id: str
    last_good_at: datetime | None
    first_bad_at: datetime
    bad_calls: int
    mended_at: datetime | None
    display_name: str | None
    connector_id: str | None
    parameter_set: str | None
    account_name: str | None
    owner_id: str | None
    health: HealthState | None


class RepairLinkRow(Row, frozen=True, kw_only=True):
    """A link with which an owner mends one connection of one incident; only its digest is kept.

    is_confirmed: whoever made it knows that the person it goes to holds the connection's account.
    """

    digest: bytes
    incident_id: str
    connection_id: str
    created_by: str
    created_at: datetime
    expires_at: datetime
    used_at: datetime | None = None
    is_confirmed: bool = False
