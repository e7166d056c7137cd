"""Flow files of this machine, read without a server or store: definitions, packages, and folders of them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from flowmend.core.checking import check_flow
from flowmend.core.definition import Flow, PackagedFlow, open_package
from flowmend.core.errors import AskedWrongly, InvalidDocument
from flowmend.core.json_value import Json
from flowmend.core.problem import Problem

_ENDINGS = frozenset({".json", ".zip", ".xml"})
# What tools leave in a project's folder; no flow lies there.
_NO_FLOWS = frozenset({"node_modules", "bin", "obj", "workflow-designtime"})
#: What a Logic Apps Standard app keeps beside its workflows.
_APP_FILES = ("host.json", "connections.json", "parameters.json", "local.settings.json")

NO_FILE = "There is no flow in what you named: no .json, .zip or .xml file."


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowFile:
    """A flow of a file, or the file where it holds none. flow: None where nothing runnable can be made of it; problems
    say why, their pointers leading from the file's root.
    """

    path: str
    name: str
    flow: Flow | None
    problems: tuple[Problem, ...]
    missing_values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What a data folder holds. connectors: installed ones. connected: those with exactly one connection, which an
    import maps by itself. mapped: {flow id: keys of its references that mean a connection}.
    """

    connectors: frozenset[str]
    connected: frozenset[str]
    mapped: Mapping[str, frozenset[str]]


def package_files(path: Path) -> dict[str, bytes]:
    """`{path: content}` of a file with what belongs to it, or of a folder; paths begin with the folder's own name."""
    if path.is_dir():
        root = path.resolve()
        return {f"{root.name}/{one.relative_to(root).as_posix()}": one.read_bytes() for one in _files_below(root)}
    # The folder's name goes along: a Logic Apps Standard flow is called by it.
    folder = path.resolve().parent
    files = {f"{folder.name}/{path.name}": path.read_bytes()}
    if path.name.lower() == "workflow.json":
        beside = [folder.parent / name for name in _APP_FILES]
        files |= {one.name: one.read_bytes() for one in beside if one.is_file()}
    return files


def hold_files(paths: Iterable[Path]) -> bool:
    """Whether there is any file that may hold a flow among these files and folders."""
    return any(not path.is_dir() or _files_below(path) for path in paths)


def read_flow_files(path: Path, values: Mapping[str, Json] | None = None, known: Known | None = None) -> list[FlowFile]:
    """Every flow of a file or folder with every problem of its text, definition and what it needs.

    values: of deployment templates' parameters. known: what is installed, None where nothing is known of that.
    """
    files = package_files(path)
    package = open_package(files, path.name, values or {}, each_once=False)
    found = [_flow_file(path, one, known) for one in package.flows]
    for one in package.problems:
        place = _shown(path, one.path)
        found.append(FlowFile(path=place, name=Path(one.path).stem, flow=None, problems=(one.problem,)))
    return sorted(found, key=lambda one: one.path)


def read_one_flow(path: Path, values: Mapping[str, Json], name: str | None = None) -> Flow:
    """The flow of a file, of several the one of that name or id. Errors: InvalidDocument; AskedWrongly."""
    found = read_flow_files(path, values)
    flows = [one.flow for one in found if one.flow is not None]
    if not flows:
        raise InvalidDocument(
            f"{path} holds no flow that can run.", [problem for one in found for problem in one.problems]
        )
    named = [one for one in flows if name is None or name.casefold() in {one.name.casefold(), one.flow_id}]
    if len(named) != 1:
        names = ", ".join(one.name for one in flows)
        raise AskedWrongly(f"Name one of the flows of {path} with --flow: {names}.", code="AmbiguousName")
    return named[0]


def _files_below(root: Path) -> list[Path]:
    return [
        one
        for one in sorted(root.rglob("*"))
        if one.suffix.lower() in _ENDINGS
        and one.is_file()
        and not any(part in _NO_FLOWS or part.startswith(".") for part in one.relative_to(root).parts)
    ]


def _flow_file(path: Path, packaged: PackagedFlow, known: Known | None) -> FlowFile:
    problems = _checked(packaged.flow, known) if packaged.flow else packaged.problems
    return FlowFile(
        path=_shown(path, packaged.path),
        name=packaged.identity.name,
        flow=packaged.flow,
        problems=tuple(_leading_from_root(problem, packaged.pointer) for problem in dict.fromkeys(problems)),
        missing_values=tuple(one.name for one in packaged.missing),
    )


def _checked(flow: Flow, known: Known | None) -> tuple[Problem, ...]:
    if known is None:
        return check_flow(flow)
    mapped = known.mapped.get(flow.flow_id, frozenset()) | {
        key for key, one in flow.connection_references.items() if one.connector in known.connected
    }
    return check_flow(flow, known_connectors=known.connectors, mapped_references=mapped)


def _leading_from_root(problem: Problem, pointer: str) -> Problem:
    return replace(problem, pointer=pointer + problem.pointer)


def _shown(path: Path, inner: str) -> str:
    """A path in the package as one on this machine, as far as it is one."""
    if path.is_dir():
        return str(path / inner.partition("/")[2])
    own = f"{path.resolve().parent.name}/{path.name}"
    return str(path) if inner in {own, path.name} else f"{path}/{inner}"
