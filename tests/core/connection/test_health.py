import pytest

from flowmend.core.connection.health import TRANSITIONS, HealthEvent, HealthState, next_health

S, E = HealthState, HealthEvent
STORIES = {
    "a first good call": ([E.GOOD], S.UNTESTED, S.CONNECTED),
    "a refusal no refresh can cure": ([E.REFUSED], S.CONNECTED, S.BROKEN),
    "a doubt that a refresh dispels": ([E.DOUBTED, E.GOOD], S.CONNECTED, S.CONNECTED),
    "a doubt that proves true": ([E.DOUBTED, E.REFUSED_AGAIN], S.CONNECTED, S.BROKEN),
    "an outage changes nothing": ([E.TRANSIENT] * 3, S.CONNECTED, S.CONNECTED),
    "an outage mends nothing": ([E.TRANSIENT], S.BROKEN, S.BROKEN),
    "a call that was still under way mends nothing": ([E.GOOD], S.BROKEN, S.BROKEN),
    "a repair": ([E.REPAIR_BEGAN, E.PROVEN], S.BROKEN, S.CONNECTED),
    "a repair that fails": ([E.REPAIR_BEGAN, E.NOT_PROVEN], S.BROKEN, S.BROKEN),
    "a refusal during a repair changes nothing": ([E.REPAIR_BEGAN, E.REFUSED], S.BROKEN, S.REPAIRING),
    "consent": ([E.GOOD, E.REFUSED, E.PROVEN], S.PENDING_CONSENT, S.CONNECTED),
}


@pytest.mark.parametrize(("events", "begin", "end"), STORIES.values(), ids=STORIES)
def test_health_follows_its_table(events: list[HealthEvent], begin: HealthState, end: HealthState) -> None:
    state = begin
    for event in events:
        state = next_health(state, event)
    assert state is end


@pytest.mark.parametrize("state", HealthState)
def test_transient_answers_change_no_state(state: HealthState) -> None:
    assert next_health(state, HealthEvent.TRANSIENT) is state


def test_nothing_but_a_proof_leads_out_of_broken() -> None:
    ways_out = {event for (state, event), after in TRANSITIONS.items() if state is S.BROKEN and after is not S.BROKEN}
    assert ways_out == {E.REPAIR_BEGAN, E.PROVEN}
