"""Browser sign-ins under way, in the memory of this process."""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime

from flowmend.core.connection.device_sign_in import DeviceSignIn
from flowmend.core.connection.sign_in import Consent
from flowmend.store.incident_rows import RepairLinkRow

_MOST_PENDING = 100
_MOST_CLAIMS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingConsent:
    """A sign-in under way. browser: digest of what binds it to the browser that began it.

    confirmed: whoever began it knows that they sign in with the connection's account. link: the repair link that it was
    begun with, None by a person who is signed in here.
    """

    connection_id: str
    person_id: str
    browser: bytes
    consent: Consent
    return_to: str
    began_at: datetime
    confirmed: bool = False
    link: RepairLinkRow | None = None


@dataclass(slots=True, kw_only=True)
class PendingDevice:
    """A sign-in under way on another device. polled_at: when the provider was asked last. confirmed: as of a verification."""

    begun: DeviceSignIn
    person_id: str
    polled_at: datetime
    confirmed: bool
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)


class PendingConsents:
    """Sign-ins under way, by state; each is taken once. devices: with a code, by connection.

    Also what services want a sign-in to bring along (claims challenges); after a restart they say it again.
    """

    def __init__(self) -> None:
        self._by_state: dict[str, PendingConsent] = {}
        self.devices: dict[str, PendingDevice] = {}
        self._claims: dict[str, str] = {}

    def put(self, state: str, pending: PendingConsent) -> None:
        if len(self._by_state) >= _MOST_PENDING:
            del self._by_state[next(iter(self._by_state))]
        self._by_state[state] = pending

    def note_claims(self, connection_id: str, claims: str) -> None:
        """Keep what the next sign-in to this connection must bring along; "" says nothing."""
        if not claims:
            return
        if len(self._claims) >= _MOST_CLAIMS:
            del self._claims[next(iter(self._claims))]
        self._claims[connection_id] = claims

    def claims_of(self, connection_id: str) -> str:
        """What a sign-in to this connection must bring along, "" for nothing."""
        return self._claims.get(connection_id, "")

    def met_claims(self, connection_id: str) -> None:
        """Somebody has signed in."""
        self._claims.pop(connection_id, None)

    def look_at(self, state: str) -> PendingConsent | None:
        """The sign-in of this state, which stays under way."""
        return self._by_state.get(state)

    def take(self, state: str) -> PendingConsent | None:
        return self._by_state.pop(state, None)
