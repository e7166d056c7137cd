"""Sign in with a code on another device: the code and where to enter it, until somebody has."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from flowmend.core.connection.device_sign_in import DeviceSignIn
from flowmend.core.errors import AskedWrongly, Conflict, NotFound
from flowmend.portal.forms import form_text
from flowmend.portal.language import marked
from flowmend.portal.pages.verify import verify_page
from flowmend.portal.portal import Portal, person_id, see, segment
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.connections import connection_row
from flowmend.use_cases.device_sign_in import begin_device, device_progress, device_under_way

_NOT_SIGNED_IN = marked("The sign-in did not succeed")


@dataclass(frozen=True, slots=True, kw_only=True)
class DevicePage:
    """begun: None before a code is asked for. asks_whose: a sign-in before left open whose it is."""

    row: ConnectionRow
    begun: DeviceSignIn | None = None
    asks_whose: bool = False


async def show_device_sign_in(portal: Portal, request: Request) -> Response:
    """GET /connections/{connection_id}/device?confirmed=: the code, asked for again by the browser until it was entered.

    The browser's own asking finishes the sign-in; it is one that this person has begun here.
    """
    connection_id = request.path_params["connection_id"]
    row = connection_row(portal.services, connection_id)
    try:
        progress = await device_progress(portal.services, connection_id, person_id(request))
    except NotFound:
        raise
    except (AskedWrongly, Conflict) as wrong:
        if wrong.code == "NoSignInUnderWay":
            page = DevicePage(row=row, asks_whose=request.query_params.get("confirmed") == "true")
            return portal.answer(request, "device_sign_in.html", place="connections", page=page)
        return await verify_page(portal, request, connection_id, "", error=_NOT_SIGNED_IN, wrong=wrong)
    if progress.result is not None:
        return await verify_page(portal, request, connection_id, "", result=progress.result)
    page = DevicePage(row=row, begun=progress.begun)
    answer = portal.answer(request, "device_sign_in.html", place="connections", page=page)
    if progress.begun is not None:
        answer.headers["refresh"] = str(max(2, round(progress.begun.interval.total_seconds())))
    return answer


async def take_device_sign_in(portal: Portal, request: Request) -> Response:
    """POST /connections/{connection_id}/device: ask the provider for a code."""
    connection_id = request.path_params["connection_id"]
    try:
        confirmed = form_text(await request.form(), "confirmed") == "true"
        await begin_device(portal.services, connection_id, person_id(request), confirmed=confirmed)
    except NotFound:
        raise
    except (AskedWrongly, Conflict) as wrong:
        return await verify_page(portal, request, connection_id, "", error=_NOT_SIGNED_IN, wrong=wrong)
    return see(f"/connections/{segment(connection_id)}/device")


async def open_device_page(portal: Portal, request: Request) -> Response:
    """GET /connections/{connection_id}/device/open: on to the service's page, where the code is entered."""
    connection_id = request.path_params["connection_id"]
    begun = device_under_way(portal.services, connection_id, person_id(request))
    if begun is None:
        return see(f"/connections/{segment(connection_id)}/device")
    return RedirectResponse(begun.complete_url or begun.verification_url, 303, {"cache-control": "no-store"})
