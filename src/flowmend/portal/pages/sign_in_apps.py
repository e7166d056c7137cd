"""Sign-in apps: the list, one of them with its connections, a new one, a new secret, and deleting it."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.errors import AskedWrongly, FlowmendError, NotFound, TooManyAttempts
from flowmend.portal.forms import file_text, form_text, form_texts
from flowmend.portal.frame import language_of
from flowmend.portal.pages.flow import DeletePage
from flowmend.portal.portal import Portal, person_id, see, segment
from flowmend.use_cases.incidents import open_incidents
from flowmend.use_cases.prove_then_plan import order_matters, prove_then_plan
from flowmend.use_cases.replace_app_secret import AppRepair, replace_app_secret
from flowmend.use_cases.sign_in_apps import (
    AppChoice,
    SignInAppView,
    app_choices,
    change_sign_in_app,
    create_sign_in_app,
    delete_sign_in_app,
    list_sign_in_apps,
    read_sign_in_app,
)
from flowmend.use_cases.sign_in_connection import redirect_url


@dataclass(frozen=True, slots=True, kw_only=True)
class AppsPage:
    """Every sign-in app."""

    views: list[SignInAppView]


@dataclass(frozen=True, slots=True, kw_only=True)
class AppPage:
    """One sign-in app. repair: how replacing its secret went, None before. names: of connections, by id."""

    view: SignInAppView
    repair: AppRepair | None = None
    error: str = ""
    names: dict[str, str] = field(default_factory=dict)
    then_plan: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAppPage:
    """choices: until one is made. values: what was entered and is no secret."""

    choices: tuple[AppChoice, ...]
    redirect_url: str
    choice: AppChoice | None = None
    values: dict[str, str] = field(default_factory=dict)
    error: str = ""


async def show_sign_in_apps(portal: Portal, request: Request) -> Response:
    """GET /settings/apps"""
    page = AppsPage(views=await list_sign_in_apps(portal.services))
    return portal.answer(request, "sign_in_apps.html", place="settings", page=page)


async def show_sign_in_app(portal: Portal, request: Request) -> Response:
    """GET /settings/apps/{app_id}"""
    return await _page(portal, request)


async def take_change(portal: Portal, request: Request) -> Response:
    """POST /settings/apps/{app_id}"""
    form, app_id = await request.form(), request.path_params["app_id"]
    view = await read_sign_in_app(portal.services, app_id)
    try:
        ends_at = _date(form, "ends")
        is_certificate = view.settings.proof == "certificate"
        await change_sign_in_app(
            portal.services,
            app_id,
            display_name=form_text(form, "display_name"),
            secret_expires_at=None if is_certificate else ends_at,
            forgets_expiry=ends_at is None and not is_certificate,
            is_managed_identity=bool(form_text(form, "managed_identity")),
            person_id=person_id(request),
        )
    except NotFound:
        raise
    except AskedWrongly as wrong:
        return await _page(portal, request, error=wrong)
    return see(f"{_address(request)}?done=changed")


async def take_secret(portal: Portal, request: Request) -> Response:
    """POST /settings/apps/{app_id}/secret?then="""
    form, services, app_id = await request.form(), portal.services, request.path_params["app_id"]
    certificate = await file_text(form, "certificate")

    async def proving() -> AppRepair:
        return await replace_app_secret(
            services,
            app_id,
            client_secret=form_text(form, "client_secret"),
            certificate=certificate,
            certificate_password=form_text(form, "certificate_password"),
            secret_expires_at=_date(form, "ends"),
            person_id=person_id(request),
        )

    try:
        connection_id = _to_be_planned(portal, request)
        if not connection_id:
            return await _page(portal, request, repair=await proving())
        proven = await prove_then_plan(services, connection_id, proving, person_id=person_id(request))
    except NotFound:
        raise
    except (AskedWrongly, TooManyAttempts) as wrong:
        return await _page(portal, request, error=wrong)
    if proven.plan is not None:
        return see(f"/repair_plans/{segment(proven.plan.plan_id)}")
    return await _page(portal, request, repair=proven.verification)


async def show_new_app(portal: Portal, request: Request) -> Response:
    """GET /settings/apps/new?connector="""
    return _new_page(portal, request)


async def take_new_app(portal: Portal, request: Request) -> Response:
    """POST /settings/apps/new?connector="""
    form = await request.form()
    values = form_texts(form, "a.")
    try:
        view = await create_sign_in_app(
            portal.services,
            request.query_params.get("connector", ""),
            display_name=values.get("display_name", ""),
            client_id=values.get("client_id", ""),
            tenant=values.get("tenant", ""),
            client_secret=form_text(form, "client_secret").strip(),
            certificate=await file_text(form, "certificate"),
            certificate_password=form_text(form, "certificate_password"),
            secret_expires_at=_date(form, "a.ends"),
            parameters={name: value for name, value in form_texts(form, "p.").items() if value},
            person_id=person_id(request),
        )
    except NotFound:
        raise
    except AskedWrongly as wrong:
        return _new_page(portal, request, values=values | form_texts(form, "p."), error=wrong.message)
    return see(f"/settings/apps/{segment(view.row.app_id)}?done=created")


async def ask_delete_app(portal: Portal, request: Request, *, is_wrong: bool = False) -> Response:
    """GET /settings/apps/{app_id}/delete"""
    view = await read_sign_in_app(portal.services, request.path_params["app_id"])
    gettext = portal.rendering.gettext(language_of(request))
    names = ", ".join(row.display_name for row in view.connections)
    obstacle = gettext("These connections sign in with it: {names}. Delete them first.").format(names=names)
    page = DeletePage(
        name=view.name,
        address=_address(request),
        crumbs=(("/settings/apps", gettext("Sign-in apps")), (_address(request), view.name)),
        consequence=gettext("Its sealed secret goes with it, for good."),
        is_wrong=is_wrong,
        obstacle=obstacle if names else "",
    )
    return portal.answer(request, "delete.html", place="settings", status_code=400 if is_wrong else 200, page=page)


async def take_delete_app(portal: Portal, request: Request) -> Response:
    """POST /settings/apps/{app_id}/delete"""
    view = await read_sign_in_app(portal.services, request.path_params["app_id"])
    if form_text(await request.form(), "name").strip() != view.name.strip():
        return await ask_delete_app(portal, request, is_wrong=True)
    await delete_sign_in_app(portal.services, view.row.app_id, person_id(request))
    return see("/settings/apps?done=deleted")


async def _page(
    portal: Portal, request: Request, *, repair: AppRepair | None = None, error: FlowmendError | None = None
) -> Response:
    view = await read_sign_in_app(portal.services, request.path_params["app_id"])
    page = AppPage(
        view=view,
        repair=repair,
        error=error.message if error else "",
        names={row.connection_id: row.display_name for row in view.connections},
        then_plan=bool(_to_be_planned(portal, request)),
    )
    status_code = 200
    if error is not None:
        status_code = 429 if isinstance(error, TooManyAttempts) else 400
    elif repair is not None and not repair.is_kept:
        status_code = 422
    return portal.answer(request, "sign_in_app.html", place="settings", status_code=status_code, page=page)


def _new_page(portal: Portal, request: Request, *, values: dict[str, str] | None = None, error: str = "") -> Response:
    choices = app_choices(portal.services)
    wanted = request.query_params.get("connector", "")
    page = NewAppPage(
        choices=tuple(choices),
        redirect_url=redirect_url(portal.services),
        choice=next((choice for choice in choices if choice.connector_id == wanted), None),
        values=values or {},
        error=error,
    )
    return portal.answer(
        request, "sign_in_app_new.html", place="settings", status_code=400 if error else 200, page=page
    )


def _date(form: FormData, name: str) -> datetime | None:
    """Noon of that day, UTC, so that nearly every zone shows the day that was entered; None where none is given.

    Errors: AskedWrongly.
    """
    text = form_text(form, name).strip()
    if not text:
        return None
    try:
        return datetime.combine(date.fromisoformat(text), time(12), UTC)
    except ValueError:
        raise AskedWrongly(f"{text!r} is no date like 2027-01-31.", code="InvalidDate", target=name) from None


def _to_be_planned(portal: Portal, request: Request) -> str:
    """A connection of the app whose incident's repair plan comes next, because it was asked for or the order matters; "" for none."""
    services = portal.services
    rows = services.store.connections.list(app_id=request.path_params["app_id"])
    broken = open_incidents(services, [row.connection_id for row in rows])
    if request.query_params.get("then") == "plan":
        return next(iter(broken), "")
    one_of_each = {incident_id: connection_id for connection_id, incident_id in broken.items()}
    return next((one for one in one_of_each.values() if order_matters(services, one)), "")


def _address(request: Request) -> str:
    return f"/settings/apps/{segment(request.path_params['app_id'])}"
