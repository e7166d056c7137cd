"""A flow's settings: what it does while a connection is broken, and how long it holds events and keeps its history."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.errors import AskedWrongly
from flowmend.core.json_value import Json
from flowmend.portal.forms import form_text
from flowmend.portal.portal import Portal, person_id, see, segment
from flowmend.use_cases.flow_settings import (
    CHOICES,
    ON_BROKEN_CONNECTION,
    FlowSettings,
    change_settings,
    read_settings,
)
from flowmend.use_cases.flows import flow_row
from flowmend.use_cases.held_days import HELD_DAYS
from flowmend.use_cases.history import HISTORY_DAYS, MOST_DAYS
from flowmend.use_cases.loaded_flows import FAIL, HOLD_EVENTS

_BY_DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsPage:
    """fitting: the choice that fits this flow where nobody chose. held_days, history_days: as the fields show them. error:
    the setting whose value was refused, "" for none.
    """

    flow_id: str
    name: str
    settings: FlowSettings
    fitting: str
    choice: str
    held_days: str
    history_days: str
    all_held_days: int
    all_history_days: int
    error: str = ""


async def show_settings(portal: Portal, request: Request) -> Response:
    """GET /flows/{flow_id}/settings"""
    return _answer(portal, request)


async def take_settings(portal: Portal, request: Request) -> Response:
    """POST /flows/{flow_id}/settings"""
    flow_id, form = request.path_params["flow_id"], await request.form()
    given = {name: form_text(form, name).strip() for name in (ON_BROKEN_CONNECTION, HELD_DAYS, HISTORY_DAYS)}
    settings = read_settings(portal.services, flow_id)
    changes: dict[str, Json] = {}
    wanted = given[ON_BROKEN_CONNECTION]
    if wanted in {*CHOICES, _BY_DEFAULT} and wanted != _chosen(settings):
        changes[ON_BROKEN_CONNECTION] = None if wanted == _BY_DEFAULT else wanted
    for name, shown in ((HELD_DAYS, _held(settings)), (HISTORY_DAYS, _history(settings))):
        if given[name] != shown:
            changes[name] = int(given[name]) if given[name].isdecimal() else given[name] or None
    try:
        await change_settings(portal.services, flow_id, changes, person_id(request))
    except AskedWrongly as error:
        if error.code != "InvalidSetting":
            raise
        return _answer(portal, request, error=error.target or "", given=given)
    return see(f"/flows/{segment(flow_id)}?done=settings#broken")


def _answer(portal: Portal, request: Request, *, error: str = "", given: dict[str, str] | None = None) -> Response:
    services, flow_id = portal.services, request.path_params["flow_id"]
    settings = read_settings(services, flow_id)
    shown = given or {
        ON_BROKEN_CONNECTION: _chosen(settings),
        HELD_DAYS: _held(settings),
        HISTORY_DAYS: _history(settings),
    }
    page = SettingsPage(
        flow_id=flow_id,
        name=flow_row(services, flow_id).name,
        settings=settings,
        fitting=FAIL if settings.answers_caller else HOLD_EVENTS,
        choice=shown[ON_BROKEN_CONNECTION],
        held_days=shown[HELD_DAYS],
        history_days=shown[HISTORY_DAYS],
        all_held_days=services.settings.held_days,
        all_history_days=services.settings.history_days,
        error=error,
    )
    return portal.answer(
        request,
        "flow_settings.html",
        place="flows",
        status_code=400 if error else 200,
        page=page,
        most_days=MOST_DAYS,
    )


def _chosen(settings: FlowSettings) -> str:
    return settings.on_broken if settings.on_broken_is_chosen else _BY_DEFAULT


def _held(settings: FlowSettings) -> str:
    return str(settings.held_days) if settings.held_days_is_chosen else ""


def _history(settings: FlowSettings) -> str:
    return str(settings.history_days) if settings.history_days_is_chosen else ""
