"""Connection health: the states, and the one table of how they follow each other.

Two things keep false alarms out. What an answer cannot tell changes nothing: an outage, a throttling, a refusal of what was
asked. And what new tokens may cure is only a doubt: a suspect connection is broken by a refused refresh, repeat or probe, never
by the doubt itself, however often it comes back. A password or key that is refused has nothing to refresh, so its connection
is broken at once, and no other run tries it again.

Beside the state stands a count, `doubts`: answers in a row that neither proved nor refused the credential. It makes
probes ever less frequent (`probe_schedule`), changes no state, and a good or a refused answer sets it to 0.
"""

from enum import StrEnum


class HealthState(StrEnum):
    """Connection health (architecture, the table of states)."""

    UNTESTED = "untested"
    PENDING_CONSENT = "pending_consent"
    CONNECTED = "connected"
    SUSPECT = "suspect"  # one refusal that a silent refresh may cure
    BROKEN = "broken"
    REPAIRING = "repairing"  # a new credential is being tested


class HealthEvent(StrEnum):
    """What was learnt of a connection."""

    GOOD = "good"  # a call or probe was accepted
    REFUSED = "refused"  # the diagnosis says Error, and no silent refresh can help
    DOUBTED = "doubted"  # the diagnosis says Error, but a silent refresh may help
    REFUSED_AGAIN = "refused_again"  # refresh, replay or probe was refused too
    TRANSIENT = "transient"  # throttled, unreachable, failing: says nothing of the credential
    REPAIR_BEGAN = "repair_began"  # a new credential is being tested
    PROVEN = "proven"  # the new credential was accepted
    NOT_PROVEN = "not_proven"  # it was not, or could not be tested
    CONSENT_LOST = "consent_lost"  # signing in was begun anew and nothing is stored


#: What is not in the table changes nothing.
TRANSITIONS: dict[tuple[HealthState, HealthEvent], HealthState] = {
    (HealthState.UNTESTED, HealthEvent.GOOD): HealthState.CONNECTED,
    (HealthState.UNTESTED, HealthEvent.REFUSED): HealthState.BROKEN,
    (HealthState.UNTESTED, HealthEvent.DOUBTED): HealthState.SUSPECT,
    (HealthState.UNTESTED, HealthEvent.REFUSED_AGAIN): HealthState.BROKEN,
    (HealthState.UNTESTED, HealthEvent.PROVEN): HealthState.CONNECTED,
    (HealthState.UNTESTED, HealthEvent.CONSENT_LOST): HealthState.PENDING_CONSENT,
    (HealthState.CONNECTED, HealthEvent.REFUSED): HealthState.BROKEN,
    (HealthState.CONNECTED, HealthEvent.DOUBTED): HealthState.SUSPECT,
    (HealthState.CONNECTED, HealthEvent.REFUSED_AGAIN): HealthState.BROKEN,
    (HealthState.SUSPECT, HealthEvent.GOOD): HealthState.CONNECTED,
    (HealthState.SUSPECT, HealthEvent.REFUSED): HealthState.BROKEN,
    (HealthState.SUSPECT, HealthEvent.REFUSED_AGAIN): HealthState.BROKEN,
    (HealthState.SUSPECT, HealthEvent.PROVEN): HealthState.CONNECTED,
    (HealthState.PENDING_CONSENT, HealthEvent.PROVEN): HealthState.CONNECTED,
    (HealthState.BROKEN, HealthEvent.REPAIR_BEGAN): HealthState.REPAIRING,
    (HealthState.BROKEN, HealthEvent.PROVEN): HealthState.CONNECTED,
    (HealthState.REPAIRING, HealthEvent.PROVEN): HealthState.CONNECTED,
    (HealthState.REPAIRING, HealthEvent.NOT_PROVEN): HealthState.BROKEN,
}


def next_health(state: HealthState, event: HealthEvent) -> HealthState:
    """The state after an event; the same one where the event changes nothing."""
    return TRANSITIONS.get((state, event), state)
