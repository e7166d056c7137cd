"""One run: a picture first, the failed card open, and beside it how to fix what failed."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.connection.health import HealthState
from flowmend.core.errors import AskedWrongly
from flowmend.core.outcome import Category, Status
from flowmend.core.run.cards import iteration_tree
from flowmend.core.run.history import latest_records, repetition_name
from flowmend.portal.forms import form_text
from flowmend.portal.frame import language_of, local_path
from flowmend.portal.graph import BROKEN, Bar, Level, Step, first_broken, levels, timeline, walk
from flowmend.portal.language import marked
from flowmend.portal.pages.run_again import Again, again_of, resumed_ones
from flowmend.portal.portal import Portal, person_id, see, segment
from flowmend.portal.remedies import REMEDIES, Remedy, cause_of, remedy_of
from flowmend.portal.rendering import SHOWN_CHARACTERS
from flowmend.portal.run_steps import StepReader, after_trigger, trigger_step
from flowmend.portal.words import HELD_CODE
from flowmend.store.rows import FlowState, RunRow, SecretUseRow
from flowmend.use_cases.answer_doubt import answer_doubt
from flowmend.use_cases.cancel_run import cancel_run
from flowmend.use_cases.connection_views import ConnectionView, read_connection
from flowmend.use_cases.incidents import incident_of_run
from flowmend.use_cases.loaded_flows import LoadedFlow
from flowmend.use_cases.resubmit_runs import resubmit_run
from flowmend.use_cases.runs import RunDetail, read_run, tracked_headline

_VIEWS = ("graph", "list")
_NOT_WHILE_OFF = marked("The flow is turned off. Turn it on, then resubmit.")
_NOT_NOW = marked("This run cannot be resubmitted now.")
_HELD_ALREADY = marked("It is resubmitted already: the new run waits for its connection and then starts by itself.")

#: Uses of secrets shown on a run's page; the connection's page has all.
_SHOWN_USES = 20


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
    """steps: the picture's, the trigger first. opened: names of cards shown open. whole: whose payload is not cut.

    again: what a resume or resubmit would do, None while it runs or where it succeeded. resumed: of its attempts, those that
    took over what was finished. is_held_again: it was resubmitted, and the new run waits for its connection. incident_id: that failed it, "" for none.
    secret_uses: of connections' secrets, for its actions; the first of many.
    """

    row: RunRow
    flow_name: str
    title: str
    view: str
    steps: tuple[Step, ...]
    failed: Step | None
    opened: frozenset[str]
    whole: str
    bars: tuple[Bar, ...]
    attempts: tuple[RunRow, ...]
    tracked: dict[str, str]
    in_doubt: tuple[Step, ...]
    fix: Fix | None
    connection: ConnectionView | None
    connection_names: dict[str, str]
    again: Again | None = None
    resumed: frozenset[str] = frozenset()
    version_is_latest: bool
    can_resubmit: bool
    cannot_resubmit: str
    request_id: str
    query: dict[str, str]
    is_held_again: bool = False
    incident_id: str = ""
    secret_uses: tuple[SecretUseRow, ...] = ()
    shown_characters: int = SHOWN_CHARACTERS
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
        """Whether the step's expressions were computed: an action that ran."""
        return not step.is_untouched and step.started_at is not None and step is not self.steps[0]

    def trace_address(self, step: Step) -> str:
        """Where the step's expressions are shown with what they came to."""
        query = {"action": step.name, "repetition": repetition_name(step.repetition)}
        return f"/runs/{segment(self.row.run_name)}/trace?{urlencode(query)}"

    def edit_address(self, step: Step) -> str:
        """The editor at the very action, with the way back to this run."""
        query = {"action": step.name, "run": self.row.run_name}
        return f"/flows/{segment(self.row.flow_id)}/edit?{urlencode(query)}#text"

    def address_with(self, *, name: str = "", index: int = 0, all: str = "") -> str:  # noqa: A002  # reads as the query does
        """This page with another pass chosen, or one payload whole."""
        query = dict(self.query)
        if name:
            query[f"pass.{name}"] = str(index)
        if all:
            query["all"] = all
        return f"/runs/{segment(self.row.run_name)}?{urlencode(query)}"


