"""What a file holds (dry run) and what importing it made: our own resources, snake_case."""

import msgspec

from flowmend.api.shapes.flow import NamedConnection
from flowmend.api.shapes.problem import ProblemShape, problem_shapes
from flowmend.use_cases.import_flow import Imported, ImportFinding


class NeededReference(msgspec.Struct, frozen=True, kw_only=True):
    """A connection reference of the file and the connections that could stand for it."""

    key: str
    connector: str
    connector_installed: bool
    candidates: list[NamedConnection]


class FindingShape(msgspec.Struct, frozen=True, kw_only=True):
    """A flow found in a file; nothing was changed. parameters: names without a value."""

    id: str
    name: str
    packaging: str
    exists: bool
    trigger: str
    action_count: int
    connectors: list[str]
    references: list[NeededReference]
    parameters: list[str]
    problems: list[ProblemShape]
    will_begin: str
    can_import: bool


class ImportedShape(msgspec.Struct, frozen=True, kw_only=True):
    """A flow that arrived, Off. created: False where it became a new version of one that was there."""

    id: str
    name: str
    version: str
    created: bool
    problems: list[ProblemShape]


def finding_shape(finding: ImportFinding) -> FindingShape:
    return FindingShape(
        id=finding.flow_id,
        name=finding.name,
        packaging=str(finding.packaging),
        exists=finding.exists,
        trigger=finding.trigger,
        action_count=finding.action_count,
        connectors=list(finding.connectors),
        references=[
            NeededReference(
                key=need.key,
                connector=need.connector,
                connector_installed=need.connector_installed,
                candidates=[NamedConnection(id=found, display_name=name) for found, name in need.candidates],
            )
            for need in finding.references
        ],
        parameters=list(finding.parameters),
        problems=problem_shapes(finding.problems),
        will_begin=finding.will_begin,
        can_import=finding.can_import,
    )


def imported_shape(imported: Imported) -> ImportedShape:
    return ImportedShape(
        id=imported.flow_id,
        name=imported.name,
        version=imported.version,
        created=imported.created,
        problems=problem_shapes(imported.problems),
    )
