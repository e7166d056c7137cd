"""A new connection: choose the connector, enter what it asks for."""

from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.errors import AskedWrongly, NotFound
from flowmend.portal.forms import form_text, form_texts
from flowmend.portal.portal import Portal, person_id, see, segment
from flowmend.use_cases.connections import ConnectorChoice, list_connectors
from flowmend.use_cases.create_connection import create_connection


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConnectionPage:
    """choices: until one is made. values: what was entered and is no secret."""

    choices: tuple[ConnectorChoice, ...]
    choice: ConnectorChoice | None = None
    display_name: str = ""
    values: dict[str, str] = field(default_factory=dict)
    error: str = ""


async def show_new_connection(portal: Portal, request: Request) -> Response:
    """GET /connections/new?connector="""
    choices = await list_connectors(portal.services)
    choice = _chosen(request, choices)
    name = choice.display_name if choice else ""
    page = NewConnectionPage(choices=tuple(choices), choice=choice, display_name=name)
    return portal.answer(request, "connection_new.html", place="connections", page=page)


async def take_new_connection(portal: Portal, request: Request) -> Response:
    """POST /connections/new?connector="""
    choices = await list_connectors(portal.services)
    choice = _chosen(request, choices)
    if choice is None:
        raise NotFound("There is no such connector.", code="ConnectorNotFound")
    form = await request.form()
    values, name = form_texts(form, "p."), form_text(form, "display_name").strip()
    try:
        view = await create_connection(portal.services, choice.connector_id, name, values, person_id(request))
    except AskedWrongly as wrong:
        shown = {one.name: values.get(one.name, "") for one in choice.parameters if not one.is_secret}
        page = NewConnectionPage(
            choices=tuple(choices), choice=choice, display_name=name, values=shown, error=wrong.message
        )
        return portal.answer(request, "connection_new.html", place="connections", status_code=400, page=page)
    address = f"/connections/{segment(view.row.connection_id)}"
    return see(f"{address}/verify" if view.sign_in == "oauth2" else f"{address}?done=created")


def _chosen(request: Request, choices: list[ConnectorChoice]) -> ConnectorChoice | None:
    wanted = request.query_params.get("connector", "")
    return next((choice for choice in choices if choice.connector_id == wanted), None)
