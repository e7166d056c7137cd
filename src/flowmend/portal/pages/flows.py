"""My flows: each with its state, its last run and what it waits for."""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from flowmend.portal.frame import language_of
from flowmend.portal.portal import Portal
from flowmend.portal.trigger_words import can_be_run_by_hand, trigger_in_words
from flowmend.use_cases.flows import FlowSummary, list_flows

#: As many as the flows of one import can have; more was typed into the address.
_MOST_DIGITS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowsPage:
    """starts: what starts each flow, in words, by id. runnable: whether it can be run by hand, by id.

    imported, imported_on: how many flows an import just took in, and how many of these are on.
    """

    flows: tuple[FlowSummary, ...]
    starts: dict[str, str]
    runnable: dict[str, bool]
    imported: int = 0
    imported_on: int = 0


async def show_flows(portal: Portal, request: Request) -> Response:
    """GET /flows"""
    flows = await list_flows(portal.services)
    gettext = portal.rendering.gettext(language_of(request))
    page = FlowsPage(
        flows=tuple(flows),
        starts={one.flow_id: trigger_in_words(one.trigger_type, one.trigger_kind, gettext) for one in flows},
        runnable={one.flow_id: not one.unreadable and can_be_run_by_hand(one.trigger_type) for one in flows},
        imported=_number(request, "flows"),
        imported_on=_number(request, "on"),
    )
    return portal.answer(request, "flows.html", place="flows", page=page)


def _number(request: Request, name: str) -> int:
    text = request.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS else 0
