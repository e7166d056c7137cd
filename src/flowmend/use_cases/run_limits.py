"""How many runs of a flow may be under way at once and events wait for their turn (wdl.md §3), and how long one takes."""

from datetime import datetime, timedelta

import msgspec

from flowmend.core.definition.flow import Trigger
from flowmend.core.definition.run_duration import longest_run
from flowmend.use_cases.loaded_flows import LoadedFlow
from flowmend.use_cases.ports import Services

#: The code of an event that waits for its turn, and of a scheduled one that found no place to wait.
WAITS_FOR_TURN = "TriggerConcurrencyLimitReached"
#: The refusal of a request that found no place to wait.
TOO_MANY_WAIT = "WorkflowMaximumWaitingRunCountExceeded"

_DEFAULT_WAITING = 10


class RunLimit(msgspec.Struct, frozen=True, kw_only=True):
    """runs: at once. waiting: events that may wait besides."""

    runs: int
    waiting: int


def limit_of(trigger: Trigger) -> RunLimit | None:
    """The limit a trigger sets, None for none. SingleInstance is one run at once."""
    runs = 1 if "singleinstance" in trigger.operation_options else trigger.runtime.concurrent_runs
    if runs is None:
        return None
    waiting = trigger.runtime.waiting_runs
    return RunLimit(runs=runs, waiting=_DEFAULT_WAITING + runs if waiting is None else waiting)


def has_turn(services: Services, loaded: LoadedFlow) -> bool:
    """Whether an event that comes now may start a run: there is room, and nobody waits before it."""
    return has_room(services, loaded) and not services.store.trigger_events.count_held(loaded.row.flow_id)


def has_room(services: Services, loaded: LoadedFlow) -> bool:
    """Whether one more run of this flow may begin."""
    most = most_runs(loaded)
    return most is None or len(services.dispatch.unfinished_of(loaded.row.flow_id)) < most


def most_runs(loaded: LoadedFlow) -> int | None:
    """How many runs of this flow may be under way at once, None for any number."""
    limits = [limit.runs for one in loaded.flow.definition.triggers.values() if (limit := limit_of(one)) is not None]
    return min(limits, default=None)


def ends_by(services: Services, loaded: LoadedFlow) -> datetime | None:
    """When a run that begins now is ended where it has not ended by itself; None for never.

    The flow's own limit counts before the setting, and that before the services' own.
    """
    days = services.settings.run_duration_days
    longest = longest_run(loaded.flow, otherwise=None if days is None else timedelta(days=days))
    return services.clock.now + longest if longest else None
