"""If somebody leaves: what stops with their account, before it does."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.errors import AskedWrongly
from flowmend.portal.portal import Portal
from flowmend.use_cases.leaving import KnownPerson, Leaving, known_people, what_stops

_MOST_SUGGESTED = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class LeavingPage:
    """people: whom one may ask about. leaving: what concerns the one asked about, None where nobody is."""

    people: tuple[KnownPerson, ...]
    person: str = ""
    leaving: Leaving | None = None


async def show_leaving(portal: Portal, request: Request) -> Response:
    """GET /leaving?person="""
    person = request.query_params.get("person", "").strip()
    leaving: Leaving | None = None
    if person:
        try:
            leaving = await what_stops(portal.services, person)
        except AskedWrongly:  # far too long to be a name
            person = ""
    people = (await known_people(portal.services))[:_MOST_SUGGESTED]
    page = LeavingPage(people=tuple(people), person=person, leaving=leaving)
    return portal.answer(request, "leaving.html", place="connections", page=page)
