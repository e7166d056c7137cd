"""Who is asking: the session cookie of a browser, or the bearer token of a program."""

from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import Literal

from flowmend.store.rows import PersonRow
from flowmend.use_cases.access import SESSION_COOKIE, person_of_session, person_of_token
from flowmend.use_cases.ports import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """entrance: how the person came in. was_refused: something was shown, and it is not good."""

    person: PersonRow | None = None
    entrance: Literal["session", "token"] | None = None
    was_refused: bool = False


async def identify(services: Services, headers: dict[bytes, bytes], *, accepts_token: bool) -> Identity:
    """The person behind these request headers.

    A token counts only in the Authorization header, never in the query (it would end up in logs and histories),
    and where one is shown the cookie is not asked.
    """
    scheme, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
    if accepts_token and scheme.lower() == "bearer":
        person = await person_of_token(services, token.strip())
        return Identity(person=person, entrance="token" if person else None, was_refused=person is None)
    secret = _session_secret(headers.get(b"cookie", b"").decode("latin-1"))
    if not secret:
        return Identity()
    person = await person_of_session(services, secret)
    return Identity(person=person, entrance="session" if person else None, was_refused=person is None)


def _session_secret(header: str) -> str:
    if SESSION_COOKIE not in header:
        return ""
    try:
        morsel = SimpleCookie(header).get(SESSION_COOKIE)
    except CookieError:
        return ""
    return morsel.value if morsel else ""
