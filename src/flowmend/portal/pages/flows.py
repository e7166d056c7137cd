"""My flows: each with its state, its last run and what it waits for."""

from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from flowmend.portal.frame import language_of
from flowmend.portal.portal import Portal, number_asked
from flowmend.portal.trigger_words import can_be_run_by_hand, trigger_in_words
from flowmend.use_cases.flows import FlowSummary, list_flows


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowsPage:
    """starts: what starts each flow, in words, by id. runnable: whether it can be run by hand, by id.

    names: of the connectors that flows lack a connection to, by id. imported, imported_on: how many flows an import just
    took in, and how many of these are on.
    """

    flows: tuple[FlowSummary, ...]
    starts: dict[str, str]
    runnable: dict[str, bool]
    names: dict[str, str] = field(default_factory=dict)
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
        names={
            connector_id: portal.services.connectors.row(connector_id).display_name
            for connector_id in {needed for one in flows for needed in one.needs.connections}
        },
        imported=number_asked(request, "flows"),
        imported_on=number_asked(request, "on"),
    )
    return portal.answer(request, "flows.html", place="flows", page=page)
