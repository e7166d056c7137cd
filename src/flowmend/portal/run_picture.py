"""The picture of a stored run: its steps, of each loop the chosen pass, and of its actions what is asked for."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from flowmend.core.json_value import Json
from flowmend.core.outcome import Diagnosis
from flowmend.core.run import ChildCall
from flowmend.core.run.call_making import call_of
from flowmend.portal.graph import Step
from flowmend.portal.run_steps import StepReader, after_trigger, trigger_step, trigger_values
from flowmend.use_cases.child_flows import child_run_name
from flowmend.use_cases.loaded_flows import LoadedFlow
from flowmend.use_cases.ports import Services
from flowmend.use_cases.run_journals import RunJournal
from flowmend.use_cases.runs import RunHead


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """steps: the trigger first. diagnosis: of the action that failed the run, where it has one."""

    steps: tuple[Step, ...]
    journal: RunJournal
    loaded: LoadedFlow
    diagnosis: Diagnosis | None
    reader: StepReader
    trigger_values: tuple[Json, Json]

    def values(self, step: Step) -> tuple[Json, Json]:
        """The inputs and outputs of a step, secure ones as `*sanitized*`. Errors: SecretUnreadable."""
        return self.trigger_values if step.is_trigger else self.reader.values(step)


def child_run_of(services: Services, picture: Picture, step: Step, head: RunHead) -> str:
    """The run that a step's call of another flow began, "" for none."""
    node = None if step.is_trigger else picture.loaded.compiled.nodes.get(step.name)
    if node is None or node.type != "Workflow":
        return ""
    record = picture.journal.record((step.name, step.repetition))
    if record is None or not record.key or not isinstance(record.inputs, dict):
        return ""
    call = call_of(picture.loaded.compiled, node, record.inputs, None)
    if not isinstance(call, ChildCall):
        return ""
    return child_run_name(services, call, client_request_id=record.key, since=head.row.started_at)


async def read_picture(services: Services, head: RunHead, chosen: Mapping[str, int]) -> Picture:
    """chosen: `{loop's name: the pass, from 0}`, for others the most telling one."""
    row = head.row
    loaded = services.flows.version(row.flow_id, row.version)
    journal = await services.journals.open(services.store, services.vault, row.run_name)
    reader = StepReader(compiled=loaded.compiled, journal=journal, connector_of=connector_of(loaded), chosen=chosen)
    trigger = loaded.flow.definition.triggers.get(row.trigger_name)
    view = head.start.trigger
    return Picture(
        steps=after_trigger(reader.steps(), trigger_step(trigger, view)),
        journal=journal,
        loaded=loaded,
        diagnosis=_diagnosis(journal, loaded, row.failed_action),
        reader=reader,
        trigger_values=trigger_values(trigger, view),
    )


def connector_of(loaded: LoadedFlow) -> Callable[[str], str]:
    """An action's name → its connector, "" where it calls none."""
    references = loaded.flow.connection_references

    def found(action_name: str) -> str:
        node = loaded.compiled.nodes.get(action_name)
        reference = references.get(node.reference) if node is not None and node.reference else None
        return reference.connector if reference else ""

    return found


def _diagnosis(journal: RunJournal, loaded: LoadedFlow, failed_action: str) -> Diagnosis | None:
    if failed_action not in loaded.compiled.nodes:
        return None
    key = journal.map.first_broken(failed_action)
    head = journal.head(key) if key is not None else None
    return head.diagnosis if head is not None else None
