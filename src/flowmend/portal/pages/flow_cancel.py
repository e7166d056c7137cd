"""Cancelling every run of a flow: the question, with how many they are."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from flowmend.portal.portal import Portal, person_id, see, segment
from flowmend.use_cases.cancel_runs import cancel_all_runs, count_cancellable, read_cancelling
from flowmend.use_cases.flows import flow_row


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelRunsPage:
    """count: the runs that would be cancelled now."""

    flow_id: str
    name: str
    count: int


async def ask_cancel_runs(portal: Portal, request: Request) -> Response:
    """GET /flows/{flow_id}/cancel_runs"""
    row = flow_row(portal.services, request.path_params["flow_id"])
    if read_cancelling(portal.services, row.flow_id) is not None:
        return see(f"/flows/{segment(row.flow_id)}")  # its page says how far it has come
    page = CancelRunsPage(flow_id=row.flow_id, name=row.name, count=count_cancellable(portal.services, row.flow_id))
    return portal.answer(request, "cancel_runs.html", place="flows", page=page)


async def take_cancel_runs(portal: Portal, request: Request) -> Response:
    """POST /flows/{flow_id}/cancel_runs"""
    flow_id = request.path_params["flow_id"]
    cancel_all_runs(portal.services, flow_id, person_id(request))
    return see(f"/flows/{segment(flow_id)}?done=cancelling")
