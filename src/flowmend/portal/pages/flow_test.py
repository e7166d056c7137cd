"""Test a flow: with the data of an earlier run or with made-up answers, shown like a run and kept nowhere."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.definition.action_types import ACTION_TYPES, Effect
from flowmend.core.definition.document_text import read_document
from flowmend.core.errors import AskedWrongly, InvalidDocument, NotFound
from flowmend.core.json_value import Json
from flowmend.portal.forms import form_text
from flowmend.portal.graph import Level, Step, first_broken, levels, walk
from flowmend.portal.portal import Portal
from flowmend.portal.run_picture import connector_of
from flowmend.portal.run_steps import JournalInMemory, StepReader, after_trigger, trigger_step, trigger_values
from flowmend.portal.values import Shown, shown
from flowmend.portal.words import Look, status_look
from flowmend.store.rows import RunRow
from flowmend.use_cases.loaded_flows import LoadedFlow
from flowmend.use_cases.run_choices import RunChoice, list_chosen
from flowmend.use_cases.run_once import RunOnceResult
from flowmend.use_cases.try_flow import TrialData, try_flow

_OFFERED_RUNS = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What a trial came to, as the picture of a run wants it."""

    look: Look
    steps: tuple[Step, ...]
    failed: Step | None
    error: str
    opened: frozenset[str]
    outputs: Json
    values: Mapping[str, tuple[Json, Json]] = field(default_factory=dict, repr=False)
    connection_names: Mapping[str, str] = field(default_factory=dict)
    child_runs: Mapping[str, str] = field(default_factory=dict)
    #: There is no address to come back to, with another pass or a value whole.
    is_kept: bool = False

    def shown(self, step: Step, part: str) -> Shown | None:
        """The inputs or outputs of a step, None for none."""
        value = self.values.get(step.name, (None, None))[part == "outputs"]
        return None if value is None else shown(value)

    def levels(self, steps: tuple[Step, ...]) -> tuple[Level, ...]:
        return levels(steps)

    def is_container_error(self, step: Step) -> bool:
        """Whether a scope's error only repeats that something in it failed."""
        return step.error is not None and step.error.code == "ActionFailed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialPage:
    """runs: earlier ones to take data from. body, answers: as entered. problem: what cannot be read of them."""

    flow_id: str
    name: str
    can_give_body: bool
    call_names: tuple[str, ...]
    runs: tuple[RunRow, ...]
    run_name: str = ""
    body: str = field(default="", repr=False)
    answers: str = field(default="", repr=False)
    problem: str = ""
    trial: Trial | None = None

    @property
    def example(self) -> str:
        """Answers as they are entered."""
        name = self.call_names[0] if self.call_names else "HTTP"
        return json.dumps({name: {"statusCode": 404, "body": {}}})


async def show_test(portal: Portal, request: Request) -> Response:
    """GET /flows/{flow_id}/test?run="""
    page = await _page(portal, request.path_params["flow_id"])
    asked = request.query_params.get("run", "")
    known = {run.run_name for run in page.runs}
    chosen = asked if asked in known else page.runs[0].run_name if page.runs else ""
    return portal.answer(request, "flow_test.html", place="flows", page=replace(page, run_name=chosen))


async def take_test(portal: Portal, request: Request) -> Response:
    """POST /flows/{flow_id}/test: runs it in memory and shows what became of it."""
    services, flow_id = portal.services, request.path_params["flow_id"]
    form = await request.form(max_files=0)
    page = replace(
        await _page(portal, flow_id),
        run_name=form_text(form, "run"),
        body=form_text(form, "body"),
        answers=form_text(form, "answers"),
    )
    try:
        tried = await try_flow(services, flow_id, _data(page))
    except NotFound:
        raise
    except AskedWrongly as error:
        page = replace(page, problem=error.message)
        return portal.answer(request, "flow_test.html", place="flows", status_code=400, page=page)
    page = replace(page, trial=_trial(tried, services.flows.latest(flow_id)))
    return portal.answer(request, "flow_test.html", place="flows", page=page)


async def _page(portal: Portal, flow_id: str) -> TrialPage:
    loaded = portal.services.flows.latest(flow_id)
    found = await list_chosen(portal.services, RunChoice(flow_id=flow_id), limit=_OFFERED_RUNS)
    triggers = loaded.flow.definition.triggers.values()
    calls = [node.name for node in loaded.compiled.walk() if _calls(node.type)]
    return TrialPage(
        flow_id=flow_id,
        name=loaded.row.name,
        can_give_body=any(trigger.type != "Recurrence" for trigger in triggers),
        call_names=tuple(calls),
        runs=tuple(found.rows),
    )


def _data(page: TrialPage) -> TrialData:
    answers = _json_in(page.answers) if page.answers.strip() else {}
    if not isinstance(answers, dict):
        raise AskedWrongly('Answers are an object such as {"Get_order": {"statusCode": 200, "body": {}}}.')
    outputs = {"headers": {}, "body": _json_in(page.body)} if page.body.strip() else None
    return TrialData(run_name=page.run_name, trigger_outputs=outputs, answers=answers)


def _calls(action_type: str) -> bool:
    known = ACTION_TYPES.get(action_type.lower()) or ACTION_TYPES.get(action_type)
    return known is not None and known.effect in {Effect.CALL, Effect.CALLBACK}


def _trial(tried: RunOnceResult, loaded: LoadedFlow) -> Trial:
    reader = StepReader(
        compiled=tried.compiled,
        journal=JournalInMemory(tried.entries),
        connector_of=connector_of(loaded),
        chosen={},
    )
    trigger = next(iter(loaded.flow.definition.triggers.values()), None)
    view = tried.start.trigger
    steps = after_trigger(reader.steps(), trigger_step(trigger, view))
    failed = first_broken(steps)
    properties = tried.run["properties"]
    error = properties.get("error") or {}
    return Trial(
        look=status_look(tried.status),
        steps=steps,
        failed=failed,
        error=str(error.get("message", "")),
        opened=frozenset([failed.name] if failed else []),
        values={
            step.name: trigger_values(trigger, view) if step.is_trigger else reader.values(step)
            for _, step in walk(steps)
        },
        outputs=properties.get("response", {}).get("outputs"),
    )


def _json_in(text: str) -> Json:
    try:
        return read_document(text.encode("utf-8", "surrogatepass"))
    except InvalidDocument as error:
        raise AskedWrongly(error.message.replace("The file is", "This is")) from error
