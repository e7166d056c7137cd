"""How the expressions of one action computed, and a playground for others on the same data."""

from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.expression.conversion.kinds import kind_name
from flowmend.core.json_value import Json
from flowmend.core.outcome import Status
from flowmend.core.run.history import latest_records, repetition_name
from flowmend.portal.forms import form_text
from flowmend.portal.pages.run_title import run_title
from flowmend.portal.portal import Portal
from flowmend.portal.rendering import SHOWN_CHARACTERS
from flowmend.use_cases.past_runs import ActionTrace, Tried, trace_action, try_expression
from flowmend.use_cases.runs import RunDetail, read_run

_OFFERED_PLACES = 300
_BETWEEN = "|"


@dataclass(frozen=True, slots=True, kw_only=True)
class TracePage:
    """repetition: e.g. `000001`, "" outside loops."""

    run_name: str
    run_title: str
    flow_id: str
    flow_name: str
    action: str
    repetition: str
    trace: ActionTrace
    shown_characters: int = SHOWN_CHARACTERS


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an expression may look from. value: of the form's choice. pass_number: 0 outside loops."""

    value: str
    name: str
    pass_words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaygroundPage:
    """chosen: the place's value, "" for the run's end. kind: of the value that came out."""

    run_name: str
    run_title: str
    flow_id: str
    flow_name: str
    places: tuple[Place, ...]
    chosen: str
    expression: str
    tried: Tried | None = None
    kind: str = ""
    value: Json = field(default=None, repr=False)
    shown_characters: int = 20_000


async def show_trace(portal: Portal, request: Request) -> Response:
    """GET /runs/{run_name}/trace?action=&repetition="""
    run_name, asked = request.path_params["run_name"], request.query_params
    action, repetition = asked.get("action", ""), asked.get("repetition", "")
    trace = await trace_action(portal.services, run_name, action, repetition)
    detail = await read_run(portal.services, run_name)
    page = TracePage(
        run_name=run_name,
        run_title=run_title(detail),
        flow_id=detail.row.flow_id,
        flow_name=detail.flow_row.name,
        action=action,
        repetition=repetition,
        trace=trace,
    )
    return portal.answer(request, "run_trace.html", place="runs", page=page)


async def show_playground(portal: Portal, request: Request) -> Response:
    """GET /runs/{run_name}/try?action=&repetition=&expression="""
    asked = request.query_params
    action = asked.get("action", "")
    detail = await read_run(portal.services, request.path_params["run_name"])
    chosen = f"{action}{_BETWEEN}{asked.get('repetition', '')}" if action else ""
    return _playground(portal, request, detail, chosen, expression=asked.get("expression", ""))


async def take_expression(portal: Portal, request: Request) -> Response:
    """POST /runs/{run_name}/try: what the expression comes to on the run's data."""
    run_name, form = request.path_params["run_name"], await request.form(max_files=0)
    expression, chosen = form_text(form, "expression").replace("\r\n", "\n"), form_text(form, "place")
    action, _, repetition = chosen.partition(_BETWEEN)
    detail = await read_run(portal.services, run_name)
    tried = await try_expression(portal.services, run_name, expression, action=action, repetition=repetition)
    return _playground(portal, request, detail, chosen, expression=expression, tried=tried)


def _playground(
    portal: Portal, request: Request, detail: RunDetail, chosen: str, *, expression: str, tried: Tried | None = None
) -> Response:
    page = PlaygroundPage(
        run_name=detail.row.run_name,
        run_title=run_title(detail),
        flow_id=detail.row.flow_id,
        flow_name=detail.flow_row.name,
        places=_places(detail),
        chosen=chosen,
        expression=expression,
        tried=tried,
        kind=kind_name(tried.value) if tried and not tried.error_code else "",
        value=tried.value if tried else None,
    )
    return portal.answer(request, "run_try.html", place="runs", page=page)


def _places(detail: RunDetail) -> tuple[Place, ...]:
    reached = [key for key, record in latest_records(detail.entries).items() if record.status is not Status.SKIPPED]
    return tuple(
        Place(
            value=f"{name}{_BETWEEN}{repetition_name(repetition)}",
            name=name.replace("_", " "),
            pass_words=", ".join(str(index + 1) for index in repetition),
        )
        for name, repetition in reached[:_OFFERED_PLACES]
    )
