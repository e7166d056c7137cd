"""Use another connection instead: which one, for which flows, and the way back."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.errors import AskedWrongly, NotFound
from flowmend.portal.forms import form_text
from flowmend.portal.portal import Portal, person_id
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.connections import connection_row
from flowmend.use_cases.swap_connection import ConnectionSwap, alternatives, plan_swap, swap_connection


@dataclass(frozen=True, slots=True, kw_only=True)
class SwapPage:
    """choices: the other connections to the same connector. plan: for the one that is chosen. made: the swap just made."""

    row: ConnectionRow
    choices: tuple[ConnectionRow, ...]
    plan: ConnectionSwap | None = None
    made: ConnectionSwap | None = None
    is_undone: bool = False
    error: str = ""


async def show_swap(portal: Portal, request: Request) -> Response:
    """GET /connections/{connection_id}/swap?to="""
    services, row = portal.services, connection_row(portal.services, request.path_params["connection_id"])
    choices = tuple(alternatives(services, row))
    wanted = request.query_params.get("to", "")
    chosen = next((one for one in choices if one.connection_id == wanted), choices[0] if choices else None)
    plan = await plan_swap(services, row.connection_id, chosen.connection_id) if chosen is not None else None
    return _answer(portal, request, SwapPage(row=row, choices=choices, plan=plan))


async def take_swap(portal: Portal, request: Request) -> Response:
    """POST /connections/{connection_id}/swap: for the flows ticked, or, to undo, for exactly these references."""
    old_id, form = request.path_params["connection_id"], await request.form()
    new_id, is_undo = form_text(form, "to"), form_text(form, "undo") == "true"
    references = [_reference(value) for value in form.getlist("reference") if isinstance(value, str)]
    try:
        made = await swap_connection(
            portal.services,
            old_id,
            new_id,
            person_id=person_id(request),
            flow_ids=None if is_undo else [value for value in form.getlist("flow") if isinstance(value, str)],
            references=references if is_undo else None,
            confirmed=form_text(form, "confirmed") == "true",
        )
    except NotFound:
        raise
    except AskedWrongly as wrong:
        return await _again(portal, request, new_id, wrong)
    page = SwapPage(row=made.old, choices=(), made=made, is_undone=is_undo)
    return _answer(portal, request, page)


async def _again(portal: Portal, request: Request, new_id: str, wrong: AskedWrongly) -> Response:
    services, row = portal.services, connection_row(portal.services, request.path_params["connection_id"])
    choices = tuple(alternatives(services, row))
    is_known = any(one.connection_id == new_id for one in choices)
    plan = await plan_swap(services, row.connection_id, new_id) if is_known else None
    page = SwapPage(row=row, choices=choices, plan=plan, error=wrong.message)
    return _answer(portal, request, page, status_code=400)


def _reference(text: str) -> tuple[str, str]:
    flow_id, _, reference = text.partition("/")
    return flow_id, reference


def _answer(portal: Portal, request: Request, page: SwapPage, status_code: int = 200) -> Response:
    return portal.answer(request, "connection_swap.html", place="connections", status_code=status_code, page=page)
