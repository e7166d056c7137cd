"""One connection: its health, what uses it, what failed for it; test and delete."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.outcome import Status
from flowmend.portal.forms import form_text
from flowmend.portal.frame import language_of
from flowmend.portal.pages.flow import DeletePage
from flowmend.portal.portal import Portal, number_asked, person_id, see, segment
from flowmend.store.rows import RunRow
from flowmend.use_cases.connection_views import ConnectionView, read_connection
from flowmend.use_cases.connections import delete_connection
from flowmend.use_cases.incidents import open_incidents
from flowmend.use_cases.put_back import put_back
from flowmend.use_cases.run_choices import RunChoice, list_chosen
from flowmend.use_cases.unconnected_flows import ConnectedFlows, connect_flows, plan_connecting
from flowmend.use_cases.verify_connection import Verification, test_connection

_SHOWN_RUNS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionPage:
    """test: how the test just asked for ended. failed_runs: the newest. incident_id: of the open one, "" where none is.

    put_back: how putting the old sign-in back ended. can_swap: there is another connection to use instead. holder_name: of
    the connection whose sign-in this one uses, "" for its own. unconnected: flows that lack a connection of its connector.
    connected: in how many flows it was just chosen.
    """

    view: ConnectionView
    test: Verification | None
    failed_runs: tuple[RunRow, ...]
    flow_names: dict[str, str]
    incident_id: str = ""
    put_back: Verification | None = None
    can_swap: bool = False
    holder_name: str = ""
    unconnected: ConnectedFlows | None = None
    connected: int = 0


async def show_connection(
    portal: Portal,
    request: Request,
    *,
    test: Verification | None = None,
    undone: Verification | None = None,
) -> Response:
    """GET /connections/{connection_id}"""
    services, connection_id = portal.services, request.path_params["connection_id"]
    view = await read_connection(services, connection_id)
    failed = await list_chosen(
        services, RunChoice(connection_id=connection_id, status=Status.FAILED), limit=_SHOWN_RUNS
    )
    page = ConnectionPage(
        view=view,
        test=test,
        failed_runs=tuple(failed.rows),
        flow_names={row.flow_id: row.name for row in services.store.flows.list()},
        incident_id=open_incidents(services, [connection_id]).get(connection_id, ""),
        put_back=undone,
        can_swap=not services.store.connections.is_alone(view.row),
        holder_name=_holder_name(portal, view),
        unconnected=await plan_connecting(services, connection_id),
        connected=number_asked(request, "flows"),
    )
    return portal.answer(request, "connection.html", place="connections", page=page)


async def take_test(portal: Portal, request: Request) -> Response:
    """POST /connections/{connection_id}/test: makes the test call with what is there now."""
    test = await test_connection(portal.services, request.path_params["connection_id"], person_id(request))
    return await show_connection(portal, request, test=test)


async def take_put_back(portal: Portal, request: Request) -> Response:
    """POST /connections/{connection_id}/put_back: the sign-in that was replaced last, tested first."""
    done = await put_back(portal.services, request.path_params["connection_id"], person_id=person_id(request))
    return await show_connection(portal, request, undone=done)


async def take_connect_flows(portal: Portal, request: Request) -> Response:
    """POST /connections/{connection_id}/connect_flows: choose it in the flows marked, of those that lack one."""
    form = await request.form()
    chosen = [one for one in form.getlist("flow") if isinstance(one, str)]
    connected = await connect_flows(portal.services, request.path_params["connection_id"], person_id(request), chosen)
    return see(f"{_address(request)}?done=connected&flows={len(connected.flow_ids)}")


async def ask_delete_connection(portal: Portal, request: Request, *, is_wrong: bool = False) -> Response:
    """GET /connections/{connection_id}/delete"""
    view = await read_connection(portal.services, request.path_params["connection_id"])
    gettext = portal.rendering.gettext(language_of(request))
    address = _address(request)
    names = ", ".join(name for _, name in view.used_by)
    page = DeletePage(
        name=view.row.display_name,
        address=address,
        crumbs=(("/connections", gettext("Connections")), (address, view.row.display_name)),
        consequence=gettext("Its sealed credential goes with it, for good."),
        is_wrong=is_wrong,
        obstacle=gettext("These flows use it: {flows}. Choose another connection there first.").format(flows=names)
        if names
        else "",
    )
    return portal.answer(request, "delete.html", place="connections", status_code=400 if is_wrong else 200, page=page)


async def take_delete_connection(portal: Portal, request: Request) -> Response:
    """POST /connections/{connection_id}/delete"""
    connection_id = request.path_params["connection_id"]
    view = await read_connection(portal.services, connection_id)
    if form_text(await request.form(), "name").strip() != view.row.display_name.strip():
        return await ask_delete_connection(portal, request, is_wrong=True)
    await delete_connection(portal.services, connection_id, person_id(request))
    return see("/connections?done=deleted")


def _holder_name(portal: Portal, view: ConnectionView) -> str:
    holder = portal.services.store.connections.get(view.row.shares_with) if view.row.shares_with else None
    return holder.display_name if holder is not None else ""


def _address(request: Request) -> str:
    return f"/connections/{segment(request.path_params['connection_id'])}"
