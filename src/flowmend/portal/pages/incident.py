"""One incident: what broke and since when, what it did, who can end it, and the way there."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from flowmend.portal.frame import language_of, zone_of
from flowmend.portal.incident_words import Cure, cure_of, question_for_administrator
from flowmend.portal.portal import Portal, see, segment
from flowmend.use_cases.incidents import IncidentView, read_incident


@dataclass(frozen=True, slots=True, kw_only=True)
class IncidentPage:
    """question: what to tell whoever can end it, "" where the owner can. all_runs: the address of all that failed."""

    view: IncidentView
    cure: Cure
    question: str
    all_runs: str


async def show_incident(portal: Portal, request: Request) -> Response:
    """GET /incidents/{incident_id}; of one that was part of another, that one."""
    view = await read_incident(portal.services, request.path_params["incident_id"])
    incident = view.summary
    if incident.row.incident_id != request.path_params["incident_id"]:
        return see(f"/incidents/{segment(incident.row.incident_id)}")
    # A message is read on another day and elsewhere, so it says the date and the zone.
    since = incident.row.first_bad_at.astimezone(zone_of(request)).strftime("%Y-%m-%d %H:%M %Z")
    page = IncidentPage(
        view=view,
        cure=cure_of(incident, view.runs[0].run_name if view.runs else ""),
        question=question_for_administrator(incident, portal.rendering.gettext(language_of(request)), since),
        all_runs=f"/runs?incident={segment(incident.row.incident_id)}",
    )
    return portal.answer(request, "incident.html", place="incidents", page=page)
