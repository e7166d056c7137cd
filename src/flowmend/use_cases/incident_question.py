"""What to tell whoever can end an incident where its owner cannot: a message to copy, with the service's own words."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType

from flowmend.core.connection.incident import SourceKind
from flowmend.core.outcome import Category, FixableBy
from flowmend.use_cases.incidents import IncidentSummary


class Asked(StrEnum):
    """What somebody is asked for."""

    APP_SECRET = "app_secret"  # noqa: S105  what is asked for, not one
    ACCESS = "access"  # a permission for the account
    SETTING = "setting"  # whatever stands in the way of its sign-in


#: With places for app, service, account, since, code and message.
ENGLISH: Mapping[Asked, str] = MappingProxyType(
    {
        Asked.APP_SECRET: (
            "The client secret of the app registration %(app)s is no longer accepted by %(service)s, since %(since)s. "
            "The answer is %(code)s: %(message)s Could you create a new client secret there and hand it over safely?"
        ),
        Asked.ACCESS: (
            "%(service)s refuses %(account)s a request since %(since)s. The answer is %(code)s: %(message)s "
            "Could you give this account the right to do it?"
        ),
        Asked.SETTING: (
            "%(service)s refuses the sign-in of %(account)s since %(since)s. The answer is %(code)s: %(message)s "
            "A setting there or in the organisation stands in the way. Could you change it?"
        ),
    }
)
_NO_NAME = "our account"


def asked_of(incident: IncidentSummary) -> Asked | None:
    """None where the owner can end it, or it passes by itself."""
    row, fixable_by = incident.row, FixableBy(incident.row.fixable_by)
    if row.source_kind is SourceKind.SIGN_IN_APP and row.category == Category.CLIENT_SECRET_EXPIRED:
        return Asked.APP_SECRET
    return {FixableBy.GRANT_PERMISSION: Asked.ACCESS, FixableBy.ADMIN: Asked.SETTING}.get(fixable_by)


def question_about(
    incident: IncidentSummary, since: str, *, texts: Mapping[Asked, str] = ENGLISH, no_name: str = _NO_NAME
) -> str:
    """The message, "" where there is nobody to ask. since: when it began, in words. texts, no_name: in another language."""
    asked, row = asked_of(incident), incident.row
    if asked is None:
        return ""
    return texts[asked] % {
        "app": incident.app.client_id if incident.app else incident.name,
        "service": incident.service,
        "account": incident.who.account or no_name,
        "since": since,
        "code": row.code,
        "message": row.message.rstrip(".") + ".",
    }


def in_utc(at: datetime) -> str:
    """A moment as such a message says it: it is read on another day and elsewhere, so with date and zone."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
