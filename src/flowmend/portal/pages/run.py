"""One run: a picture first, the failed card open, and beside it how to fix what failed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.connection.health import HealthState
from flowmend.core.errors import AskedWrongly
from flowmend.core.json_value import Json
from flowmend.core.outcome import Category, Diagnosis, Status
from flowmend.portal.forms import form_text
from flowmend.portal.frame import language_of, local_path
from flowmend.portal.graph import BROKEN, Bar, Level, Step, first_broken, levels, timeline, walk
from flowmend.portal.language import marked
from flowmend.portal.pages.run_action import action_address, can_trace, download_address, edit_address, trace_address
from flowmend.portal.pages.run_again import Again, again_of, is_to_mend
from flowmend.portal.pages.run_attempts import AttemptLine, attempt_lines
from flowmend.portal.pages.run_title import run_title
from flowmend.portal.portal import Portal, person_id, see, segment
from flowmend.portal.remedies import REMEDIES, Remedy, cause_of, remedy_of
from flowmend.portal.run_picture import child_run_of, read_picture
from flowmend.portal.values import Shown, shown
from flowmend.portal.words import DOUBT_CODE, HELD_CODE
from flowmend.store.rows import FlowState, RunRow, SecretUseRow
from flowmend.use_cases.answer_doubt import answer_doubt
from flowmend.use_cases.cancel_run import cancel_run
from flowmend.use_cases.connection_views import ConnectionView, read_connection
from flowmend.use_cases.incidents import incident_of_run
from flowmend.use_cases.resubmit_runs import resubmit_run
from flowmend.use_cases.runs import RunHead, read_run_head

_VIEWS = ("graph", "list")
_NOT_WHILE_OFF = marked("The flow is turned off. Turn it on, then resubmit.")
_NOT_NOW = marked("This run cannot be resubmitted now.")
_HELD_ALREADY = marked("It is resubmitted already: the new run waits for its connection and then starts by itself.")

#: Uses of secrets shown on a run's page; the connection's page has all.
_SHOWN_USES = 20
#: What a resume would do is found by reading the whole journal: that of a longer run only when somebody asks.
_MOST_RECORDS_READ_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """What the pane *How to fix* says. code, message: as received. cause: "" where it is no refusal.

    opens_connection: the cure is on the connection's page. is_mended: it was cured since.
    """

    remedy: Remedy
    code: str
    message: str
    cause: str = ""
    opens_connection: bool = False
    is_mended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPage:
    """steps: the picture's, the trigger first. opened: names of cards shown open, with values: {name: (inputs, outputs)}.

    again: what a resume or resubmit would do, None while it runs or where it succeeded; asks_again: it is so long that this is found
    out on a page of its own. bars, bars_left_out: the timeline. is_held_again: it was resubmitted, and the new run waits for its connection. incident_id: that failed it, "" for none.
    secret_uses: of connections' secrets, for its actions; the first of many. child_runs: {open action: the run it began}.
    """

    row: RunRow
    flow_name: str
    title: str
    view: str
    steps: tuple[Step, ...]
    failed: Step | None
    opened: frozenset[str]
    values: Mapping[str, tuple[Json, Json]]
    bars: tuple[Bar, ...]
    bars_left_out: int = 0
    attempts: tuple[RunRow, ...]
    attempt_lines: tuple[AttemptLine, ...] = ()
    tracked: dict[str, str]
    in_doubt: tuple[Step, ...]
    fix: Fix | None
    connection: ConnectionView | None
    connection_names: dict[str, str]
    again: Again | None = None
    asks_again: bool = False
    version_is_latest: bool
    can_resubmit: bool
    cannot_resubmit: str
    request_id: str
    query: dict[str, str]
    is_held_again: bool = False
    incident_id: str = ""
    secret_uses: tuple[SecretUseRow, ...] = ()
    child_runs: Mapping[str, str] = field(default_factory=dict)
    is_kept: bool = True

    @property
    def is_finished(self) -> bool:
        return Status(self.row.status).is_terminal

    @property
    def attempt(self) -> int:
        """1 for the first run of its trigger event."""
        names = [run.run_name for run in self.attempts]
        return names.index(self.row.run_name) + 1 if self.row.run_name in names else 1

    @property
    def repeat(self) -> tuple[int, RunRow] | None:
        """The newest later attempt that succeeded or is under way, and its number: one more would do it all again."""
        return later_attempt(self.attempts, self.row.run_name)

    @property
    def resubmit_is_next(self) -> bool:
        """Whether nothing needs mending before, and nothing was resubmitted yet."""
        return self._is_next and not self.resume_is_next

    @property
    def resume_is_next(self) -> bool:
        """Whether going on where it failed is what there is to do."""
        return self._is_next and self.again is not None and self.again.can_resume

    @property
    def _is_next(self) -> bool:
        if self.fix is None or self.repeat is not None:
            return False
        return self.fix.is_mended or self.fix.remedy is REMEDIES["resubmit"]

    @property
    def listed(self) -> tuple[tuple[int, Step], ...]:
        """The steps with their depth, for the list."""
        return tuple(walk(self.steps))

    def levels(self, steps: tuple[Step, ...]) -> tuple[Level, ...]:
        return levels(steps)

    def is_container_error(self, step: Step) -> bool:
        """Whether a scope's error only repeats that something in it failed."""
        return step.error is not None and step.error.code == "ActionFailed"

    def can_trace(self, step: Step) -> bool:
        return can_trace(step)

    def shown(self, step: Step, part: str) -> Shown | None:
        """The inputs or outputs of an open card, None for none."""
        value = self.values.get(step.name, (None, None))[part == "outputs"]
        return None if value is None else shown(value)

    def action_address(self, step: Step) -> str:
        """The page of the one action or pass."""
        return action_address(self.row.run_name, step)

    def download_address(self, step: Step, part: str) -> str:
        """Its whole inputs or outputs as a file."""
        return download_address(self.row.run_name, step, part)

    def trace_address(self, step: Step) -> str:
        return trace_address(self.row.run_name, step)

    def edit_address(self, step: Step) -> str:
        return edit_address(self.row, step)

    def address_with(self, *, view: str = "", name: str = "", index: int = 0) -> str:
        """This page in another view, or with another pass chosen."""
        query = dict(self.query)
        if view:
            query["view"] = view
        if name:
            query[f"pass.{name}"] = str(index)
        return f"/runs/{segment(self.row.run_name)}?{urlencode(query)}"

    def query_besides(self, name: str) -> tuple[tuple[str, str], ...]:
        """What else the address says, for a form that chooses a pass of this loop."""
        return tuple(one for one in self.query.items() if one[0] != f"pass.{name}")


