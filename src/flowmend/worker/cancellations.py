"""Cancels the runs of flows all of whose runs were asked to end, one flow after the other, also over restarts."""

from collections.abc import Callable
from datetime import timedelta

from flowmend.core.json_value import Json
from flowmend.use_cases.cancel_runs import carry_on, flows_to_carry_on
from flowmend.use_cases.ports import Services
from flowmend.worker.row_watch import RowWatch

_LOOK_AGAIN = timedelta(minutes=10)


class Cancellations(RowWatch):
    """One task that looks when it is told to, and at the start."""

    def __init__(self, services: Callable[[], Services]) -> None:
        super().__init__(services, name="cancellations", look_again=_LOOK_AGAIN, soonest=timedelta())

    def heard(self, topic: str, _facts: dict[str, Json]) -> None:
        """A listener for `Changes`."""
        if topic == "cancel":
            self._changed.set()

    async def _look(self) -> timedelta:
        services = self._services()
        for flow_id in flows_to_carry_on(services):
            await carry_on(services, flow_id)
        return self._until(None)
