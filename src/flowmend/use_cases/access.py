"""Who may enter: login links, browser sessions and API tokens. Only digests of secrets are stored."""

import hashlib
import secrets
from datetime import datetime, timedelta

from flowmend.core.errors import NotAllowed
from flowmend.store.rows import LoginLinkRow, PersonRow, SessionRow, TokenRow
from flowmend.use_cases.ports import Services

#: The cookie that holds a session's secret: set by the portal, read at the gate.
SESSION_COOKIE = "flowmend_session"

#: The name of the browser's cookie.
SESSION_COOKIE = "flowmend_session"

LINK_LASTS = timedelta(minutes=10)
SESSION_LASTS = timedelta(days=14)
_LAST_USED_EVERY = timedelta(minutes=5)
_TOKEN_PREFIX = "fm_"  # noqa: S105  # lets a secret scanner recognise a leaked token


async def ensure_owner(services: Services) -> PersonRow:
    """The one owner, made at first start."""
    people = services.store.access.people()
    if people:
        return people[0]
    owner = PersonRow(person_id=str(services.clock.guid()), name="Owner", created_at=services.clock.now)
    services.store.access.add_person(owner)
    return owner


async def issue_login_link(services: Services, person_id: str | None = None) -> tuple[str, datetime]:
    """(link, when it ends): good for one sign-in within ten minutes."""
    if person_id is None:
        person_id = (await ensure_owner(services)).person_id
    secret = secrets.token_urlsafe(32)
    now = services.clock.now
    link = LoginLinkRow(digest=_digest(secret), person_id=person_id, created_at=now, expires_at=now + LINK_LASTS)
    services.store.access.add_login_link(link)
    return f"{services.settings.base_url}/login?link={secret}", link.expires_at


async def login_link_is_good(services: Services, secret: str) -> bool:
    """Looks, and uses nothing up: mail scanners open links too."""
    link = services.store.access.login_link(_digest(secret))
    return link is not None and link.used_at is None and link.expires_at > services.clock.now


async def use_login_link(services: Services, secret: str) -> tuple[str, SessionRow]:
    """(cookie secret, session). Errors: NotAllowed where the link is unknown, used or too old."""
    now = services.clock.now
    link = services.store.access.use_login_link(_digest(secret), now)
    if link is None:
        raise NotAllowed(
            "This link was used already or is older than ten minutes. Ask for a new one.", code="LinkNotGood"
        )
    cookie = secrets.token_urlsafe(32)
    session = SessionRow(
        digest=_digest(cookie), person_id=link.person_id, created_at=now, expires_at=now + SESSION_LASTS
    )
    services.store.access.add_session(session)
    services.store.audit.note(link.person_id, "sign_in", link.person_id, None, at=now)
    return cookie, session


async def person_of_session(services: Services, cookie_secret: str) -> PersonRow | None:
    """The person a session cookie stands for, None where it is unknown or has ended."""
    session = services.store.access.session(_digest(cookie_secret))
    if session is None or session.expires_at <= services.clock.now:
        return None
    return services.store.access.person(session.person_id)


async def sign_out(services: Services, cookie_secret: str) -> None:
    services.store.access.remove_session(_digest(cookie_secret))


async def issue_token(services: Services, name: str) -> str:
    """An API token of the owner; shown this once."""
    owner = await ensure_owner(services)
    text = _TOKEN_PREFIX + secrets.token_urlsafe(32)
    services.store.access.add_token(
        TokenRow(
            token_id=str(services.clock.guid()),
            person_id=owner.person_id,
            digest=_digest(text),
            name=name,
            created_at=services.clock.now,
        )
    )
    return text


async def person_of_token(services: Services, token: str) -> PersonRow | None:
    """The person an API token stands for, None where it is unknown or has ended."""
    now = services.clock.now
    found = services.store.access.token(_digest(token))
    if found is None or (found.expires_at is not None and found.expires_at <= now):
        return None
    if found.last_used_at is None or now - found.last_used_at > _LAST_USED_EVERY:
        services.store.access.touch_token(found.token_id, now)
    return services.store.access.person(found.person_id)


def _digest(secret: str) -> bytes:
    # The secrets are 256 random bits, so a plain digest cannot be searched.
    return hashlib.sha256(secret.encode()).digest()
