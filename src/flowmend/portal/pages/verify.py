"""Prove a new password, key or sign-in: tested first, and only then in the place of the old one."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from flowmend.core.connector import SignInKind
from flowmend.core.connector.request import ANY_ORIGIN
from flowmend.core.errors import AskedWrongly, FlowmendError, NotFound, TooManyAttempts
from flowmend.portal.consent_binding import bind_browser, browser_binding
from flowmend.portal.forms import file_texts, form_text, form_texts
from flowmend.portal.frame import language_of, local_path
from flowmend.portal.language import marked
from flowmend.portal.pages.repair import take_repair_consent
from flowmend.portal.pages.run import later_attempt
from flowmend.portal.pages.run_title import run_title
from flowmend.portal.portal import Portal, person_id, see, segment
from flowmend.store.rows import RunRow
from flowmend.use_cases.account_check import CONFIRMATION_NEEDED
from flowmend.use_cases.bound_origins import bound_origins
from flowmend.use_cases.connection_views import ConnectionView, read_connection
from flowmend.use_cases.incidents import open_incidents, windows_of
from flowmend.use_cases.ports import Services
from flowmend.use_cases.prove_then_plan import order_matters, prove_then_plan
from flowmend.use_cases.runs import RunDetail, read_run
from flowmend.use_cases.shared_repair import mended_with
from flowmend.use_cases.sign_in_connection import begin_consent, finish_consent, give_client_secret
from flowmend.use_cases.verify_connection import Verification, verify_connection

_TOO_MANY = marked("Too many tries for now; nothing was sent, so that the service does not lock the account")
_NOT_SIGNED_IN = marked("The sign-in did not succeed")
_NOT_TESTED = marked("Nothing was tested and nothing was changed")


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyPage:
    """result: None before the test. run: the failed run to go back to.

    mends: other broken connections that this sign-in would mend too, by name. also_mended: those it has mended.
    asks_whose: somebody may have to confirm whose the new one is. can_swap: there is another connection to use instead.
    then_plan: the repair plan of its incident comes next. incident_id: of the incident that a proof ended, with runs_left that
    nobody has put right yet.
    """

    view: ConnectionView
    host: str
    result: Verification | None = None
    error: str = ""
    error_detail: str = ""
    run: RunRow | None = None
    run_title: str = ""
    can_resubmit: bool = False
    request_id: str = ""
    mends: tuple[str, ...] = ()
    also_mended: tuple[str, ...] = ()
    asks_whose: bool = False
    can_swap: bool = False
    then_plan: bool = False
    incident_id: str = ""
    runs_left: int = 0

    @property
    def asked(self) -> dict[str, str]:
        """What the addresses of this way carry on."""
        return way_on(self.run.run_name if self.run else "", then_plan=self.then_plan)

    def query(self, **more: str) -> str:
        """The same as part of an address."""
        asked = self.asked | more
        return f"?{urlencode(asked)}" if asked else ""

    @property
    def way_back(self) -> str:
        """Where *Cancel* leads."""
        if self.run is not None:
            return f"/runs/{segment(self.run.run_name)}"
        return f"/connections/{segment(self.view.row.connection_id)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """Where a proof leads. run_name: of the failed run to go back to, "" for none. then_plan: to the plan of its incident."""

    run_name: str = ""
    then_plan: bool = False


NO_WAY = Way()


def way_of(asked: Mapping[str, str]) -> Way:
    """What an address asks for."""
    return Way(run_name=asked.get("run", ""), then_plan=asked.get("then", "") == "plan")


def decided(services: Services, connection_id: str, way: Way) -> Way:
    """The way a proof of this connection takes: by the plan also where nobody asked for it and the order matters."""
    return way if way.then_plan else replace(way, then_plan=order_matters(services, connection_id))


def way_on(run_name: str, *, then_plan: bool) -> dict[str, str]:
    """The same for the next address."""
    return ({"run": run_name} if run_name else {}) | ({"then": "plan"} if then_plan else {})


async def show_verify(portal: Portal, request: Request) -> Response:
    """GET /connections/{connection_id}/verify?run=&then="""
    return await verify_page(portal, request, request.path_params["connection_id"], way_of(request.query_params))


async def prove(
    portal: Portal,
    request: Request,
    connection_id: str,
    way: Way,
    proving: Callable[[], Awaitable[Verification]],
) -> Response:
    """The page that says how a proof went, or, where the plan comes next, that plan. Errors: those of `proving`."""
    services = portal.services
    incident_id = open_incidents(services, [connection_id]).get(connection_id, "")
    way = decided(services, connection_id, way)
    if not way.then_plan:
        result = await proving()
        return await verify_page(portal, request, connection_id, way, result=result, incident_id=incident_id)
    proven = await prove_then_plan(services, connection_id, proving, person_id=person_id(request))
    if proven.plan is not None:
        asked = f"?{urlencode({'run': way.run_name})}" if way.run_name else ""
        return see(f"/repair_plans/{segment(proven.plan.plan_id)}{asked}")
    return await verify_page(portal, request, connection_id, way, result=proven.verification)


async def take_verify(portal: Portal, request: Request) -> Response:
    """POST /connections/{connection_id}/verify?run=&then="""
    connection_id, way = request.path_params["connection_id"], way_of(request.query_params)
    form = await request.form()
    values, confirmed = form_texts(form, "p.") | await file_texts(form, "p."), form_text(form, "confirmed") == "true"

    async def proving() -> Verification:
        return await verify_connection(
            portal.services, connection_id, values, person_id=person_id(request), confirmed=confirmed
        )

    try:
        return await prove(portal, request, connection_id, way, proving)
    except TooManyAttempts as wrong:
        return await verify_page(portal, request, connection_id, way, error=_TOO_MANY, wrong=wrong)
    except NotFound:
        raise
    except AskedWrongly as wrong:
        return await verify_page(portal, request, connection_id, way, error=_NOT_TESTED, wrong=wrong)


async def take_client_secret(portal: Portal, request: Request) -> Response:
    """POST /connections/{connection_id}/client_secret?run=&then="""
    connection_id, way = request.path_params["connection_id"], way_of(request.query_params)
    secret = form_text(await request.form(), "p.client_secret")
    try:
        await give_client_secret(portal.services, connection_id, secret, person_id(request))
    except NotFound:
        raise
    except AskedWrongly as wrong:
        return await verify_page(portal, request, connection_id, way, error=_NOT_TESTED, wrong=wrong)
    return see(verify_address(connection_id, way))


async def start_consent(portal: Portal, request: Request) -> Response:
    """GET /connections/{connection_id}/consent?run=&then=&confirmed=: on to the service's own sign-in page.

    A plain link leads here, not a form: browsers hold the redirect after a form to `form-action`. Another site's link leads
    to the page before it: who is signed in at the provider anyway would not even be asked.
    """
    connection_id, way = request.path_params["connection_id"], way_of(request.query_params)
    binding = browser_binding(request)
    return_to = verify_address(connection_id, way)
    if request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"}:
        return see(return_to)
    url = await begin_consent(
        portal.services,
        connection_id,
        person_id(request),
        binding,
        return_to,
        confirmed=request.query_params.get("confirmed") == "true",
    )
    answer = RedirectResponse(url, 303, {"cache-control": "no-store"})
    bind_browser(answer, binding, portal.services.settings)
    return answer


async def take_consent(portal: Portal, request: Request) -> Response:
    """GET /oauth/callback: the service sent the browser back; to somebody signed in here, or to whoever has a repair link."""
    pending = portal.services.consents.look_at(request.query_params.get("state", ""))
    if pending is not None and pending.link is not None:
        return await take_repair_consent(portal, request)
    if getattr(request.state, "person", None) is None:
        return see(f"/login?return_to={quote(f'{request.url.path}?{request.url.query}', safe='')}")
    way = way_of(dict(parse_qsl(urlsplit(local_path(pending.return_to)).query))) if pending is not None else NO_WAY

    async def proving() -> Verification:
        return await finish_consent(portal.services, dict(request.query_params), browser_binding(request))

    try:
        return await prove(portal, request, pending.connection_id if pending is not None else "", way, proving)
    except AskedWrongly as wrong:
        if wrong.target and portal.services.store.connections.get(wrong.target):
            return await verify_page(portal, request, wrong.target, way, error=_NOT_SIGNED_IN, wrong=wrong)
        return _refused(portal, request, wrong)


def _refused(portal: Portal, request: Request, wrong: AskedWrongly) -> Response:
    """For an answer that belongs to no sign-in of ours, so that no connection is known."""
    gettext = portal.rendering.gettext(language_of(request))
    return portal.answer(
        request,
        "message.html",
        place="connections",
        status_code=400,
        title=gettext(_NOT_SIGNED_IN),
        advice=gettext("Nothing was changed."),
        detail=wrong.message,
        code=wrong.code,
        tone="bad",
        ways=(("/connections", gettext("Connections")),),
    )


async def verify_page(
    portal: Portal,
    request: Request,
    connection_id: str,
    way: Way,
    *,
    result: Verification | None = None,
    error: str = "",
    wrong: FlowmendError | None = None,
    incident_id: str = "",
) -> Response:
    """The page, with what came of a test or why none was made. wrong: what `error` sums up. incident_id: of the incident that
    was open before.
    """
    view = await read_connection(portal.services, connection_id)
    if result is None or not result.is_proven:
        way = decided(portal.services, connection_id, way)
    run = await _failed_run(portal, way.run_name)
    left = 0
    if incident_id and result is not None and result.is_proven:
        left = portal.services.store.repair_subjects.count_not_put_right(windows_of(portal.services, incident_id))
    gettext = portal.rendering.gettext(language_of(request))
    page = VerifyPage(
        view=view,
        host=_host(portal.services, view),
        result=result,
        error=gettext(error) if error else "",
        error_detail=wrong.message if wrong else "",
        run=run.row if run else None,
        run_title=run_title(run) if run else "",
        can_resubmit=run is not None and run.can_resubmit and later_attempt(run.attempts, way.run_name) is None,
        request_id=str(portal.services.clock.guid()),
        mends=tuple(one.display_name for one in mended_with(portal.services, view.row)) if result is None else (),
        also_mended=_names(portal, result),
        asks_whose=_asks_whose(view, result),
        can_swap=bool(view.used_by) and not portal.services.store.connections.is_alone(view.row),
        then_plan=way.then_plan,
        incident_id=incident_id,
        runs_left=left,
    )
    status_code = 200
    if wrong is not None:
        status_code = 429 if isinstance(wrong, TooManyAttempts) else 400
    elif result is not None and not result.is_kept:
        status_code = 422
    return portal.answer(request, "verify.html", place="connections", status_code=status_code, page=page)


def verify_address(connection_id: str, way: Way) -> str:
    """Of the form, with where it leads."""
    asked = way_on(way.run_name, then_plan=way.then_plan)
    return f"/connections/{segment(connection_id)}/verify{f'?{urlencode(asked)}' if asked else ''}"


def _names(portal: Portal, result: Verification | None) -> tuple[str, ...]:
    rows = (portal.services.store.connections.get(one) for one in (result.also_mended if result is not None else ()))
    return tuple(row.display_name for row in rows if row is not None)


def _asks_whose(view: ConnectionView, result: Verification | None) -> bool:
    """Whether the form offers to confirm it: where nothing will tell, or nothing has told."""
    if result is not None and result.code == CONFIRMATION_NEEDED:
        return True
    row = view.row
    had_one = bool(row.sealed_credential or row.last_good_at)
    is_told = view.test is not None and bool(row.account_name)
    return had_one and view.sign_in != SignInKind.OAUTH2 and not is_told


async def _failed_run(portal: Portal, run_name: str) -> RunDetail | None:
    if not run_name:
        return None
    try:
        return await read_run(portal.services, run_name)
    except NotFound:
        return None


def _host(services: Services, view: ConnectionView) -> str:
    """Where what is given here may be sent."""
    if view.unreadable:
        return view.connector.display_name
    connector = services.connectors.get(view.row.connector_id)
    origins = bound_origins(services, view.row, connector, view.row.parameters or {})
    shown = [urlsplit(one).netloc or one for one in origins if one != ANY_ORIGIN]
    return ", ".join(shown) or view.connector.display_name
