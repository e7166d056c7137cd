"""A new connection: the way to sign in and who signs in, then what that asks for. The connector is chosen in the gallery."""

from dataclasses import dataclass, field
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.errors import AskedWrongly, NotFound
from flowmend.portal.forms import file_texts, form_text, form_texts
from flowmend.portal.portal import Portal, person_id, see, segment
from flowmend.use_cases.chosen_app import app_name, fitting_apps
from flowmend.use_cases.connections import ConnectorChoice, SecretField, WayToSignIn, read_choice
from flowmend.use_cases.create_connection import create_connection


@dataclass(frozen=True, slots=True, kw_only=True)
class NewConnectionPage:
    """way, app_id: chosen by a link each. apps: (id, name) of sign-in apps that fit.

    values: what was entered and is no secret. error: why nothing was made; target: the parameter it is about, "" for none.
    """

    choice: ConnectorChoice
    way: WayToSignIn | None = None
    apps: tuple[tuple[str, str], ...] = ()
    app_id: str = ""
    display_name: str = ""
    values: dict[str, str] = field(default_factory=dict)
    error: str = ""
    target: str = ""

    @property
    def fields(self) -> tuple[SecretField, ...]:
        """What is asked for; not what an existing sign-in app knows, nor what the connector hides."""
        if self.way is None:
            return ()
        known = self.way.app_values if self.app_id else frozenset()
        return tuple(one for one in self.way.parameters if one.name not in known and not one.is_hidden)

    @property
    def has_file(self) -> bool:
        return any(one.is_file for one in self.fields)

    def address(self, *, way: str | None = None, app: str | None = None) -> str:
        """This page with another way to sign in, or another sign-in app."""
        wanted = {
            "connector": self.choice.connector_id,
            "way": (self.way.name if self.way else "") if way is None else way,
            "app": self.app_id if app is None else app,
        }
        return "/connections/new?" + urlencode({name: value for name, value in wanted.items() if value})


async def show_new_connection(portal: Portal, request: Request) -> Response:
    """GET /connections/new?connector=&way=&app="""
    page = await _read(portal, request)
    if page is None:
        return see("/connectors")
    return portal.answer(request, "connection_new.html", place="connections", page=page)


async def take_new_connection(portal: Portal, request: Request) -> Response:
    """POST /connections/new?connector=&way=&app="""
    page = await _read(portal, request)
    if page is None or page.way is None:
        raise NotFound("There is no such connector.", code="ConnectorNotFound")
    form = await request.form()
    values, name = form_texts(form, "p.") | await file_texts(form, "p."), form_text(form, "display_name").strip()
    try:
        view = await create_connection(
            portal.services,
            page.choice.connector_id,
            name,
            values,
            person_id(request),
            parameter_set=page.way.name,
            app_id=page.app_id,
        )
    except AskedWrongly as wrong:
        shown = {one.name: values.get(one.name, "") for one in page.fields if not one.is_secret}
        page = NewConnectionPage(
            choice=page.choice,
            way=page.way,
            apps=page.apps,
            app_id=page.app_id,
            display_name=name,
            values=shown,
            error=wrong.message,
            target=next((one.name for one in page.fields if one.name == wrong.target), ""),
        )
        return portal.answer(request, "connection_new.html", place="connections", status_code=400, page=page)
    address = f"/connections/{segment(view.row.connection_id)}"
    return see(f"{address}/verify" if view.sign_in == "oauth2" else f"{address}?done=created")


async def _read(portal: Portal, request: Request) -> NewConnectionPage | None:
    """None where no connector is chosen."""
    query = request.query_params
    choice = await read_choice(portal.services, query.get("connector", ""))
    if choice is None:
        return None
    if not choice.ways:
        return NewConnectionPage(choice=choice, error=choice.unreadable)
    way = next((one for one in choice.ways if one.name == query.get("way", "")), choice.ways[0])
    found = fitting_apps(portal.services, choice.connector_id) if way.app_values else []
    apps = tuple((app.app_id, app_name(app)) for app in found)
    return NewConnectionPage(
        choice=choice,
        way=way,
        apps=apps,
        app_id=next((app_id for app_id, _ in apps if app_id == query.get("app", "")), ""),
        display_name=choice.display_name,
    )
