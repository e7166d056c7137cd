"""A run as people read it, with all its actions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from flowmend.core.errors import NotFound
from flowmend.core.outcome import Diagnosis, Status
from flowmend.core.run import ActionKey, Entry, ResponseRecord, RunStart
from flowmend.core.run.cards import ActionCard, run_tree
from flowmend.core.run.history import latest_records
from flowmend.store.rows import ConnectionRow, FlowRow, RunRow
from flowmend.use_cases.journal_pages import decode_pages, decode_start
from flowmend.use_cases.ports import Services
from flowmend.use_cases.resubmit_runs import cannot_resubmit_reason


@dataclass(frozen=True, slots=True, kw_only=True)
class RunHead:
    """One run without its actions. attempts: this run, what it resubmits and what resubmits it, oldest first.

    connection: of the first failed action that has one. held_resubmission: the run that begins with this one's event once its
    connection is repaired, "" where none waits.
    """

    row: RunRow
    flow_row: FlowRow
    start: RunStart
    attempts: tuple[RunRow, ...]
    tracked: dict[str, str]
    connection: ConnectionRow | None
    can_resubmit: bool
    cannot_resubmit_reason: str
    version_is_latest: bool
    held_resubmission: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDetail(RunHead):
    """One run with all its actions. diagnosis: of the first failed action that has one. in_doubt: actions that ask their owner."""

    tree: tuple[ActionCard, ...]
    entries: list[Entry]
    response: ResponseRecord | None
    diagnosis: Diagnosis | None
    in_doubt: tuple[ActionKey, ...]


def headlines(services: Services, rows: Sequence[RunRow]) -> dict[str, str]:
    """{run name: its first tracked value} of the runs that have one: how people find the run for order 4711."""
    tracked = services.store.tracked_values.of_runs([row.run_name for row in rows])
    return {name: values[0].value for name, values in tracked.items()}


async def run_entries(services: Services, run_name: str) -> list[Entry]:
    """The journal of a run in order. Errors: SecretUnreadable."""
    pages = services.store.runs.pages(run_name)
    return decode_pages(run_name, (page for _, page in pages), services.vault)


async def read_run_head(services: Services, run_name: str) -> RunHead:
    """One run, none of its actions read. Errors: NotFound."""
    row = services.store.runs.get(run_name)
    flow_row = services.store.flows.get(row.flow_id) if row else None
    if row is None or flow_row is None:
        raise NotFound(f"There is no run {run_name}.", code="WorkflowRunNotFound", target=run_name)
    loaded = services.flows.version(row.flow_id, row.version)
    reason = cannot_resubmit_reason(row.status, flow_row.state)
    held = services.store.trigger_events.held_resubmission(row.flow_id, run_name)
    return RunHead(
        row=row,
        flow_row=flow_row,
        start=decode_start(row.start, services.vault, loaded.parameters),
        attempts=tuple(reversed(services.store.runs.lineage(run_name))),
        tracked={one.name: one.value for one in services.store.tracked_values.of_run(run_name)},
        connection=services.store.connections.get(row.connection_id) if row.connection_id else None,
        can_resubmit=not reason,
        cannot_resubmit_reason=reason,
        version_is_latest=row.version == flow_row.version,
        held_resubmission=held.event_name if held else "",
    )


async def read_run(services: Services, run_name: str) -> RunDetail:
    """One run with all its actions. Errors: NotFound."""
    head = await read_run_head(services, run_name)
    row = head.row
    loaded = services.flows.version(row.flow_id, row.version)
    entries = await run_entries(services, run_name)
    latest = latest_records(entries)
    return RunDetail(
        **{one.name: getattr(head, one.name) for one in fields(RunHead)},
        tree=run_tree(loaded.compiled, entries),
        entries=entries,
        response=next((entry for entry in entries if isinstance(entry, ResponseRecord)), None),
        diagnosis=next(
            (one.diagnosis for one in latest.values() if one.diagnosis and one.name == row.failed_action), None
        ),
        in_doubt=tuple(
            key for key, one in latest.items() if one.status is Status.WAITING and one.code == "ActionInDoubt"
        ),
    )


def tracked_headline(tracked: Mapping[str, str]) -> str:
    """What people call the run: its first tracked value, or ""."""
    return next(iter(tracked.values()), "")
