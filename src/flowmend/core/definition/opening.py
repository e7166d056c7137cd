"""A package opened: every flow in it as a document of its own, with what the package says of it beside.

Whatever arrives (one file, a zip, a folder, a folder of zips) becomes one tree of paths; a zip reads as a folder. Each
JSON file in it is then taken for what its content shows, and completed from the files that belong to it.
"""

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from flowmend.core.definition.archive import Unpacked, is_archive, read_archive
from flowmend.core.definition.document_text import nests_too_deep, read_document
from flowmend.core.definition.flow import EMPTY, Flow, Packaging
from flowmend.core.definition.identity import Identity, derived_flow_id, flow_identity, uuid_of
from flowmend.core.definition.packages import detect_packaging, parts_of
from flowmend.core.definition.reading import read_flow
from flowmend.core.definition.solution_files import EnvironmentVariable, Solution, package_connections, read_solution
from flowmend.core.definition.standard_files import join_app_files
from flowmend.core.definition.surroundings import surrounded, variables_of
from flowmend.core.definition.templates import MissingValue, is_template, parameter_values, workflows_of
from flowmend.core.errors import FlowmendError, InvalidDocument
from flowmend.core.json_value import Json
from flowmend.core.problem import Problem, Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class PackagedFlow:
    """One flow of a package.

    document: a document of its own, as it would be stored: references, and values of parameters, gathered into it.
    path: of its file in the package. pointer: of the document in that file, "" where it is the whole. flow: None where
    nothing runnable can be made of it; its references and parameters are in it. problems: of reading, their pointers
    relative to `document`. missing: values of a deployment template that nobody said. children: the flows it calls,
    by id or name.
    """

    document: Json
    path: str
    pointer: str
    identity: Identity
    packaging: Packaging
    flow: Flow | None
    problems: tuple[Problem, ...] = ()
    environment_variables: tuple[EnvironmentVariable, ...] = ()
    missing: tuple[MissingValue, ...] = ()
    children: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileProblem:
    """A problem of a file rather than of a flow in it."""

    path: str
    problem: Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """What was found, in order of path."""

    flows: tuple[PackagedFlow, ...]
    problems: tuple[FileProblem, ...] = ()


def open_package(
    files: Mapping[str, bytes] | bytes, name: str, values: Mapping[str, Json] = EMPTY, *, each_once: bool = True
) -> Package:
    """Every flow in a file, a zip or a folder.

    files: the content of the file `name`, or `{path: content}` below the folder `name`; zips in it are opened too.
    values: for the parameters of deployment templates, and facts such as `resourceGroup().location`, by name.
    each_once: a flow that lies in several files is taken from the first; False to look at every file for itself.
    Errors: none, every fault is a problem.
    """
    opening = _Opening(name, values)
    package = opening.open({name: files} if isinstance(files, bytes) else files)
    return opening.told_apart(package) if each_once else package


