"""The three ways to sign in to an API route. Each gives the caller, or the refusal a serious service would give."""

from base64 import b64decode
from binascii import Error as BadBase64
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.types import Scope

from flowmend.sample.service.answers import Answer, header, refusal
from flowmend.sample.service.grants import Refused
from flowmend.sample.service.service import OrderService
from flowmend.sample.service.settings import Account

_REALM = "Sample order service"
_BASIC = (b"www-authenticate", f'Basic realm="{_REALM}", charset="UTF-8"'.encode())
_KEY = (b"www-authenticate", f'ApiKey realm="{_REALM}"'.encode())


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """scopes: what an access token allows; None where the sign-in knows no scopes."""

    account: Account
    scopes: tuple[str, ...] | None = None


def by_password(service: OrderService, scope: Scope, _query: Mapping[str, str]) -> Caller | Answer:
    """HTTP basic (RFC 7617)."""
    kind, _, credentials = header(scope, b"authorization").partition(" ")
    if kind.lower() != "basic":
        return refusal(401, "Unauthorized", "Sign in with a user name and password.", _BASIC)
    user, password = read_basic(credentials)
    account = service.accounts.with_password(user, password)
    if account is None:
        return refusal(401, "Unauthorized", "Invalid user name or password.", _BASIC)
    return Caller(account=account)


def by_key(service: OrderService, scope: Scope, query: Mapping[str, str]) -> Caller | Answer:
    """`X-Api-Key`, or `api_key` in the query."""
    key = header(scope, b"x-api-key") or query.get("api_key", "")
    if not key:
        return refusal(401, "Unauthorized", "Send an API key in the header X-Api-Key.", _KEY)
    account = service.accounts.with_key(key)
    if account is None:
        return refusal(401, "InvalidApiKey", "The API key is not valid.", _KEY)
    return Caller(account=account)


def by_token(service: OrderService, scope: Scope, _query: Mapping[str, str]) -> Caller | Answer:
    """An OAuth 2 bearer token (RFC 6750)."""
    kind, _, token = header(scope, b"authorization").partition(" ")
    if kind.lower() != "bearer":
        return refusal(401, "Unauthorized", "Sign in with an access token.", _bearer())
    access = service.grants.check(token.strip())
    if isinstance(access, Refused):
        return refusal(401, "Unauthorized", access.description, _bearer(access.error, access.description))
    account = service.accounts.get(access.grant.consent.user)
    if account is None:
        return refusal(
            401, "Unauthorized", "The account no longer exists.", _bearer("invalid_token", "No such account.")
        )
    return Caller(account=account, scopes=access.scopes)


def lacking_scope(needed: str) -> Answer:
    """The 403 for a token that was granted less (RFC 6750 §3.1)."""
    message = f"The access token lacks the scope '{needed}'."
    return refusal(403, "InsufficientScope", message, _bearer("insufficient_scope", message, needed))


def lacking_permission(account: Account, route: str) -> Answer:
    """The 403 for someone signed in well who may not do this."""
    return refusal(
        403,
        "Forbidden",
        f"The account '{account.user}' is signed in but has no permission for '{route}'. "
        "Ask the administrator of the order service to grant it.",
    )


def read_basic(credentials: str) -> tuple[str, str]:
    """The two halves of basic credentials, or two empty strings where they do not decode."""
    try:
        user, _, password = b64decode(credentials, validate=True).decode().partition(":")
    except (BadBase64, UnicodeDecodeError):
        return "", ""
    return user, password


def _bearer(error: str = "", description: str = "", scope: str = "") -> tuple[bytes, bytes]:
    parts = [f'realm="{_REALM}"']
    parts += [
        f'{name}="{value}"'
        for name, value in (("error", error), ("error_description", description), ("scope", scope))
        if value
    ]
    return b"www-authenticate", f"Bearer {', '.join(parts)}".encode()
