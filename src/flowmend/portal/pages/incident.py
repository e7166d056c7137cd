"""One incident: what broke and since when, what it did, who can end it, and the way there."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from flowmend.portal.pages.home import OpenIncident, open_incident
from flowmend.portal.portal import Portal, see, segment
from flowmend.use_cases.incidents import IncidentView, read_incident


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentPage:
    """opened: what can be done about it. all_runs: the address of all that failed."""

    view: IncidentView
    opened: OpenIncident
    all_runs: str

    @property
    def plan_address(self) -> str:
        """Of its repair plan made last, "" where there is none."""
        plan = self.view.summary.plan
        return f"/repair_plans/{segment(plan.plan_id)}" if plan is not None else ""


async def show_incident(portal: Portal, request: Request) -> Response:
    """GET /incidents/{incident_id}; of one that was part of another, that one."""
    view = await read_incident(portal.services, request.path_params["incident_id"])
    incident = view.summary
    if incident.row.incident_id != request.path_params["incident_id"]:
        return see(f"/incidents/{segment(incident.row.incident_id)}")
    page = IncidentPage(
        view=view,
        opened=open_incident(portal, request, incident, view.runs[0].run_name if view.runs else ""),
        all_runs=f"/runs?incident={segment(incident.row.incident_id)}",
    )
    return portal.answer(request, "incident.html", place="incidents", page=page)
