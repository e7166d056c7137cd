"""Sign in with a code on another device: the code and where to enter it, until somebody has."""

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from flowmend.core.connection.device_sign_in import DeviceSignIn
from flowmend.core.errors import AskedWrongly, Conflict, NotFound
from flowmend.portal.forms import form_text
from flowmend.portal.language import marked
from flowmend.portal.pages.verify import NO_WAY, Way, prove, verify_page, way_of, way_on
from flowmend.portal.portal import Portal, person_id, see, segment
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.connections import connection_row
from flowmend.use_cases.device_sign_in import DeviceProgress, begin_device, device_progress, device_under_way
from flowmend.use_cases.verify_connection import Verification

_NOT_SIGNED_IN = marked("The sign-in did not succeed")


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePage:
    """begun: None before a code is asked for. asks_whose: a sign-in before left open whose it is. way: where it leads."""

    row: ConnectionRow
    begun: DeviceSignIn | None = None
    asks_whose: bool = False
    way: Way = NO_WAY

    @property
    def query(self) -> str:
        """What the addresses of this way carry on."""
        return _query(self.way)


class _NotYet(Exception):  # nothing is wrong: nobody has signed in yet
    """How the sign-in stands."""

    def __init__(self, progress: DeviceProgress) -> None:
        super().__init__()
        self.progress = progress


async def show_device_sign_in(portal: Portal, request: Request) -> Response:
    """GET /connections/{connection_id}/device?confirmed=&run=&then=: the code, asked for again by the browser until it was entered.

    The browser's own asking finishes the sign-in; it is one that this person has begun here.
    """
    connection_id = request.path_params["connection_id"]
    row, way = connection_row(portal.services, connection_id), way_of(request.query_params)

    async def proving() -> Verification:
        progress = await device_progress(portal.services, connection_id, person_id(request))
        if progress.result is None:
            raise _NotYet(progress)
        return progress.result

    try:
        return await prove(portal, request, connection_id, way, proving)
    except _NotYet as waiting:
        begun = waiting.progress.begun
    except NotFound:
        raise
    except (AskedWrongly, Conflict) as wrong:
        if wrong.code == "NoSignInUnderWay":
            page = DevicePage(row=row, asks_whose=request.query_params.get("confirmed") == "true", way=way)
            return portal.answer(request, "device_sign_in.html", place="connections", page=page)
        return await verify_page(portal, request, connection_id, way, error=_NOT_SIGNED_IN, wrong=wrong)
    page = DevicePage(row=row, begun=begun, way=way)
    answer = portal.answer(request, "device_sign_in.html", place="connections", page=page)
    if begun is not None:
        answer.headers["refresh"] = str(max(2, round(begun.interval.total_seconds())))
    return answer


async def take_device_sign_in(portal: Portal, request: Request) -> Response:
    """POST /connections/{connection_id}/device?run=&then=: ask the provider for a code."""
    connection_id, way = request.path_params["connection_id"], way_of(request.query_params)
    try:
        confirmed = form_text(await request.form(), "confirmed") == "true"
        await begin_device(portal.services, connection_id, person_id(request), confirmed=confirmed)
    except NotFound:
        raise
    except (AskedWrongly, Conflict) as wrong:
        return await verify_page(portal, request, connection_id, way, error=_NOT_SIGNED_IN, wrong=wrong)
    return see(f"/connections/{segment(connection_id)}/device{_query(way)}")


async def open_device_page(portal: Portal, request: Request) -> Response:
    """GET /connections/{connection_id}/device/open: on to the service's page, where the code is entered."""
    connection_id = request.path_params["connection_id"]
    begun = device_under_way(portal.services, connection_id, person_id(request))
    if begun is None:
        return see(f"/connections/{segment(connection_id)}/device")
    return RedirectResponse(begun.complete_url or begun.verification_url, 303, {"cache-control": "no-store"})


def _query(way: Way) -> str:
    asked = way_on(way.run_name, then_plan=way.then_plan)
    return f"?{urlencode(asked)}" if asked else ""
