"""What a package holds (dry run) and what importing it made: our own resources, snake_case."""

from collections.abc import Iterable

import msgspec

from flowmend.api.shapes.flow import NamedConnection
from flowmend.api.shapes.problem import ProblemShape, problem_shapes
from flowmend.core.definition import FileProblem
from flowmend.core.json_value import Json
from flowmend.use_cases.import_flow import Imported, ImportReport
from flowmend.use_cases.import_plan import ImportFinding, ImportPlan, PlannedReference, PlannedValue
from flowmend.use_cases.planned_sign_ins import PlannedSignIn


class NeededReference(msgspec.Struct, frozen=True, kw_only=True):
    """A connection reference of the file and the connections that could stand for it."""

    key: str
    connector: str
    connector_installed: bool
    candidates: list[NamedConnection]


class FindingShape(msgspec.Struct, frozen=True, kw_only=True):
    """A flow found in a package; nothing was changed. file: its path in it. parameters: names without a value.

    secrets: where literal ones stand that the vault will take. children: the flows it calls, by id or name.
    """

    id: str
    name: str
    file: str
    packaging: str
    exists: bool
    trigger: str
    action_count: int
    connectors: list[str]
    references: list[NeededReference]
    parameters: list[str]
    secrets: list[str]
    children: list[str]
    problems: list[ProblemShape]
    will_begin: str
    can_import: bool


class SharedReference(msgspec.Struct, frozen=True, kw_only=True):
    """A connection reference that flows of the package share. flows: their ids."""

    id: str
    name: str
    connector: str
    connector_installed: bool
    candidates: list[NamedConnection]
    flows: list[str]


class StepShape(msgspec.Struct, frozen=True, kw_only=True):
    """A step of a flow, by their names."""

    flow: str
    step: str


class PlannedSignInShape(msgspec.Struct, frozen=True, kw_only=True):
    """An authentication written in flows of the package, each distinct one once; a connection is made of it.

    connection: the id of the one that it is already, "" where a new one of this name is made. account: who signs in.
    hosts: where it goes; is_anywhere: also where runs compute that. needs: what is still to be given. steps: which sign in so.
    """

    id: str
    kind: str
    account: str
    hosts: list[str]
    is_anywhere: bool
    connection: str
    display_name: str
    needs: list[str]
    candidates: list[NamedConnection]
    steps: list[StepShape]


class EmbeddedShape(msgspec.Struct, frozen=True, kw_only=True):
    """The connection that an authentication written in a flow has become. needs: what is to be given before it can sign in."""

    connection: str
    display_name: str
    is_new: bool
    is_signed_in: bool
    needs: list[str]
    pointers: list[str]


class AskedValue(msgspec.Struct, frozen=True, kw_only=True):
    """A value to say once for all flows that read it. value: what the package brings, never a secret's. flows: names."""

    name: str
    display_name: str
    type: str
    description: str
    is_secret: bool
    is_required: bool
    value: Json
    flows: list[str]


class FileProblemShape(ProblemShape, frozen=True, kw_only=True):
    """A problem of a file that gave no flow."""

    file: str


class PlanShape(msgspec.Struct, frozen=True, kw_only=True):
    """What a package holds and needs; nothing was changed. value: its flows."""

    value: list[FindingShape]
    references: list[SharedReference]
    sign_ins: list[PlannedSignInShape]
    parameters: list[AskedValue]
    environment_variables: list[AskedValue]
    problems: list[FileProblemShape]


class ImportedShape(msgspec.Struct, frozen=True, kw_only=True):
    """A flow that arrived. created: False where it became a new version of one that was there. is_on: it waits for its
    trigger.

    moved_secrets: where literal secrets stood that now lie sealed in the vault. sign_ins: connections made of, or found for,
    the authentications written in it.
    """

    id: str
    name: str
    file: str
    version: str
    created: bool
    is_on: bool
    problems: list[ProblemShape]
    moved_secrets: list[str]
    sign_ins: list[EmbeddedShape]