async def show_run(portal: Portal, request: Request) -> Response:
    """GET /runs/{run_name}?view=&pass.{loop}="""
    services, asked = portal.services, request.query_params
    head = await read_run_head(services, request.path_params["run_name"])
    chosen = chosen_passes(asked.items())
    picture = await read_picture(services, head, chosen)
    steps = picture.steps
    row = head.row
    failed = first_broken(steps) if row.status != Status.SUCCEEDED else None
    flat = [step for _, step in walk(steps)]
    waiting = [(key, picture.journal.head(key)) for key in picture.journal.map.waiting]
    doubtful = {key for key, found in waiting if found is not None and found.code == DOUBT_CODE}
    in_doubt = tuple(step for step in flat if (step.name, step.repetition) in doubtful)
    opened = frozenset({*(step.name for step in in_doubt), *([failed.name] if failed else [])})
    connection = await read_connection(services, row.connection_id) if head.connection else None
    uses = tuple(services.store.secret_uses.of_run(row.run_name, limit=_SHOWN_USES))
    of_steps = (step.connection_id for step in flat if step.connection_id)
    used = dict.fromkeys((*of_steps, *(use.connection_id for use in uses)))
    known = {name: services.store.connections.get(name) for name in used}
    gettext = portal.rendering.gettext(language_of(request))
    is_long = picture.journal.map.count > _MOST_RECORDS_READ_AT_ONCE
    bars, left_out = timeline(steps, row.timed_from, row.ended_at or services.clock.now)
    page = RunPage(
        row=row,
        flow_name=head.flow_row.name,
        title=run_title(head),
        view=asked.get("view", "graph") if asked.get("view") in _VIEWS else "graph",
        steps=steps,
        failed=failed,
        opened=opened,
        values={step.name: picture.values(step) for step in flat if step.name in opened},
        child_runs={step.name: child_run_of(services, picture, step, head) for step in flat if step.name in opened},
        bars=bars,
        bars_left_out=left_out,
        attempts=head.attempts,
        attempt_lines=attempt_lines(services, head.attempts),
        tracked=head.tracked,
        in_doubt=in_doubt,
        fix=_fix(head, picture.diagnosis, failed),
        connection=connection,
        again=None if is_long else again_of(services, row),
        asks_again=is_long and is_to_mend(row),
        incident_id=incident_of_run(services, row),
        secret_uses=uses,
        connection_names={name: one.display_name for name, one in known.items() if one},
        version_is_latest=head.version_is_latest,
        can_resubmit=head.can_resubmit and not head.held_resubmission,
        cannot_resubmit=gettext(_reason(head)),
        request_id=str(services.clock.guid()),
        query=({"view": "list"} if asked.get("view") == "list" else {})
        | {f"pass.{loop}": str(index) for loop, index in chosen.items()},
        is_held_again=bool(head.held_resubmission),
    )
    return portal.answer(request, "run.html", place="runs", page=page)


