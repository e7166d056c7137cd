"""How anything ended: outputs, or a failure with its diagnosis."""

from datetime import datetime
from enum import StrEnum

import msgspec

from flowmend.core.json_value import Json


class Status(StrEnum):
    """Run and action status, spelled as the REST surface spells it (rest-api §4)."""

    NOT_SPECIFIED = "NotSpecified"
    PAUSED = "Paused"
    RUNNING = "Running"
    WAITING = "Waiting"  # held, delayed, in doubt, or awaiting a callback; the code says which
    SUCCEEDED = "Succeeded"
    SKIPPED = "Skipped"
    SUSPENDED = "Suspended"
    CANCELLED = "Cancelled"
    FAILED = "Failed"
    FAULTED = "Faulted"
    TIMED_OUT = "TimedOut"
    ABORTED = "Aborted"
    IGNORED = "Ignored"

    @property
    def is_terminal(self) -> bool:
        return self not in _UNFINISHED


_UNFINISHED = frozenset({Status.RUNNING, Status.WAITING, Status.PAUSED, Status.SUSPENDED, Status.NOT_SPECIFIED})


class Category(StrEnum):
    """What a refused call says about its credential (connectors.md, Diagnosis)."""

    EXPIRED = "expired"
    REVOKED = "revoked"
    WRONG_PASSWORD = "wrong_password"  # noqa: S105  # a category
    INSUFFICIENT_PERMISSION = "insufficient_permission"
    CONSENT_REQUIRED = "consent_required"
    MFA = "mfa"
    DISABLED_ACCOUNT = "disabled_account"
    CLIENT_SECRET_EXPIRED = "client_secret_expired"  # noqa: S105  # a category
    POLICY_BLOCKED = "policy_blocked"
    RATE_LIMITED_NOT_AUTH = "rate_limited_not_auth"
    CLOCK_SKEW = "clock_skew"
    UNKNOWN = "unknown"


class FixableBy(StrEnum):
    """Who can cure it."""

    REVERIFY = "reverify"  # the owner enters or signs in again
    RECONSENT = "reconsent"  # the owner consents anew or wider
    GRANT_PERMISSION = "grant_permission"  # somebody there gives this account a role or share
    ADMIN = "admin"  # sign-in app, tenant, policy, network, licence
    WAIT = "wait"  # it passes by itself
    NONE = "none"  # our own request, or no failure of access


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a failed call says about its credential.

    connection_broken: True is `Error` in the specification's words: no call can work until somebody acts.
    rule: the name of the rule that matched. remedy: a stable key; texts live with the portal.
    code, message: as received, secrets removed.
    """

    category: Category
    fixable_by: FixableBy
    is_auth_failure: bool
    connection_broken: bool
    try_silent_refresh_first: bool = False
    remedy: str = ""
    rule: str = ""
    code: str = ""
    message: str = ""


class ErrorDetail(msgspec.Struct, frozen=True, omit_defaults=True):
    """The `error` object of runs and actions."""

    code: str
    message: str


class Attempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One try of a call, an entry of `retryHistory`. was_refused: as of its `Outcome`."""

    started_at: datetime
    ended_at: datetime
    code: str
    client_request_id: str
    service_request_id: str = ""
    error: ErrorDetail | None = None
    was_refused: bool = False


class ContentAwaited(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A service has taken up a chunked transfer and awaits the content's bytes from `start` on.

    chunk_bytes: how large the pieces are to be, None for as large as we like.
    """

    start: int
    chunk_bytes: int | None = None


class Outcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one call ended.

    code: `OK`, the name of an HTTP status (429 stays "429"), or ours. outputs: None is "no outputs"
    (msgspec.UNSET is never used). is_retryable: the answer is one a retry policy retries (408, 429,
    5xx, connectivity). retry_after_seconds: from the Retry-After header. was_refused: a definite
    refusal was received (so an effect certainly did not happen); a time-out or reset is not one.
    connection_id: the connection whose credential was used, where there was one. content_awaited: the call goes on, with
    the next piece of its content.
    """

    status: Status
    code: str
    outputs: Json = None
    error: ErrorDetail | None = None
    diagnosis: Diagnosis | None = None
    is_retryable: bool = False
    retry_after_seconds: float | None = None
    was_refused: bool = False
    service_request_id: str = ""
    connection_id: str = ""
    content_awaited: ContentAwaited | None = None
