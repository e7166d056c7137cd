"""What of a connection's sign-in ends when, told early enough to act: a forecast is a warning nobody has to look for.

An access token that renews itself is no end. What ends needs somebody: a grant that lies idle too long, a certificate, a
sign-in app's secret, a key whose owner noted until when it is good.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from urllib.parse import urlsplit


class EndKind(StrEnum):
    """What ends. The first four are spelled as the column `lasts_until_kind`."""

    REFRESH_TOKEN = "refresh_token"  # noqa: S105  the provider said how long the grant lasts
    CERTIFICATE = "certificate"  # the client certificate's own date
    IDLE = "idle"  # a grant that is not used
    NOTED = "noted"  # a date its owner wrote down
    ACCESS_TOKEN = "access_token"  # noqa: S105  and there is nothing to renew it with
    APP_SECRET = "app_secret"  # noqa: S105  of the sign-in app the connection acts as


class Urgency(StrEnum):
    """How soon somebody has to act, by the lead times people plan with."""

    OVER = "over"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    LATER = "later"


#: The longest time left of each urgency, the most urgent first.
LEAD_TIMES: tuple[tuple[Urgency, timedelta], ...] = (
    (Urgency.OVER, timedelta(0)),
    (Urgency.DAY, timedelta(days=1)),
    (Urgency.WEEK, timedelta(days=7)),
    (Urgency.MONTH, timedelta(days=30)),
)

#: How long a refresh token may lie unused, by the host of the token endpoint, as the providers document it.
IDLE_LIMITS: Mapping[str, timedelta] = {
    # learn.microsoft.com/entra/identity-platform/refresh-tokens
    "login.microsoftonline.com": timedelta(days=90),
    "login.microsoftonline.us": timedelta(days=90),
    "login.partner.microsoftonline.cn": timedelta(days=90),
    # developers.google.com/identity/protocols/oauth2, expiration of refresh tokens
    "oauth2.googleapis.com": timedelta(days=182),
    "accounts.google.com": timedelta(days=182),
    "www.googleapis.com": timedelta(days=182),
    # developer.box.com/guides/authentication/tokens/refresh
    "api.box.com": timedelta(days=60),
    # developer.intuit.com, OAuth 2.0
    "oauth.platform.intuit.com": timedelta(days=100),
    # developer.xero.com/documentation/guides/oauth2/token-types
    "identity.xero.com": timedelta(days=60),
    # developers.docusign.com/platform/auth
    "account.docusign.com": timedelta(days=30),
    "account-d.docusign.com": timedelta(days=30),
    # developer.atlassian.com/cloud/jira/platform/oauth-2-3lo-apps
    "auth.atlassian.com": timedelta(days=90),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Something that ends."""

    kind: EndKind
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInFacts:
    """What is known of a connection's sign-in. token_url: of its provider, "" where it has none.

    expires_at: of the access token. renews: whether there is something to renew it with. refreshed_at: when it was last
    renewed, or signed in. lasts_until with its kind: as the connection says. app_secret_ends_at: of its sign-in app.
    """

    expires_at: datetime | None = None
    renews: bool = False
    refreshed_at: datetime | None = None
    token_url: str = ""
    lasts_until: datetime | None = None
    lasts_until_kind: str = ""
    app_secret_ends_at: datetime | None = None


def ends_of(facts: SignInFacts) -> tuple[End, ...]:
    """All that ends, the soonest first."""
    ends: list[End] = []
    if facts.expires_at is not None and not facts.renews:
        ends.append(End(kind=EndKind.ACCESS_TOKEN, at=facts.expires_at))
    if facts.lasts_until is not None:
        ends.append(End(kind=_kind(facts.lasts_until_kind), at=facts.lasts_until))
    limit = idle_limit(facts.token_url)
    if facts.renews and limit is not None and facts.refreshed_at is not None:
        ends.append(End(kind=EndKind.IDLE, at=facts.refreshed_at + limit))
    if facts.app_secret_ends_at is not None:
        ends.append(End(kind=EndKind.APP_SECRET, at=facts.app_secret_ends_at))
    return tuple(sorted(ends, key=lambda end: (end.at, end.kind)))


def idle_limit(token_url: str) -> timedelta | None:
    """How long the provider keeps a refresh token that nobody uses; None where it does not say."""
    try:
        host = urlsplit(token_url).hostname or ""
    except ValueError:
        return None
    return IDLE_LIMITS.get(host.lower())


def is_idle(token_url: str, refreshed_at: datetime, now: datetime, after: timedelta) -> bool:
    """Whether tokens should be renewed only to keep them: unused for so long, or for half of what the provider allows."""
    limit = idle_limit(token_url)
    return now - refreshed_at >= (after if limit is None else min(after, limit / 2))


def urgency(at: datetime, now: datetime) -> Urgency:
    """How soon somebody has to act on what ends at `at`."""
    return next((word for word, lead in LEAD_TIMES if at - now <= lead), Urgency.LATER)


def days_left(at: datetime, now: datetime) -> int:
    """Whole days, begun ones counted; 0 once it is over."""
    return max(0, -((now - at) // timedelta(days=1)))


def _kind(text: str) -> EndKind:
    return next((kind for kind in EndKind if kind == text), EndKind.NOTED)