def later_attempt(attempts: Sequence[RunRow], run_name: str) -> tuple[int, RunRow] | None:
    """The newest attempt after this run that succeeded or is under way, and its number among all, from 1."""
    names = [run.run_name for run in attempts]
    first = names.index(run_name) + 1 if run_name in names else len(names)
    after = list(enumerate(attempts, start=1))[first:]
    going = (Status.SUCCEEDED, Status.RUNNING, Status.WAITING)
    return next((one for one in reversed(after) if one[1].status in going), None)


async def take_resubmit(portal: Portal, request: Request) -> Response:
    """POST /runs/{run_name}/resubmit: goes to the new run. request_id: makes a second click the same."""
    run_name = request.path_params["run_name"]
    request_id = form_text(await request.form(), "request_id")
    again = await resubmit_run(portal.services, run_name, person_id=person_id(request), request_id=request_id)
    if again.held:
        return see(f"/runs/{segment(run_name)}?done=held")
    return see(f"/runs/{segment(again.run_name)}?done=resubmitted")


async def take_cancel(portal: Portal, request: Request) -> Response:
    """POST /runs/{run_name}/cancel"""
    run_name = request.path_params["run_name"]
    await cancel_run(portal.services, run_name, person_id(request))
    return see(f"/runs/{segment(run_name)}?done=cancelled")


async def take_answer(portal: Portal, request: Request) -> Response:
    """POST /runs/{run_name}/answer: what became of a call in doubt."""
    run_name, form = request.path_params["run_name"], await request.form()
    indexes = form_text(form, "repetition")
    if any(not index.isdecimal() for index in indexes.split("-") if index):
        raise AskedWrongly("The repetition is a list of numbers.", code="InvalidRepetition")
    key = (form_text(form, "action"), tuple(int(index) for index in indexes.split("-") if index))
    await answer_doubt(portal.services, run_name, key, form_text(form, "answer"), person_id(request))
    return see(local_path(form_text(form, "next"), f"/runs/{segment(run_name)}?done=answered"))


def chosen_passes(query: Iterable[tuple[str, str]]) -> dict[str, int]:
    """`{loop's name: the pass, from 0}` of an address. `number.` says it from 1, as people type it."""
    chosen = {}
    for name, value in query:
        kind, _, loop = name.partition(".")
        if kind in {"pass", "number"} and value.isascii() and value.isdecimal() and len(value) < 10:
            chosen[loop] = max(int(value) - (kind == "number"), 0)
    return chosen


def _fix(detail: RunHead, diagnosis: Diagnosis | None, failed: Step | None) -> Fix | None:
    row, connection = detail.row, detail.connection
    if row.status not in BROKEN and row.code != HELD_CODE:
        return None
    if diagnosis is None and failed is not None:
        diagnosis = failed.diagnosis
    if diagnosis is None:
        error = failed.error if failed else None
        remedy = remedy_of("", failed.code) if failed else REMEDIES["as_defined"]
        code = failed.code_in_full if failed else row.error_code or row.code
        message = error.message if error else row.error_message
        opens_connection = connection is not None and remedy.opens == "verify"
        return Fix(remedy=remedy, code=code, message=message, opens_connection=opens_connection)
    remedy = remedy_of(diagnosis.remedy, failed.code if failed else "")
    opens_connection = connection is not None and remedy.opens in {"verify", "consent"}
    return Fix(
        remedy=remedy,
        code=failed.code_in_full if failed else diagnosis.code or row.error_code,
        message=diagnosis.message,
        # "It did not say why" would be untrue beside what it said.
        cause="" if diagnosis.category == Category.UNKNOWN and diagnosis.message else cause_of(diagnosis.category),
        opens_connection=opens_connection,
        is_mended=opens_connection and connection is not None and connection.health is HealthState.CONNECTED,
    )


def _reason(detail: RunHead) -> str:
    if detail.held_resubmission:
        return _HELD_ALREADY
    return _NOT_WHILE_OFF if detail.flow_row.state is not FlowState.ON else _NOT_NOW
