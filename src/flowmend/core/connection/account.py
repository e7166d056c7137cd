"""Who a credential belongs to, read from what an identity call or a provider's userinfo answers.

Services name the signed-in account in a few well-known fields, at the top of the answer or one level down. The most telling
name comes first; the id is what stays when people are renamed.

    userPrincipalName, mail, id        learn.microsoft.com/graph/api/user-get
    preferred_username, email, sub     openid.net/specs/openid-connect-core-1_0.html, Standard Claims
    login, id                          docs.github.com/rest/users/users (Get the authenticated user)
    username, id                       docs.gitlab.com/api/users (List current user)
    emailAddress, accountId            developer.atlassian.com/cloud/jira/platform/rest/v3 (Get current user)
    user, user_id                      docs.slack.dev/reference/methods/auth.test
    LoginName, Email in `d`            learn.microsoft.com/sharepoint/dev, current user
    email in `user` or `data`          developer.zendesk.com, developers.asana.com (users/me)
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from flowmend.core.json_value import Json

_NAMES = (
    "userprincipalname",
    "preferred_username",
    "upn",
    "unique_name",
    "email",
    "mail",
    "emailaddress",
    "loginname",
    "username",
    "user_name",
    "login",
    "user",
    "account",
)
_IDS = ("sub", "oid", "accountid", "account_id", "user_id", "userid")
#: Requests and things have such ids too, so they count beside a name only.
_COMMON_IDS = ("id", "gid")
_WITHIN = ("user", "data", "account", "me", "profile", "d", "result")
_LONGEST = 320  # an e-mail address, RFC 5321 §4.5.3.1
_LARGEST_ANSWER = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who is signed in. names: the most telling first. id: stable at the service, "" where it names none."""

    names: tuple[str, ...] = ()
    id: str = ""

    @property
    def name(self) -> str:
        """What to call the account, "" where nothing was said."""
        return self.names[0] if self.names else self.id

    def is_same(self, account_name: str, account_id: str = "") -> bool | None:
        """Whether this is the account known by that name and id; None where it cannot be told."""
        if self.id and account_id:
            return self.id == account_id
        if not account_name or not self.name:
            return None
        known = account_name.casefold()
        return any(known == name.casefold() for name in (*self.names, self.id) if name)


NOBODY = Identity()


def identity_of(answer: Json) -> Identity:
    """Who an identity call's answer, or the claims of a token, say is signed in; `NOBODY` where it says nothing."""
    for fields in _levels(answer):
        names = tuple(dict.fromkeys(text for name in _NAMES if (text := _text(fields.get(name)))))
        ids = (*_IDS, *_COMMON_IDS) if names else _IDS
        stable = next((text for name in ids if (text := _text(fields.get(name)))), "")
        if names or stable:
            return Identity(names=names, id=stable)
    return NOBODY


def identity_in_body(body: bytes) -> Identity:
    """`identity_of` a response body; `NOBODY` where it is no JSON."""
    if len(body) > _LARGEST_ANSWER:
        return NOBODY
    try:
        return identity_of(msgspec.json.decode(body))
    except (msgspec.DecodeError, RecursionError):
        return NOBODY


def _levels(answer: Json) -> Iterator[Mapping[str, Json]]:
    if not isinstance(answer, dict):
        return
    # Nested first: beside them stand envelopes such as {"ok": true, "id": "request-7"}.
    top = {str(name).lower(): value for name, value in answer.items()}
    for name in _WITHIN:
        nested = top.get(name)
        if isinstance(nested, dict):
            yield {str(inner).lower(): value for inner, value in nested.items()}
    yield top


def _text(value: Json) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) and 0 < len(value.strip()) <= _LONGEST else ""
