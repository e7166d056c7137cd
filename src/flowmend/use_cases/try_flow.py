"""A flow tried out: run in memory with the data of an earlier run, or with answers made up. Nothing leaves, nothing stays.

No secret takes part: secure parameters, and whatever the earlier run hides, are placeholders here, because the text that
is tried may no longer mark them.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from flowmend.core.definition.flow import Flow
from flowmend.core.errors import AskedWrongly, NotFound
from flowmend.core.json_value import Json
from flowmend.core.outcome import Outcome, Status
from flowmend.core.run import ActionKey, Entry
from flowmend.core.run.history import latest_records, readable
from flowmend.core.run.static_results import outcome_of
from flowmend.core.run.views import SANITIZED
from flowmend.store.rows import RunRow
from flowmend.use_cases.journal_pages import decode_start
from flowmend.use_cases.ports import Services
from flowmend.use_cases.run_once import Answer, RunOnceResult, run_once
from flowmend.use_cases.runs import run_entries

_MOST_ENTRIES = 20_000
_LONGEST_SECONDS = 10.0
_FAILS_FROM = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialData:
    """What a trial goes by.

    run_name: the earlier run whose trigger outputs and answers it gets, "" for none. trigger_outputs: instead of that
    run's; None makes them from the trigger's schema. answers: `{action: answer}`, before those of the run; an answer is
    `{statusCode, headers?, body?}` or a static result `{status, outputs}`.
    """

    run_name: str = ""
    trigger_outputs: Json = field(default=None, repr=False)
    answers: Mapping[str, Json] = field(default_factory=dict, repr=False)


async def try_flow(services: Services, flow_id: str, data: TrialData) -> RunOnceResult:
    """A run of the flow's latest version that makes no call and is not stored; its waits pass at once.

    Errors: NotFound for the flow or run; AskedWrongly where an answer or action is none, `TrialTooLong` where it does
    more than a trial may.
    """
    loaded = services.flows.latest(flow_id)
    flow = loaded.flow
    trigger_outputs, recorded = data.trigger_outputs, {}
    if data.run_name:
        row = _run_of(services, flow_id, data.run_name)
        recorded = await _recorded_answers(services, row)
        if trigger_outputs is None:
            trigger_outputs = _trigger_outputs(services, row)
    made_up = _made_up(flow, data.answers)

    def answer(key: ActionKey) -> Outcome | None:
        return made_up.get(key[0]) or recorded.get(key)

    return await asyncio.to_thread(_run, flow, trigger_outputs, _parameters(flow, loaded.parameters), answer)


def _run(flow: Flow, trigger_outputs: Json, parameters: Mapping[str, Json], answer: Answer) -> RunOnceResult:
    return asyncio.run(
        run_once(
            flow,
            trigger_outputs=trigger_outputs,
            mock=True,
            parameters=parameters,
            on_entry=_bounded(),
            answer=answer,
        )
    )


def _bounded() -> Callable[[Entry], None]:
    ends_at, count = time.monotonic() + _LONGEST_SECONDS, 0

    def on_entry(_: Entry) -> None:
        nonlocal count
        count += 1
        if count > _MOST_ENTRIES or time.monotonic() > ends_at:
            raise AskedWrongly(
                "The trial does more than one may: it would take too long. Try it with less data, or run the flow.",
                code="TrialTooLong",
            )

    return on_entry


def _run_of(services: Services, flow_id: str, run_name: str) -> RunRow:
    row = services.store.runs.get(run_name)
    if row is None or row.flow_id != flow_id:
        raise NotFound(f"This flow has no run {run_name}.", code="WorkflowRunNotFound", target=run_name)
    return row


async def _recorded_answers(services: Services, row: RunRow) -> dict[ActionKey, Outcome]:
    entries = await run_entries(services, row.run_name)
    return {
        key: Outcome(status=record.status, code=record.code, outputs=readable(record).outputs, error=record.error)
        for key, record in latest_records(entries).items()
        if record.status.is_terminal and record.status is not Status.SKIPPED
    }


def _trigger_outputs(services: Services, row: RunRow) -> Json:
    loaded = services.flows.version(row.flow_id, row.version)
    outputs = decode_start(row.start, services.vault).trigger.get("outputs")
    return _masked(outputs) if loaded.has_secure_trigger else outputs


def _masked(value: Json) -> Json:
    """The same shape without what stood in it."""
    if isinstance(value, dict):
        return {name: _masked(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_masked(inner) for inner in value]
    if isinstance(value, str):
        return SANITIZED
    return 0 if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _parameters(flow: Flow, values: Mapping[str, Json]) -> dict[str, Json]:
    declared = flow.definition.parameters
    placeholder: Mapping[str, Json] = {"secureobject": {}, "securestring": SANITIZED}
    return {
        name: placeholder.get(declared[name].type, value) if name in declared else value
        for name, value in values.items()
        if name not in declared or declared[name].is_secret or value is not None
    }


def _made_up(flow: Flow, answers: Mapping[str, Json]) -> dict[str, Outcome]:
    names = {action.name.lower(): action.name for action in flow.definition.walk()}
    found: dict[str, Outcome] = {}
    for name, written in answers.items():
        if name.lower() not in names:
            raise AskedWrongly(f"The flow has no action {name!r}.", code="UnknownAction", target=name)
        is_static = isinstance(written, Mapping) and ("outputs" in written or "status" in written)
        outcome = outcome_of(written if is_static else _as_static_result(written))
        if outcome is None:
            raise AskedWrongly(
                f'The answer of {name!r} is no object such as {{"statusCode": 200, "body": {{}}}}.',
                code="InvalidAnswer",
                target=name,
            )
        found[names[name.lower()]] = outcome
    return found


def _as_static_result(written: Json) -> Json:
    if not isinstance(written, Mapping):
        return None
    status = written.get("statusCode", 200)
    has_failed = isinstance(status, int) and status >= _FAILS_FROM
    return {"status": "Failed" if has_failed else "Succeeded", "outputs": {"statusCode": 200, **written}}
