"""Prove a credential and plan the repair in one go, so that failed runs and held events go on in one order.

A proof lets held events go on at once. Where a plan is to come of it, it keeps them back from before the proof on.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from flowmend.core.errors import FlowmendError
from flowmend.store.repair_rows import RepairPlanRow
from flowmend.use_cases.incidents import open_incidents, read_incident_summary, windows_of
from flowmend.use_cases.make_plan import NOTHING_TO_REPAIR, make_plan, waits_until
from flowmend.use_cases.ports import Services
from flowmend.use_cases.repair_plan import OVER

_log = logging.getLogger(__name__)


class Proof(Protocol):
    """What a verification, a sign-in or the renewal of a sign-in app answers."""

    @property
    def is_proven(self) -> bool:
        """Whether the new credential works."""


Tested = TypeVar("Tested", bound=Proof)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvenAndPlanned(Generic[Tested]):
    """How a test went. plan: None where it was refused, or nothing failed or was held meanwhile."""

    verification: Tested
    plan: RepairPlanRow | None = None


def order_matters(services: Services, connection_id: str) -> bool:
    """Whether failed runs and held events wait for the open incident of a connection: without a plan, the events would go first.

    Errors: StoreUnavailable.
    """
    store = services.store
    incident_id = open_incidents(services, [connection_id]).get(connection_id, "")
    if not incident_id:
        return False
    waiting = [one.connection_id for one in store.incidents.members_of([incident_id]) if one.mended_at is None]
    held, using = store.trigger_events.held_of_each_flow(), store.blast_radius.flows_using(waiting)
    if not any(held.get(flow_id) for flows in using.values() for flow_id in flows):
        return False
    return store.repair_subjects.count_not_put_right(windows_of(services, incident_id)) > 0


async def prove_then_plan(
    services: Services, connection_id: str, proving: Callable[[], Awaitable[Tested]], *, person_id: str
) -> ProvenAndPlanned[Tested]:
    """Prove a connection, and make the plan of its incident where it is proven. proving: the verification, sign-in or test.

    Errors: those of `proving`. What keeps a plan from being made is logged: the proof stands.
    """
    incident_id = open_incidents(services, [connection_id]).get(connection_id, "")
    if not incident_id:
        return ProvenAndPlanned(verification=await proving())
    before = services.store.repair_plans.of_incidents([incident_id]).get(incident_id)
    is_new = before is None or before.state in OVER
    plan_id = str(services.clock.guid()) if before is None or is_new else before.plan_id
    kept_until = None if before is None or is_new else before.keeps_back_until
    if is_new or kept_until is not None:  # of a draft, whose time may be over
        summary = await read_incident_summary(services, incident_id)
        services.held.keep_back(summary.flows, plan_id, waits_until(services))
    plan: RepairPlanRow | None = None
    try:
        verification = await proving()
        if verification.is_proven:
            plan = await _plan(services, incident_id, plan_id, person_id)
    finally:
        if plan is None and (is_new or kept_until is not None):
            services.held.let_go(plan_id)
    return ProvenAndPlanned(verification=verification, plan=plan)


async def _plan(services: Services, incident_id: str, plan_id: str, person_id: str) -> RepairPlanRow | None:
    try:
        return await make_plan(services, person_id=person_id, incident_id=incident_id, plan_id=plan_id)
    except FlowmendError as error:
        if error.code != NOTHING_TO_REPAIR:
            _log.error("No repair plan could be made for incident %s: %s", incident_id, error)
    return None