class _Opening:
    """One package on its way from bytes to flows."""

    def __init__(self, name: str, values: Mapping[str, Json]) -> None:
        self._name = name
        self._values = values
        self._files: dict[str, bytes] = {}
        self._problems: list[FileProblem] = []
        self._solutions: dict[str, Solution] = {}

    def open(self, files: Mapping[str, bytes]) -> Package:
        self._unpack(files)
        candidates = [path for path in sorted(self._files) if len(self._files) == 1 or path.lower().endswith(".json")]
        found = [flow for path in candidates for flow in self._flows_of(path, is_alone=len(candidates) == 1)]
        if not found and not self._problems:
            self._report(self._name, "MissingDefinition", f"There is no flow in {self._name}.", _MISSING_HINT)
        return Package(flows=tuple(found), problems=tuple(self._problems))

    def told_apart(self, package: Package) -> Package:
        """Each flow under an id of its own; a flow that lies in the package twice is taken once."""
        flows = tuple(self._told_apart(package.flows))
        return Package(flows=flows, problems=tuple(self._problems))

    def _unpack(self, files: Mapping[str, bytes]) -> None:
        unpacked = Unpacked()
        for path, content in files.items():
            if not is_archive(content):
                self._files[path.replace("\\", "/")] = content
                continue
            try:
                inside = read_archive(content, path, unpacked)
            except FlowmendError as error:
                self._report(path, error.code, error.message)
            else:
                below = "" if len(files) == 1 else f"{path}/"
                self._files.update((f"{below}{inner}", found) for inner, found in inside.items())

    def _flows_of(self, path: str, *, is_alone: bool) -> Iterator[PackagedFlow]:
        try:
            document = read_document(self._files[path])
            if nests_too_deep(document):
                raise InvalidDocument("The file nests too deep to be read.", code="InvalidJSON")
            yield from self._flows_in(path, document, is_alone=is_alone)
        except FlowmendError as error:
            self._report(path, error.code, error.message)

    def _flows_in(self, path: str, document: Json, *, is_alone: bool) -> Iterator[PackagedFlow]:
        if not isinstance(document, Mapping):
            found = None
        elif is_template(document):
            yield from self._in_template(path, document)
            return
        elif isinstance(document.get("clientdata"), str):
            yield from self._in_records(path, [document], "")
            return
        elif isinstance(document.get("value"), list):
            yield from self._in_records(path, document["value"], "/value")
            return
        else:
            found = parts_of(document).definition
        if isinstance(found, Mapping):
            yield self._single(path, document)
        elif is_alone:
            reading = read_flow(document, packaging=Packaging.PLAIN, name=path)
            self._problems += [FileProblem(path=path, problem=problem) for problem in reading.problems]

    def _single(self, path: str, document: Mapping[str, Json]) -> PackagedFlow:
        packaging = detect_packaging(document, path)
        folder, _, file_name = path.rpartition("/")
        display_name, own_id = parts_of(document).display_name, parts_of(document).flow_id
        solution = Solution()
        if packaging is Packaging.PACKAGE and file_name.lower() == "definition.json":
            document = _with_references(document, package_connections(folder, self._files))
            own_id = own_id or uuid_of(folder.rpartition("/")[2])
        elif packaging is Packaging.STANDARD and file_name.lower() == "workflow.json":
            app = folder.rpartition("/")[0]
            document = join_app_files(document, f"{app}/" if app else "", self._files)
        elif packaging in {Packaging.SOLUTION, Packaging.CLIENTDATA}:
            solution = self._solution_of(path)
        identity = flow_identity(packaging=packaging, path=path, own_id=own_id, display_name=display_name)
        name = solution.flow_names.get(identity.flow_id)
        if name and not display_name:
            identity = dataclasses.replace(identity, name=name)
        return _packaged(surrounded(document, solution), path, identity, packaging, solution=solution)

    def _in_template(self, path: str, template: Mapping[str, Json]) -> Iterator[PackagedFlow]:
        stem = path.removesuffix(".json")
        beside = self._files.get(f"{stem}.parameters.json")
        given = parameter_values(read_document(beside)) if beside else {}
        workflows = list(workflows_of(template, {**given, **self._values}))
        taken: set[str] = set()
        for number, workflow in enumerate(workflows, start=1):
            name = workflow.name or stem.rpartition("/")[2]
            if len(workflows) > 1 and not workflow.name:
                name = f"{name}{workflow.pointer.replace('/', '-')}"
            if name in taken:  # a copy whose name does not say its pass
                name = f"{name}-{number}"
            taken.add(name)
            identity = Identity(flow_id=derived_flow_id(Packaging.ARM, name), name=name, is_derived=True)
            packaged = _packaged(workflow.document, path, identity, Packaging.ARM, missing=workflow.missing)
            yield dataclasses.replace(packaged, pointer=workflow.pointer)
        if not workflows:
            message = "The template deploys no workflow: it has no resource of type Microsoft.Logic/workflows."
            self._report(path, "MissingDefinition", message)

    def _in_records(self, path: str, records: list[Json], pointer: str) -> Iterator[PackagedFlow]:
        """Rows of Dataverse's `workflow` table: `{workflowid, name, clientdata: JSON as text}`."""
        for index, record in enumerate(records):
            text = record.get("clientdata") if isinstance(record, Mapping) else None
            document = read_document(text.encode()) if isinstance(text, str) else None
            if not isinstance(document, Mapping) or parts_of(document).definition is None or nests_too_deep(document):
                continue
            own_id = uuid_of(record.get("workflowid"))
            identity = flow_identity(
                packaging=Packaging.CLIENTDATA, path=path, own_id=own_id, display_name=str(record.get("name") or "")
            )
            packaged = _packaged(document, path, identity, Packaging.CLIENTDATA)
            yield dataclasses.replace(packaged, pointer=f"{pointer}/{index}" if pointer else "")

    def _solution_of(self, path: str) -> Solution:
        """The solution a file of its `Workflows` folder belongs to."""
        before, found, _ = f"/{path}".lower().rpartition("/workflows/")
        if not found:
            return Solution()
        root = path[: len(before)]
        if root not in self._solutions:
            below = {inner: file for inner, file in self._files.items() if inner.startswith(root)}
            self._solutions[root] = read_solution(below)
        return self._solutions[root]

    def _told_apart(self, flows: tuple[PackagedFlow, ...]) -> Iterator[PackagedFlow]:
        seen: dict[str, PackagedFlow] = {}
        for flow in flows:
            known = seen.get(flow.identity.flow_id)
            if known is not None and not flow.identity.is_derived:
                message = f"{flow.identity.name} is also in {known.path}, which is the one that is taken."
                self._report(flow.path, "DuplicateFlow", message, severity=Severity.WARNING)
                continue
            if known is not None:
                apart = derived_flow_id(flow.packaging, f"{flow.path}{flow.pointer}")
                flow = _renumbered(flow, dataclasses.replace(flow.identity, flow_id=apart))
            seen[flow.identity.flow_id] = flow
            yield flow

    def _report(
        self, path: str, code: str, message: str, hint: str = "", *, severity: Severity = Severity.ERROR
    ) -> None:
        problem = Problem(severity=severity, code=code, pointer="", message=message, hint=hint)
        self._problems.append(FileProblem(path=path, problem=problem))


