"""All runs: filtered, with the columns somebody chose, to be exported, resubmitted or cancelled together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from flowmend.core.errors import AskedWrongly
from flowmend.core.outcome import Category, Status
from flowmend.portal.column_cookie import chosen_columns, remember_columns
from flowmend.portal.forms import form_text
from flowmend.portal.frame import local_path
from flowmend.portal.language import marked
from flowmend.portal.portal import Portal, person_id, see, segment
from flowmend.portal.words import CHECKS, RUN_FILTERS, Look
from flowmend.store.repair_rows import ItemMode
from flowmend.store.rows import RunRow, TriggerEventRow
from flowmend.store.runs import Lineage
from flowmend.use_cases.export_runs import export_runs
from flowmend.use_cases.history import history_days
from flowmend.use_cases.make_plan import make_plan
from flowmend.use_cases.ports import Services
from flowmend.use_cases.run_choices import (
    HELD,
    MOST_CHOSEN,
    ChosenRuns,
    RunChoice,
    count_by_status,
    count_chosen,
    filter_of,
    list_chosen,
)
from flowmend.use_cases.run_columns import Column, column_values, offered_columns, read_columns

_PAGE_OF = 50
#: The status that shows checks of a flow's trigger that started no run.
_CHECKS = "Checks"
_NO_RUNS = (HELD, _CHECKS)
#: what the filter of times offers: query value → how long ago, and its words
SINCE = {
    "1h": (timedelta(hours=1), marked("In the last hour")),
    "24h": (timedelta(hours=24), marked("In the last 24 hours")),
    "7d": (timedelta(days=7), marked("In the last 7 days")),
    "30d": (timedelta(days=30), marked("In the last 30 days")),
}
#: Statuses whose number is worth knowing; nobody needs the number of all that went well.
_COUNTED = (Status.FAILED, Status.RUNNING, Status.WAITING, HELD, Status.CANCELLED, Status.TIMED_OUT)
_MODES = {"resubmit": ItemMode.RESUBMIT, "resume": None, "cancel": ItemMode.CANCEL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One status to choose. look: None for all. count: None where it is not counted; beyond `MOST_COUNTED` "more than"."""

    address: str
    look: Look | None
    is_current: bool
    count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What a form about runs works on. fields: the filter, for a form that means all that match, as they were `as_of`.

    total: how many match, counted no further than `MOST_CHOSEN` + 1. is_all: all of them are chosen, not only this page's.
    """

    fields: Mapping[str, str]
    as_of: str
    total: int
    is_all: bool
    all_address: str
    page_address: str

    @property
    def is_more_than_counted(self) -> bool:
        return self.total > MOST_CHOSEN


@dataclass(frozen=True, slots=True, kw_only=True)
class RunsPage:
    """filters: as they stand in the address. events: held ones, or checks, instead of runs where they are asked for.

    columns, values: what was chosen, and a text of each by run; offered: what can be. older, newest, export: addresses, "" for
    none. is_whole: False where a part of a text was looked for among the newest runs only. kept_days: 0 for ever.
    """

    filters: Mapping[str, str]
    runs: tuple[RunRow, ...]
    events: tuple[TriggerEventRow, ...] = ()
    headlines: Mapping[str, str]
    lineages: Mapping[str, Lineage]
    people: Mapping[str, str]
    chips: tuple[Chip, ...]
    flow_names: Mapping[str, str]
    connection_names: Mapping[str, str]
    columns: tuple[Column, ...]
    values: Mapping[str, Sequence[str]]
    offered: tuple[Column, ...]
    selection: Selection
    older: str
    newest: str
    export: str
    is_later_page: bool
    is_whole: bool
    kept_days: int

    @property
    def categories(self) -> Sequence[Category]:
        return tuple(Category)

    @property
    def times_back(self) -> Mapping[str, str]:
        """{query value: its words, to be translated}"""
        return {name: words for name, (_, words) in SINCE.items()}

    @property
    def is_filtered(self) -> bool:
        return any(self.filters.values())

    @property
    def shows_held(self) -> bool:
        return self.filters["status"] == HELD

    @property
    def shows_checks(self) -> bool:
        return self.filters["status"] == _CHECKS

    @property
    def shows_runs(self) -> bool:
        return self.filters["status"] not in _NO_RUNS

    @property
    def has_unfinished(self) -> bool:
        return any(not Status(run.status).is_terminal for run in self.runs)

    @property
    def has_finished(self) -> bool:
        return any(Status(run.status).is_terminal for run in self.runs)


async def show_runs(portal: Portal, request: Request) -> Response:
    """GET /runs?status=&flow=&connection=&incident=&category=&since=&started_from=&started_to=&tracked_name=&tracked_value=&text="""
    services, filters = portal.services, _filters(request.query_params)
    choice, cursor = _choice(filters, services.clock.now), request.query_params.get("cursor", "")
    shows_runs = filters["status"] not in _NO_RUNS
    found = await list_chosen(services, choice, limit=_PAGE_OF, cursor=cursor) if shows_runs else _NOTHING
    events, next_cursor = ((), found.next_cursor) if shows_runs else _events(services, filters, cursor)
    columns = chosen_columns(request)
    flows = services.store.flows.list()
    kept = next((history_days(services, one) for one in flows if one.flow_id == filters["flow"]), None)
    page = RunsPage(
        filters=filters,
        runs=tuple(found.rows),
        events=tuple(events),
        headlines=found.headlines,
        lineages=found.lineages,
        people={one.person_id: one.name for one in services.store.access.people()},
        chips=_chips(services, filters, choice),
        flow_names={row.flow_id: row.name for row in flows},
        connection_names={row.connection_id: row.display_name for row in services.store.connections.list()},
        columns=columns,
        values=column_values(services, found.rows, columns) if columns else {},
        offered=tuple(dict.fromkeys((*columns, *offered_columns(services, filters["flow"])))),
        selection=_selection(services, filters, choice, request, found.found),
        older=_address(filters | {"cursor": next_cursor}) if next_cursor else "",
        newest=_address(filters),
        export=_address(filters, "/runs.csv") if shows_runs else "",
        is_later_page=bool(cursor),
        is_whole=found.is_whole,
        kept_days=services.settings.history_days if kept is None else kept,
    )
    return portal.answer(request, "runs.html", place="runs", page=page)


async def export(portal: Portal, request: Request) -> Response:
    """GET /runs.csv, with the filters of the page: all runs that match, with the columns somebody chose."""
    choice = _choice(_filters(request.query_params), portal.services.clock.now)
    filter_of(portal.services, choice)  # what is wrong is said before anything is sent
    headers = {"content-disposition": 'attachment; filename="runs.csv"', "cache-control": "no-store"}
    content = export_runs(portal.services, choice, chosen_columns(request))
    return StreamingResponse(content, media_type="text/csv; charset=utf-8", headers=headers)


async def take_columns(portal: Portal, request: Request) -> Response:
    """POST /runs/columns: which columns this browser shows."""
    form = await request.form()
    columns = read_columns([value for value in form.getlist("column") if isinstance(value, str)])
    is_secure = portal.services.settings.base_url.startswith("https:")
    return remember_columns(see(local_path(form_text(form, "next"), "/runs")), columns, is_secure=is_secure)


async def take_plan(portal: Portal, request: Request) -> Response:
    """POST /runs/plan: make a plan for the runs that were chosen, or for all that matched when they were shown."""
    form = await request.form()
    services, mode = portal.services, form_text(form, "mode")
    if mode not in _MODES:
        raise AskedWrongly("Choose what is to be done with the runs.", code="InvalidRequestContent", target="mode")
    if form_text(form, "all"):
        given = {name: value for name, value in form.multi_items() if isinstance(value, str)}
        choice = _choice(_filters(given), services.clock.now).until(
            _moment(given.get("as_of", "")) or services.clock.now
        )
        plan = await make_plan(
            services, person_id=person_id(request), wanted=filter_of(services, choice), mode=_MODES[mode]
        )
    else:
        names = [value for value in form.getlist("run") if isinstance(value, str) and value]
        if not names:
            raise AskedWrongly("Choose runs first: tick the boxes before them.", code="NothingChosen", target="run")
        plan = await make_plan(services, person_id=person_id(request), run_names=names, mode=_MODES[mode])
    return see(f"/repair_plans/{segment(plan.plan_id)}")


_NOTHING = ChosenRuns(rows=(), next_cursor="", headlines={}, lineages={}, is_whole=True)
_TEXTS = ("flow", "connection", "incident", "category", "tracked_name", "tracked_value", "text")


def _filters(asked: Mapping[str, str]) -> dict[str, str]:
    """What the address or a form asks for; what is no filter of ours asks for nothing."""
    status, since = asked.get("status", ""), asked.get("since", "")
    found = {name: asked.get(name, "").strip() for name in _TEXTS}
    is_known = status in RUN_FILTERS or (status == _CHECKS and found["flow"])
    found["status"] = status if is_known else ""
    found["since"] = since if since in SINCE else ""
    found["category"] = found["category"] if found["category"] in set(Category) else ""
    return found | {
        name: at.isoformat() if (at := _moment(asked.get(name, ""))) else "" for name in ("started_from", "started_to")
    }


def _choice(filters: Mapping[str, str], now: datetime) -> RunChoice:
    since = now - SINCE[filters["since"]][0] if filters["since"] else None
    return RunChoice(
        flow_id=filters["flow"],
        status="" if filters["status"] in _NO_RUNS else filters["status"],
        connection_id=filters["connection"],
        incident_id=filters["incident"],
        category=filters["category"],
        tracked_name=filters["tracked_name"] if filters["tracked_value"] else "",
        tracked_value=filters["tracked_value"],
        text=filters["text"],
        started_from=_moment(filters["started_from"]) or since,
        started_to=_moment(filters["started_to"]),
    )


def _moment(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _chips(services: Services, filters: dict[str, str], choice: RunChoice) -> tuple[Chip, ...]:
    counts = count_by_status(services, choice, _COUNTED)
    looks: dict[str, Look | None] = {"": None, **RUN_FILTERS}
    if filters["flow"]:
        looks[_CHECKS] = CHECKS
    return tuple(
        Chip(
            address=_address(filters | {"status": name}),
            look=look,
            is_current=name == filters["status"],
            count=counts.get(name),
        )
        for name, look in looks.items()
    )


def _selection(
    services: Services, filters: dict[str, str], choice: RunChoice, request: Request, found: int | None
) -> Selection:
    """found: how many match, None where that is not known yet."""
    if found is None:
        found = 0 if filters["status"] in _NO_RUNS else count_chosen(services, choice)
    now = services.clock.now
    # A time that counts back from now is fixed now, too: what was shown is what is meant.
    since = choice.started_from.isoformat() if choice.started_from else ""
    fixed = {**filters, "since": "", "started_from": since}
    cursor = request.query_params.get("cursor", "")
    here = filters | ({"cursor": cursor} if cursor else {})
    return Selection(
        fields={name: value for name, value in fixed.items() if value},
        as_of=now.isoformat(),
        total=found,
        is_all=request.query_params.get("select") == "all",
        all_address=_address(here | {"select": "all"}),
        page_address=_address(here),
    )


def _events(services: Services, filters: Mapping[str, str], cursor: str) -> tuple[Sequence[TriggerEventRow], str]:
    events, flow_id = services.store.trigger_events, filters["flow"]
    if filters["status"] == HELD:
        return events.newest_held(flow_id, _PAGE_OF, cursor)
    return events.that_found_nothing(flow_id, _PAGE_OF, cursor)


def _address(filters: Mapping[str, str], path: str = "/runs") -> str:
    query = urlencode({name: value for name, value in filters.items() if value})
    return f"{path}?{query}" if query else path
