"""The single runs and events of a repair plan, or of one group of it."""

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.errors import AskedWrongly
from flowmend.portal.portal import Portal, segment
from flowmend.store.repair_rows import ItemKind
from flowmend.use_cases.plan_view import ShownItem
from flowmend.use_cases.read_plan import list_items

_SHOWN = 50
_LONGEST_NUMBER = 18  # as large as the store's numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanItemsPage:
    """plan_address: of the plan. address: of the first page; later: of the next one, "" at the end."""

    items: tuple[ShownItem, ...]
    plan_address: str
    address: str
    later: str
    is_later_page: bool


async def show_items(portal: Portal, request: Request) -> Response:
    """GET /repair_plans/{plan_id}/items?group=&kind=&after="""
    plan_id, asked = request.path_params["plan_id"], request.query_params
    group_id, kind, after = (asked.get(name, "") for name in ("group", "kind", "after"))
    if (kind and kind not in set(ItemKind)) or (after and not _is_position(after)):
        raise AskedWrongly("The address is not one of ours.", code="InvalidCursor", target="after")
    items, last = await list_items(
        portal.services,
        plan_id,
        after=int(after or -1),
        limit=_SHOWN,
        group_id=group_id,
        kind=ItemKind(kind) if kind else None,
    )
    plan_address = f"/repair_plans/{segment(plan_id)}"
    chosen = {name: value for name, value in (("group", group_id), ("kind", kind)) if value}
    page = PlanItemsPage(
        items=items,
        plan_address=plan_address,
        address=_address(plan_address, chosen),
        later=_address(plan_address, chosen | {"after": str(last)}) if last is not None else "",
        is_later_page=bool(after),
    )
    return portal.answer(request, "plan_items.html", place="incidents", page=page)


def _is_position(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER


def _address(plan_address: str, chosen: dict[str, str]) -> str:
    return f"{plan_address}/items?{urlencode(chosen)}" if chosen else f"{plan_address}/items"
