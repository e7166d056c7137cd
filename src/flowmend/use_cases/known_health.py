"""Which connections are broken, known without asking the store on every trigger event."""

from collections.abc import Iterable

from flowmend.core.connection.health import HealthState
from flowmend.core.json_value import Json

_NEEDS_REPAIR = frozenset({HealthState.BROKEN, HealthState.REPAIRING, HealthState.PENDING_CONSENT})

#: What the portal and the CLI say of each state (architecture, Connection health).
PORTAL_STATUS = {
    HealthState.UNTESTED: "Not tested yet",
    HealthState.PENDING_CONSENT: "Sign-in not finished",
    HealthState.CONNECTED: "Connected",
    HealthState.SUSPECT: "Connected (checking)",
    HealthState.BROKEN: "Needs repair",
    HealthState.REPAIRING: "Repairing",
}


def needs_repair(health: HealthState) -> bool:
    """True where no call can work until somebody acts."""
    return health in _NEEDS_REPAIR


class KnownHealth:
    """The broken connections of this process; told of each change, filled from the store at start."""

    def __init__(self) -> None:
        self._broken: set[str] = set()
        self._unfinished: set[str] = set()

    @property
    def broken_count(self) -> int:
        """How many connections need repair, for a badge on every page; a sign-in never finished broke nothing."""
        return len(self._broken) - len(self._unfinished)

    def note(self, connection_id: str, health: HealthState) -> None:
        if needs_repair(health):
            self._broken.add(connection_id)
        else:
            self._broken.discard(connection_id)
        if health is HealthState.PENDING_CONSENT:
            self._unfinished.add(connection_id)
        else:
            self._unfinished.discard(connection_id)

    def heard(self, topic: str, facts: dict[str, Json]) -> None:
        """A listener for `Changes`."""
        if topic == "connection" and "health" in facts:
            self.note(facts["connection_id"], HealthState(facts["health"]))

    def first_broken(self, connection_ids: Iterable[str]) -> str:
        """The first of these that is broken, or ""."""
        if not self._broken:
            return ""
        return next((one for one in connection_ids if one in self._broken), "")
