"""Resume: a new run that takes over the finished actions of one that failed and goes on at what failed."""

from dataclasses import dataclass
from functools import partial

import msgspec

from flowmend.core.errors import AskedWrongly, Conflict, FlowmendError, NotFound
from flowmend.core.outcome import Status
from flowmend.core.run import Entry, RunStart
from flowmend.core.run.effects import RepeatedEffect, repeated_effects
from flowmend.core.run.history import latest_records
from flowmend.core.run.naming import run_name as new_run_name
from flowmend.core.run.resume import Pass, Refusal, Resumption, ran_on_failure, resume_entries
from flowmend.core.run.same_definition import Difference
from flowmend.core.run.state import Repetition
from flowmend.store.journal import Write
from flowmend.store.rows import FlowState, RunRow
from flowmend.store.runs import note_resubmission
from flowmend.store.whole_runs import WholeRun
from flowmend.use_cases.call_facts import CallWords
from flowmend.use_cases.journal_pages import decode_pages, decode_start
from flowmend.use_cases.loaded_flows import LoadedFlow
from flowmend.use_cases.ports import Services
from flowmend.use_cases.resubmit_runs import Resubmitted, cannot_resubmit_reason, earlier_resubmission
from flowmend.use_cases.start_run import NEEDS_REPAIR, begin_run, new_start
from flowmend.use_cases.unreadable import CANNOT_BE_READ, why_flow_unreadable


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumePreview:
    """What a resume would do, before it does anything.

    code, message: why it cannot be done, "" where it can; connection_id: the one to repair first, where that is why.
    differences: between the definitions, where they are why. from_action, from_repetition, passes: where it goes on.
    version: the definition it runs. kept: how many finished actions are not repeated. repeats: effects that would be.
    """

    can_resume: bool
    code: str = ""
    message: str = ""
    connection_id: str = ""
    differences: tuple[Difference, ...] = ()
    from_action: str = ""
    from_repetition: Repetition = ()
    passes: tuple[Pass, ...] = ()
    version: str = ""
    kept: int = 0
    repeats: tuple[RepeatedEffect, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ResubmitPreview:
    """What a resubmit from the start would do. code, message: why it cannot be done, "" where it can."""

    can_resubmit: bool
    code: str = ""
    message: str = ""
    version: str = ""
    repeats: tuple[RepeatedEffect, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Previews:
    """Every way to run a run again. resume_latest: with the latest definition, None where that is the run's own."""

    resume: ResumePreview
    resume_latest: ResumePreview | None
    resubmit: ResubmitPreview


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A run that is to be run again. problem: why its journal cannot be gone by, as (code, sentence)."""

    row: RunRow
    loaded: LoadedFlow
    start: RunStart
    entries: list[Entry]
    problem: tuple[str, str] | None = None


def preview_resume(services: Services, run_name: str, *, original_definition: bool = True) -> ResumePreview:
    """What resuming this run would do; reads its journal and calls nobody. Errors: NotFound."""
    return resume_of(services, _read(services, run_name), original_definition=original_definition)


def preview_resubmit(services: Services, run_name: str, *, original_definition: bool = False) -> ResubmitPreview:
    """What resubmitting this run from the start would do again. Errors: NotFound."""
    return resubmit_of(services, _read(services, run_name), original_definition=original_definition)


def preview_both(services: Services, run_name: str) -> Previews:
    """Every way a run can be run again, its journal read once. Errors: NotFound."""
    origin = _read(services, run_name)
    is_latest = origin.loaded.version == origin.loaded.row.version
    return Previews(
        resume=resume_of(services, origin, original_definition=True),
        resume_latest=None if is_latest else resume_of(services, origin, original_definition=False),
        resubmit=resubmit_of(services, origin, original_definition=False),
    )


def origin_of(services: Services, run: WholeRun) -> Origin:
    """A run as its previews need it, opened. Errors: NotFound; `CANNOT_BE_READ`; StoreUnavailable `PayloadDamaged`."""
    row = run.row
    loaded = services.flows.version(row.flow_id, row.version)
    entries: list[Entry] = []
    problem = None
    start = decode_start(row.start, services.vault, loaded.parameters)
    try:
        entries = decode_pages(row.run_name, run.pages, services.vault)
        if not entries:
            problem = ("JournalMissing", "The history of this run is no longer kept, so nothing says what it finished.")
    except FlowmendError as error:
        problem = ("JournalUnreadable", f"The history of this run cannot be read: {error.message}")
    return Origin(row=row, loaded=loaded, start=start, entries=entries, problem=problem)


def resubmit_of(services: Services, origin: Origin, *, original_definition: bool) -> ResubmitPreview:
    """As `preview_resubmit`, of a run that was read."""
    reason = cannot_resubmit_reason(origin.row.status, origin.loaded.row.state)
    if reason:
        code = "WorkflowRunInProgress" if origin.loaded.row.state is FlowState.ON else "WorkflowTriggerIsNotEnabled"
        return ResubmitPreview(can_resubmit=False, code=code, message=reason)
    loaded = _definition(services, origin, original_definition=original_definition)
    if not isinstance(loaded, LoadedFlow):
        return ResubmitPreview(can_resubmit=False, code=loaded[0], message=loaded[1])
    compiled = origin.loaded.compiled
    return ResubmitPreview(
        can_resubmit=True,
        version=loaded.version,
        repeats=repeated_effects(
            compiled,
            latest_records(origin.entries).values(),
            CallWords(services, origin.loaded).of,
            on_failure=ran_on_failure(compiled, origin.entries),
        ),
    )


def resume_of(services: Services, origin: Origin, *, original_definition: bool) -> ResumePreview:
    """As `preview_resume`, of a run that was read."""
    found = _resumption(services, origin, original_definition=original_definition)
    if isinstance(found, ResumePreview):
        return found
    loaded, resumption = found
    words = CallWords(services, origin.loaded)
    action, repetition = resumption.begins_with
    return ResumePreview(
        can_resume=True,
        from_action=action,
        from_repetition=repetition,
        passes=resumption.passes,
        version=loaded.version,
        kept=resumption.kept,
        repeats=repeated_effects(
            origin.loaded.compiled,
            resumption.dropped,
            words.of,
            kept_keys=resumption.kept_keys,
            on_failure=resumption.on_failure,
        ),
    )


async def resume_run(
    services: Services,
    run_name: str,
    *,
    person_id: str,
    request_id: str = "",
    original_definition: bool = True,
    together_with: tuple[Write, ...] = (),
    new_run: str = "",
    is_audited: bool = True,
    again: bool = True,
) -> Resubmitted:
    """Start a run that goes on where `run_name` failed.

    request_id: the same id for the same run answers with the first new run instead of making another. again: False refuses
    where `later_run` has done it, or is at it, already; a repair plan has asked that for itself. original_definition: the
    version the first run had, else the latest, where that says the same of everything that has run. together_with: written
    in the same transaction. new_run: the name of the new run, "" to choose one. is_audited: False where it is one of many that were
    noted together.
    Errors: NotFound; Conflict `AlreadyRunAgain`; Conflict or AskedWrongly with the code and words of `ResumePreview`.
    """
    if request_id and (earlier := earlier_resubmission(services, run_name, request_id)):
        return earlier
    if not again:
        # The second of two presses at once has the answer of the first.
        first = partial(_resume_once, services, run_name, person_id, request_id, original_definition)
        return await services.arrivals.once(("resume", run_name), first)
    origin = _read(services, run_name)
    found = _resumption(services, origin, original_definition=original_definition)
    if isinstance(found, ResumePreview):
        error = AskedWrongly if found.code == "WorkflowTriggerIsNotEnabled" else Conflict
        raise error(found.message, code=found.code, target=run_name)
    loaded, resumption = found
    before = origin.start
    name = new_run or new_run_name(services.clock.ticks(), services.clock.draw())
    # The trigger as it was, times and headers too: what is taken over has seen it so.
    trigger = before.trigger | {
        "trackingId": str(services.clock.guid()),
        "clientTrackingId": name,
        "originHistoryName": run_name,
        "sourceHistoryName": run_name,
    }
    start = msgspec.structs.replace(
        new_start(
            services,
            loaded,
            trigger=trigger,
            name=name,
            client_tracking_id=name,
            origin_run=run_name,
            attempt=before.attempt + 1,
        ),
        resumed_from=run_name,
        taken_over=len(resumption.entries),
        kept_keys=resumption.kept_keys,
    )
    notes = (note_resubmission(run_name, request_id, name),) if request_id else ()
    try:
        begun = begin_run(
            services,
            loaded,
            start,
            origin_event=run_name,
            resubmitted_by=person_id,
            together_with=(*notes, *together_with),
            taken_over=resumption.entries,
        )
        if begun.durable is not None:
            await begun.durable
    except Conflict:
        # The same request came twice at once: the database let the first in, and this one answers with it.
        earlier = earlier_resubmission(services, run_name, request_id) if request_id else None
        if earlier is None:
            raise
        return earlier
    if is_audited:
        details = {"new_run": name, "from_action": resumption.begins_with[0]}
        services.store.audit.note(person_id, "resume", run_name, details, at=services.clock.now)
    return Resubmitted(run_name=name, version=loaded.version)


def later_run(services: Services, run_name: str) -> str:
    """The latest run, or held event, for the same trigger event that came after this run and went well or still may; else ""."""
    attempts = services.store.runs.lineage(run_name)
    asked = next((row for row in attempts if row.run_name == run_name), None)
    if asked is None:
        return ""
    held = services.store.trigger_events.held_resubmission(asked.flow_id, run_name)
    if held is not None:
        return held.event_name
    newer = (row for row in attempts if row.run_name < run_name)  # names decrease over time
    going = (row.run_name for row in newer if not Status(row.status).is_terminal or row.status == Status.SUCCEEDED)
    return next(going, "")


async def _resume_once(
    services: Services, run_name: str, person_id: str, request_id: str, original_definition: bool
) -> Resubmitted:
    later = later_run(services, run_name)
    if later:
        raise Conflict(
            f"The run {later} came after this one for the same event, and did its work or is at it. Ask for it again on "
            "purpose to do it twice.",
            code="AlreadyRunAgain",
            target=later,
        )
    return await resume_run(
        services, run_name, person_id=person_id, request_id=request_id, original_definition=original_definition
    )


def _read(services: Services, run_name: str) -> Origin:
    row = services.store.runs.get(run_name)
    if row is None:
        raise NotFound(f"There is no run {run_name}.", code="WorkflowRunNotFound", target=run_name)
    return origin_of(services, WholeRun(row=row, pages=[page for _, page in services.store.runs.pages(run_name)]))


def _resumption(
    services: Services, origin: Origin, *, original_definition: bool
) -> tuple[LoadedFlow, Resumption] | ResumePreview:
    """The definition the new run has and what it begins with, or why there can be none."""
    refusal = _refusal(origin)
    if refusal is not None:
        return ResumePreview(can_resume=False, code=refusal[0], message=refusal[1])
    loaded = _definition(services, origin, original_definition=original_definition)
    if not isinstance(loaded, LoadedFlow):
        return ResumePreview(can_resume=False, code=loaded[0], message=loaded[1])
    found = resume_entries(
        origin.loaded.compiled, origin.start, origin.entries, now=services.clock.now, onto=loaded.compiled
    )
    if isinstance(found, Refusal):
        return ResumePreview(can_resume=False, code=found.code, message=found.message, differences=found.differences)
    broken = _broken_connection(services, loaded, found)
    if broken:
        row = services.store.connections.get(broken)
        named = f" {row.display_name!r}" if row is not None else ""
        return ResumePreview(
            can_resume=False,
            code=NEEDS_REPAIR,
            message=f"The connection{named} still needs repair. Repair it, then resume.",
            connection_id=broken,
            from_action=found.begins_with[0],
            from_repetition=found.begins_with[1],
        )
    return loaded, found


def _definition(services: Services, origin: Origin, *, original_definition: bool) -> LoadedFlow | tuple[str, str]:
    """What the new run is to run, or why it cannot, as (code, sentence)."""
    try:
        loaded = origin.loaded if original_definition else services.flows.latest(origin.row.flow_id)
    except CANNOT_BE_READ as error:
        return "DefinitionUnreadable", why_flow_unreadable(error)
    if loaded.missing_parameters:
        names = ", ".join(loaded.missing_parameters)
        return "WorkflowRunParameterMissing", f"The flow has no value for parameter {names}. Give it one first."
    return loaded


def _refusal(origin: Origin) -> tuple[str, str] | None:
    status = Status(origin.row.status)
    if not status.is_terminal:
        return "WorkflowRunInProgress", "The run has not finished. Cancel it first, or wait for its end."
    if status is Status.SUCCEEDED:
        return (
            "WorkflowRunSucceeded",
            "The run succeeded, so there is nothing to resume. Resubmit it to run it once more.",
        )
    if origin.loaded.row.state is not FlowState.ON:
        return "WorkflowTriggerIsNotEnabled", "The flow is turned off. Turn it on, then resume."
    if origin.start.parent is not None:
        parent = origin.start.parent.run_name
        return "ChildRun", f"The run {parent} called this one and waited for its answer. Resume that run instead."
    return origin.problem


def _broken_connection(services: Services, loaded: LoadedFlow, resumption: Resumption) -> str:
    """The connection that the action it goes on at would find broken, or ""."""
    node = loaded.compiled.nodes.get(resumption.begins_with[0])
    if node is None:
        return ""
    used = (loaded.mappings.get(key, "") for key in (node.reference, node.embedded()) if key)
    return services.health.first_broken(used)