class ReportShape(msgspec.Struct, frozen=True, kw_only=True):
    """The flows that arrived, and the files that gave none."""

    value: list[ImportedShape]
    problems: list[FileProblemShape]


class ChoicesShape(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is said about an import. connections: `{id of a shared reference or sign-in: connection id}`. flows: ids, None for
    all.

    turn_on: the flows that can run are on at once.
    """

    connections: dict[str, str] = {}
    values: dict[str, Json] = {}
    flows: list[str] | None = None
    turn_on: bool = False


def plan_shape(plan: ImportPlan) -> PlanShape:
    return PlanShape(
        value=[finding_shape(finding) for finding in plan.findings],
        references=[_reference(reference) for reference in plan.references],
        sign_ins=[_sign_in(one) for one in plan.sign_ins],
        parameters=[_asked(value) for value in plan.parameters],
        environment_variables=[_asked(value) for value in plan.environment_variables],
        problems=[_file_problem(one) for one in plan.problems],
    )


def report_shape(report: ImportReport) -> ReportShape:
    return ReportShape(
        value=[imported_shape(one) for one in report.flows], problems=[_file_problem(one) for one in report.problems]
    )


def finding_shape(finding: ImportFinding) -> FindingShape:
    return FindingShape(
        id=finding.flow_id,
        name=finding.name,
        file=finding.path,
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
                candidates=_named(need.candidates),
            )
            for need in finding.references
        ],
        parameters=list(finding.parameters),
        secrets=list(finding.secrets),
        children=list(finding.children),
        problems=problem_shapes(finding.problems),
        will_begin=finding.will_begin,
        can_import=finding.can_import,
    )


def imported_shape(imported: Imported) -> ImportedShape:
    return ImportedShape(
        id=imported.flow_id,
        name=imported.name,
        file=imported.path,
        version=imported.version,
        created=imported.created,
        is_on=imported.is_on,
        problems=problem_shapes(imported.problems),
        moved_secrets=list(imported.moved_secrets),
        sign_ins=[
            EmbeddedShape(
                connection=one.connection_id,
                display_name=one.display_name,
                is_new=one.is_new,
                is_signed_in=one.is_signed_in,
                needs=list(one.needs),
                pointers=[use.pointer for use in one.uses],
            )
            for one in imported.sign_ins
        ],
    )


def _reference(reference: PlannedReference) -> SharedReference:
    return SharedReference(
        id=reference.reference_id,
        name=reference.name,
        connector=reference.connector,
        connector_installed=reference.connector_installed,
        candidates=_named(reference.candidates),
        flows=list(dict.fromkeys(flow_id for flow_id, _ in reference.uses)),
    )


def _sign_in(planned: PlannedSignIn) -> PlannedSignInShape:
    return PlannedSignInShape(
        id=planned.sign_in_id,
        kind=planned.kind,
        account=planned.account,
        hosts=list(planned.hosts),
        is_anywhere=planned.is_anywhere,
        connection=planned.connection_id,
        display_name=planned.connection_name,
        needs=list(planned.needs),
        candidates=_named(planned.candidates),
        steps=[StepShape(flow=flow, step=step) for flow, step in planned.uses],
    )


def _asked(value: PlannedValue) -> AskedValue:
    return AskedValue(
        name=value.name,
        display_name=value.shown_name,
        type=value.type,
        description=value.description,
        is_secret=value.is_secret,
        is_required=value.is_required,
        value=value.value,
        flows=list(value.flows),
    )


def _named(candidates: Iterable[tuple[str, str]]) -> list[NamedConnection]:
    return [NamedConnection(id=found, display_name=name) for found, name in candidates]


def _file_problem(found: FileProblem) -> FileProblemShape:
    (shape,) = problem_shapes((found.problem,))
    return FileProblemShape(file=found.path, **msgspec.structs.asdict(shape))
