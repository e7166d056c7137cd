"""Browser sign-ins under way, in the memory of this process."""

from dataclasses import dataclass
from datetime import datetime

from flowmend.core.connection.sign_in import Consent

_MOST_PENDING = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingConsent:
    """A sign-in under way. browser: digest of what binds it to the browser that began it."""

    connection_id: str
    person_id: str
    browser: bytes
    consent: Consent
    return_to: str
    began_at: datetime


class PendingConsents:
    """Sign-ins under way, by state; each is taken once."""

    def __init__(self) -> None:
        self._by_state: dict[str, PendingConsent] = {}

    def put(self, state: str, pending: PendingConsent) -> None:
        if len(self._by_state) >= _MOST_PENDING:
            del self._by_state[next(iter(self._by_state))]
        self._by_state[state] = pending

    def take(self, state: str) -> PendingConsent | None:
        return self._by_state.pop(state, None)
