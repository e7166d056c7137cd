"""How one connection is tested, and when its sign-in ends: shown, chosen, noted."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.connection.probe import SafeCall
from flowmend.core.connector import Operation
from flowmend.core.errors import AskedWrongly, Conflict
from flowmend.core.json_value import Json
from flowmend.portal.forms import form_text
from flowmend.portal.frame import language_of
from flowmend.portal.portal import Portal, person_id, see, segment
from flowmend.use_cases.choose_probe import choose_probe, chosen_probe, forget_probe, probe_choices
from flowmend.use_cases.connection_views import ConnectionView, read_connection
from flowmend.use_cases.forecasts import note_end


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionHealthPage:
    """choices: the operations that may test it. arguments: of the chosen one, as a form shows them.

    error: why what was asked for was not done, beside `wrong`: the form it was asked with, `probe` or `end`.
    """

    view: ConnectionView
    choices: tuple[Operation, ...]
    chosen: SafeCall | None
    operation_id: str = ""
    arguments: str = ""
    ends_on: str = ""
    wrong: str = ""
    error: str = ""


async def show_health(portal: Portal, request: Request) -> Response:
    """GET /connections/{connection_id}/health"""
    return await _page(portal, request)


async def take_probe(portal: Portal, request: Request) -> Response:
    """POST /connections/{connection_id}/probe: an operation, or "" to forget the choice."""
    services, connection_id, form = portal.services, request.path_params["connection_id"], await request.form()
    operation_id, arguments = form_text(form, "operation_id"), form_text(form, "arguments")
    try:
        if operation_id:
            await choose_probe(services, connection_id, operation_id, _read_arguments(arguments), person_id(request))
        else:
            await forget_probe(services, connection_id, person_id(request))
    except (AskedWrongly, Conflict) as error:
        return await _page(
            portal, request, wrong="probe", error=error.message, operation_id=operation_id, arguments=arguments
        )
    return see(f"{_address(request)}/health?done=chosen")


async def take_end(portal: Portal, request: Request) -> Response:
    """POST /connections/{connection_id}/ends_at: a day, or "" to forget it. It ends with that day, UTC."""
    form = await request.form()
    text = form_text(form, "ends_on")
    try:
        ends_at = datetime.combine(date.fromisoformat(text), time.max, UTC).replace(microsecond=0) if text else None
        await note_end(portal.services, request.path_params["connection_id"], ends_at, person_id(request))
    except (ValueError, AskedWrongly, Conflict) as error:
        gettext = portal.rendering.gettext(language_of(request))
        said = error.message if isinstance(error, AskedWrongly | Conflict) else gettext("That is no day.")
        return await _page(portal, request, wrong="end", error=said, ends_on=text)
    return see(f"{_address(request)}/health?done=noted")


async def _page(portal: Portal, request: Request, *, wrong: str = "", error: str = "", **typed: str) -> Response:
    services = portal.services
    view = await read_connection(services, request.path_params["connection_id"])
    choices: tuple[Operation, ...] = ()
    if not view.unreadable:
        choices = probe_choices(services, view.row)
    chosen = chosen_probe(view.row)
    is_noted = view.row.lasts_until_kind == "noted" and view.row.lasts_until is not None
    shown = {
        "operation_id": chosen.operation_id if chosen is not None else "",
        "arguments": _written(chosen.arguments) if chosen is not None else "",
        "ends_on": view.row.lasts_until.date().isoformat() if is_noted and view.row.lasts_until else "",
    }
    page = ConnectionHealthPage(
        view=view, choices=choices, chosen=chosen, wrong=wrong, error=error, **{**shown, **typed}
    )
    status = 400 if wrong else 200
    return portal.answer(request, "connection_health.html", place="connections", status_code=status, page=page)


def _read_arguments(text: str) -> dict[str, Json]:
    """`{name: value}` of lines `name=value`. Errors: AskedWrongly."""
    named: dict[str, Json] = {}
    for line in filter(None, (part.strip() for part in text.splitlines())):
        name, equals, value = line.partition("=")
        if not equals or not name.strip():
            raise AskedWrongly("Write each argument on a line of its own, as name=value.", code="InvalidArguments")
        named[name.strip()] = value.strip()
    return named


def _written(arguments: dict[str, Json]) -> str:
    return "\n".join(f"{name}={value}" for name, value in arguments.items())


def _address(request: Request) -> str:
    return f"/connections/{segment(request.path_params['connection_id'])}"