async def show_run(portal: Portal, request: Request) -> Response:
    """GET /runs/{run_name}?view=&pass.{loop}=&all="""
    services, asked = portal.services, request.query_params
    detail = await read_run(services, request.path_params["run_name"])
    loaded = services.flows.version(detail.row.flow_id, detail.row.version)
    steps = _steps(detail, loaded, _chosen_passes(asked.items()))
    failed = first_broken(steps) if detail.row.status != Status.SUCCEEDED else None
    flat = [step for _, step in walk(steps)]
    in_doubt = tuple(step for step in flat if (step.name, step.repetition) in set(detail.in_doubt))
    whole = asked.get("all", "")
    connection = await read_connection(services, detail.row.connection_id) if detail.connection else None
    uses = tuple(services.store.secret_uses.of_run(detail.row.run_name, limit=_SHOWN_USES))
    of_steps = (step.connection_id for step in flat if step.connection_id)
    used = dict.fromkeys((*of_steps, *(use.connection_id for use in uses)))
    known = {name: services.store.connections.get(name) for name in used}
    gettext = portal.rendering.gettext(language_of(request))
    page = RunPage(
        row=detail.row,
        flow_name=detail.flow_row.name,
        title=run_title(detail),
        view=asked.get("view", "graph") if asked.get("view") in _VIEWS else "graph",
        steps=steps,
        failed=failed,
        opened=frozenset({whole, *(step.name for step in in_doubt), *([failed.name] if failed else [])}) - {""},
        whole=whole,
        bars=timeline(steps, detail.row.started_at, detail.row.ended_at or services.clock.now),
        attempts=detail.attempts,
        tracked=detail.tracked,
        in_doubt=in_doubt,
        fix=_fix(detail, failed),
        connection=connection,
        again=again_of(services, detail),
        resumed=resumed_ones(services, detail.attempts),
        incident_id=incident_of_run(services, detail.row),
        secret_uses=uses,
        connection_names={name: row.display_name for name, row in known.items() if row},
        version_is_latest=detail.version_is_latest,
        can_resubmit=detail.can_resubmit and not detail.held_resubmission,
        cannot_resubmit=gettext(_reason(detail)),
        request_id=str(services.clock.guid()),
        query={name: value for name, value in asked.items() if name == "view" or name.startswith("pass.")},
        is_held_again=bool(detail.held_resubmission),
    )
    return portal.answer(request, "run.html", place="runs", page=page)


def run_title(detail: RunDetail) -> str:
    """What a run is called: its flow, and the first value it is tracked by."""
    headline = tracked_headline(dict(detail.tracked))
    return f"{detail.flow_row.name} · {headline}" if headline else detail.flow_row.name


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


def _steps(detail: RunDetail, loaded: LoadedFlow, chosen: dict[str, int]) -> tuple[Step, ...]:
    reader = StepReader(
        records=latest_records(detail.entries),
        open_pass=partial(iteration_tree, loaded.compiled, detail.entries),
        connector_of=_connector_of(loaded),
        chosen=chosen,
    )
    trigger = loaded.flow.definition.triggers.get(detail.row.trigger_name)
    return after_trigger(reader.steps(detail.tree), trigger_step(trigger, detail.start.trigger))


def _connector_of(loaded: LoadedFlow) -> Callable[[str], str]:
    references = loaded.flow.connection_references

    def connector_of(action_name: str) -> str:
        node = loaded.compiled.nodes.get(action_name)
        reference = references.get(node.reference) if node is not None and node.reference else None
        return reference.connector if reference else ""

    return connector_of


def _chosen_passes(query: Iterable[tuple[str, str]]) -> dict[str, int]:
    return {
        name.removeprefix("pass."): int(value)
        for name, value in query
        if name.startswith("pass.") and value.isdecimal() and len(value) < 10
    }


def _fix(detail: RunDetail, failed: Step | None) -> Fix | None:
    row, diagnosis, connection = detail.row, detail.diagnosis, detail.connection
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


def _reason(detail: RunDetail) -> str:
    if detail.held_resubmission:
        return _HELD_ALREADY
    return _NOT_WHILE_OFF if detail.flow_row.state is not FlowState.ON else _NOT_NOW
