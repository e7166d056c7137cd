"""A run as the API shows it: its latest records without secrets, and the signed addresses of its contents."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flowmend.api.shapes.action import ActionProperties, action_properties, looped_action_properties
from flowmend.api.shapes.content_link import ContentLink
from flowmend.api.shapes.run import Run, listed_run, run_resource
from flowmend.api.shapes.secrecy import readable_start
from flowmend.api.signed_contents import LINK_LASTS, SignedContents
from flowmend.core.errors import NotFound
from flowmend.core.run.compiling import CompiledFlow
from flowmend.core.run.history import iteration_counts, latest_records, readable, repetition_name
from flowmend.core.run.record import ActionKey, ActionRecord, EndRecord, RunStart
from flowmend.store.rows import RunRow
from flowmend.use_cases.ports import Services
from flowmend.use_cases.runs import RunDetail, read_run
from flowmend.use_cases.unreadable import CANNOT_BE_READ


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadableRun:
    """One run. passes: {action name: its records in order of repetition}. counts: {loop's key: iterations begun}."""

    row: RunRow
    start: RunStart
    contents: SignedContents
    passes: Mapping[str, list[ActionRecord]]
    counts: Mapping[ActionKey, int]
    compiled: CompiledFlow
    detail: RunDetail

    def resource(self) -> Run:
        """The Run body."""
        answered = self.detail.response
        return run_resource(
            self.row,
            self.start,
            contents=self.contents,
            end=next((entry for entry in self.detail.entries if isinstance(entry, EndRecord)), None),
            response=self.passes[answered.action][-1] if answered and answered.action in self.passes else None,
        )

    def properties(self, name: str) -> ActionProperties:
        """An action as the flat list shows it. Errors: NotFound."""
        records = self.records(name)
        if self.compiled.nodes[name].loops:
            return looped_action_properties(records, self.start)
        return self.pass_properties(records[0])

    def pass_properties(self, record: ActionRecord) -> ActionProperties:
        """One record: an action outside loops, or one pass of it inside."""
        node = self.compiled.nodes[record.name]
        count = self.counts.get((record.name, record.repetition), 0)
        return action_properties(
            record,
            self.start,
            self.contents,
            loops=[loop.name for loop in node.loops],
            repetition_count=count if node.type == "Foreach" else None,
            iteration_count=count if node.type == "Until" else None,
        )

    def records(self, name: str) -> list[ActionRecord]:
        """The passes of an action. Errors: NotFound."""
        found = self.passes.get(name)
        if found is None:
            raise NotFound(
                f"The run {self.row.run_name} has no action {name!r}.", code="WorkflowRunActionNotFound", target=name
            )
        return found

    def record(self, name: str, repetition: str) -> ActionRecord:
        """The pass of that name, e.g. `000001`; "" outside loops. Errors: NotFound."""
        for record in self.records(name):
            if repetition_name(record.repetition) == repetition:
                return record
        raise NotFound(
            f"The action {name!r} has no repetition {repetition}.",
            code="WorkflowRunActionRepetitionNotFound",
            target=repetition,
        )


async def readable_run(services: Services, run_name: str) -> ReadableRun:
    """Errors: NotFound."""
    detail = await read_run(services, run_name)
    row = detail.row
    loaded = services.flows.version(row.flow_id, row.version)
    records = [readable(record) for record in latest_records(detail.entries).values()]
    passes: dict[str, list[ActionRecord]] = {}
    for record in sorted(records, key=lambda one: one.repetition):
        passes.setdefault(record.name, []).append(record)
    return ReadableRun(
        row=row,
        start=readable_start(detail.start, has_secure_trigger=loaded.has_secure_trigger),
        contents=contents_of(services, row.flow_id, row.run_name),
        passes=passes,
        counts=iteration_counts(loaded.compiled, records),
        compiled=loaded.compiled,
        detail=detail,
    )


def listed_runs(services: Services, rows: Sequence[RunRow]) -> list[Run]:
    """Runs as lists show them: without what only their journals hold, which can be megabytes each."""
    events = services.store.trigger_events.of_runs([row.run_name for row in rows])
    return [listed_run(row, events.get(row.run_name), _outputs_link(services, row)) for row in rows]


def _outputs_link(services: Services, row: RunRow) -> ContentLink | None:
    """Where the trigger's outputs can be read; None for a schedule, which has none, and where the flow does not read."""
    try:
        trigger = services.flows.latest(row.flow_id).flow.definition.triggers.get(row.trigger_name)
        contents = contents_of(services, row.flow_id, row.run_name)
    except CANNOT_BE_READ:
        return None  # nor could the content be read
    if trigger is not None and trigger.type == "Recurrence":
        return None
    return ContentLink(uri=contents.uri("", "TriggerOutputs"))


def contents_of(services: Services, flow_id: str, run_name: str) -> SignedContents:
    """Where the contents of this run can be read from now until the links end. Errors: NotFound."""
    return SignedContents(
        base_url=services.settings.base_url,
        flow_id=flow_id,
        run_name=run_name,
        key=services.flows.latest(flow_id).access_key,
        expires_at=services.clock.now + LINK_LASTS,
    )
