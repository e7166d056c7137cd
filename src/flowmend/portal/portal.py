"""What every page is given, and how it answers."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from flowmend.core.errors import StoreUnavailable
from flowmend.portal.event_streams import EventStreams
from flowmend.portal.frame import language_of, read_frame, zone_of
from flowmend.portal.pending_imports import PendingImports
from flowmend.portal.rendering import Rendering
from flowmend.use_cases.ports import Services

#: As many as the flows of one import can have; more was typed into the address.
_MOST_DIGITS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Portal:
    """The parts a page works with."""

    services: Services
    rendering: Rendering
    pending_imports: PendingImports
    streams: EventStreams

    def answer(
        self, request: Request, template: str, *, place: str = "", status_code: int = 200, **values: object
    ) -> Response:
        """The template as a page for this browser. values: what it names beside `frame` and `times`."""
        services = self.services
        frame = read_frame(
            request,
            services.settings,
            place=place,
            broken_count=services.health.broken_count,
            incident_count=self._counted(services.store.incidents.count_open),
            approval_count=self._counted(services.store.approvals.count_waiting),
            notice_count=self._counted(services.store.notices.count_unread),
            changes=services.changes.count,
            store_trouble=trouble.code if (trouble := services.store.condition.trouble) is not None else "",
        )
        times = self.rendering.times(language_of(request), self.services.clock.now, zone_of(request))
        values.setdefault("done", request.query_params.get("done", ""))
        html = self.rendering.page(template, frame, times, values)
        # Pages hold what only this person may see, and are never newer than their last reading.
        return HTMLResponse(html, status_code, {"cache-control": "no-store", "vary": "accept-language, cookie"})

    def _counted(self, count: Callable[[], int]) -> int:
        """For a badge on every page, also on the one that says that the store does not answer."""
        try:
            return count()
        except StoreUnavailable:
            return 0


def person_id(request: Request) -> str:
    """Who is asking; routes without a person do not call it."""
    return str(request.state.person.person_id)


def see(path: str) -> Response:
    """After a form was taken: go and look (so that reloading repeats nothing)."""
    return RedirectResponse(path, 303)


def segment(name: str) -> str:
    """A name as one segment of a path."""
    return quote(name, safe="")


def number_asked(request: Request, name: str) -> int:
    """A number of the address, 0 where it holds none."""
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else 0