_MISSING_HINT = "Give a definition with 'triggers' and 'actions', or an export that contains one."


def _packaged(
    document: Json,
    path: str,
    identity: Identity,
    packaging: Packaging,
    *,
    solution: Solution | None = None,
    missing: tuple[MissingValue, ...] = (),
) -> PackagedFlow:
    reading = read_flow(document, packaging=packaging, name=identity.name, flow_id=identity.flow_id)
    return PackagedFlow(
        document=document,
        path=path,
        pointer="",
        identity=identity,
        packaging=packaging,
        flow=reading.flow,
        problems=reading.problems,
        environment_variables=variables_of(reading.flow, solution or Solution()) if reading.flow else (),
        missing=missing,
        children=_children(reading.flow) if reading.flow else (),
    )


def _renumbered(flow: PackagedFlow, identity: Identity) -> PackagedFlow:
    reading = read_flow(flow.document, packaging=flow.packaging, name=identity.name, flow_id=identity.flow_id)
    return dataclasses.replace(flow, identity=identity, flow=reading.flow)


def _with_references(document: Mapping[str, Json], told: Mapping[str, Json]) -> Mapping[str, Json]:
    properties = document.get("properties")
    if not told or not isinstance(properties, Mapping):
        return document
    declared = properties.get("connectionReferences")
    references = dict(declared) if isinstance(declared, Mapping) else {}
    for key, entry in told.items():
        known = references.get(key)
        # What the flow itself says of a reference counts before what the maps beside it say.
        references[key] = {**entry, **known} if isinstance(known, Mapping) else entry
    return {**document, "properties": {**properties, "connectionReferences": references}}


def _children(flow: Flow) -> tuple[str, ...]:
    children: dict[str, None] = {}
    for action in flow.definition.walk():
        host = action.inputs.get("host") if action.type == "Workflow" and isinstance(action.inputs, Mapping) else None
        if isinstance(host, Mapping):
            workflow = host.get("workflow")
            named = host.get("workflowReferenceName") or (workflow.get("id") if isinstance(workflow, Mapping) else None)
            if isinstance(named, str) and named:
                children[named.rstrip("/").rpartition("/")[2]] = None
    return tuple(children)
