"""Home: what needs attention, or that nothing does."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.connection.health import HealthState
from flowmend.portal.frame import language_of, zone_of
from flowmend.portal.incident_words import Cure, cure_of, question_for_administrator
from flowmend.portal.portal import Portal
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.home_needs import HomeNeeds, read_home_needs
from flowmend.use_cases.incidents import IncidentSummary, list_incidents, open_incidents
from flowmend.use_cases.notices_told import told_of_break
from flowmend.use_cases.overview import Overview, read_overview

#: More are on their own page.
_MOST_SHOWN = 10
_LATELY = timedelta(days=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenIncident:
    """An incident on Home. question: what to ask of whoever can end it, "" where the owner can. told: when people were told
    of it and by which channels, None where nobody was.
    """

    summary: IncidentSummary
    cure: Cure
    question: str = ""
    told: tuple[datetime, tuple[str, ...]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class HomePage:
    """incidents: the open ones, each with what cures it. unfinished: connections that need somebody without an incident: a
    sign-in that nobody finished only where a flow waits for it.

    needs: what else needs somebody. flow_names: by id. connections: those that need somebody first.
    mended: the incident that was closed last, in the last two days.
    """

    overview: Overview
    needs: HomeNeeds
    incidents: tuple[OpenIncident, ...]
    unfinished: tuple[ConnectionRow, ...]
    flow_names: dict[str, str]
    connections: tuple[ConnectionRow, ...]
    mended: IncidentSummary | None = None

    @property
    def asking(self) -> int:
        """How many runs ask what became of a call."""
        return len(self.overview.in_doubt)


async def show_home(portal: Portal, request: Request) -> Response:
    """GET /"""
    overview = await read_overview(portal.services)
    found = await list_incidents(portal.services, state="open", limit=_MOST_SHOWN)
    covered = open_incidents(portal.services, [row.connection_id for row in overview.broken])
    connections = (*overview.broken, *overview.connected)
    page = HomePage(
        overview=overview,
        needs=await read_home_needs(portal.services, overview.in_doubt),
        incidents=tuple(open_incident(portal, request, one) for one in found.incidents),
        unfinished=tuple(
            row
            for row in overview.broken
            if row.connection_id not in covered
            and (row.health is not HealthState.PENDING_CONSENT or row.connection_id in overview.waited_for)
        ),
        flow_names=overview.flow_names,
        connections=connections,
        mended=await _mended_lately(portal) if not found.incidents else None,
    )
    return portal.answer(request, "home.html", place="home", page=page)


async def _mended_lately(portal: Portal) -> IncidentSummary | None:
    found = await list_incidents(portal.services, state="closed", limit=1)
    since = portal.services.clock.now - _LATELY
    lately = (one for one in found.incidents if one.row.closed_at is not None and one.row.closed_at > since)
    return next((one for one in lately if one.row.closed_by == "proof"), None)


def open_incident(portal: Portal, request: Request, one: IncidentSummary, run_name: str = "") -> OpenIncident:
    """An incident with what cures it. run_name: of a failed run to come back to."""
    # A question is read on another day and elsewhere, so it says the date and the zone.
    since = one.row.first_bad_at.astimezone(zone_of(request)).strftime("%Y-%m-%d %H:%M %Z")
    return OpenIncident(
        summary=one,
        cure=cure_of(one, run_name, then_plan=True),
        question=question_for_administrator(one, portal.rendering.gettext(language_of(request)), since),
        told=told_of_break(portal.services, one.row.incident_id),
    )
