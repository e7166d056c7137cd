"""Run a flow by hand, with a form made from its trigger's schema."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.definition.flow import Flow
from flowmend.core.errors import AskedWrongly, Conflict
from flowmend.portal.forms import form_texts
from flowmend.portal.portal import Portal, person_id, see, segment
from flowmend.portal.schema_form import PREFIX, RunForm, form_of, read_form
from flowmend.portal.trigger_words import can_be_run_by_hand, main_trigger
from flowmend.use_cases.accept_event import run_now
from flowmend.use_cases.flows import read_flow_detail


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFlowPage:
    """name: of the flow."""

    flow_id: str
    name: str
    form: RunForm


async def show_run_form(portal: Portal, request: Request) -> Response:
    """GET /flows/{flow_id}/run"""
    detail = await read_flow_detail(portal.services, request.path_params["flow_id"])
    return _page(portal, request, detail.summary.name, _form(detail.flow), 200)


async def take_run_form(portal: Portal, request: Request) -> Response:
    """POST /flows/{flow_id}/run: starts the run, or shows the form again with what is wrong."""
    flow_id = request.path_params["flow_id"]
    detail = await read_flow_detail(portal.services, flow_id)
    form, body = read_form(_form(detail.flow), form_texts(await request.form(), PREFIX))
    if form.has_errors:
        return _page(portal, request, detail.summary.name, form, 400)
    accepted = await run_now(portal.services, flow_id, body if form.fields else None, person_id(request))
    if accepted.held:
        return see(f"/flows/{segment(flow_id)}?done=held")
    if not accepted.run_name:
        raise Conflict("The trigger's conditions were not met, so no run was started.", code="TriggerSkipped")
    return see(f"/runs/{segment(accepted.run_name)}?done=started")


def _page(portal: Portal, request: Request, name: str, form: RunForm, status_code: int) -> Response:
    page = RunFlowPage(flow_id=request.path_params["flow_id"], name=name, form=form)
    return portal.answer(request, "flow_run.html", place="flows", status_code=status_code, page=page)


def _form(flow: Flow) -> RunForm:
    trigger = main_trigger(flow)
    if trigger is None or not can_be_run_by_hand(trigger.type):
        raise AskedWrongly(
            "This flow is started by its trigger only; it cannot be run by hand.", code="CannotRunByHand"
        )
    if trigger.type == "Recurrence":
        return RunForm(fields=())
    inputs = trigger.inputs if isinstance(trigger.inputs, dict) else {}
    return form_of(inputs.get("schema"))
