"""Flow files of this machine, read without a server or store."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from flowmend.core.checking import check_flow
from flowmend.core.definition import Flow, detect_packaging, flow_identity, parts_of, read_flow
from flowmend.core.definition.document_text import read_document
from flowmend.core.errors import InvalidDocument
from flowmend.core.problem import Problem, Severity

#: Files of a flow's project that are JSON and no flows.
_NO_FLOWS = frozenset(
    {"host.json", "connections.json", "parameters.json", "local.settings.json", "manifest.json", "connectionsMap.json"}
)

NO_FILE = "There is no flow in what you named: no .json file. Packages and solutions (.zip) are to be unpacked first."


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowFile:
    """What a file holds. flow: None where nothing runnable can be made of it; problems say why."""

    path: Path
    name: str
    flow: Flow | None
    problems: tuple[Problem, ...]


def files_below(path: Path) -> Iterator[Path]:
    """The file itself, or the JSON files below a folder that may be flows, in order of name."""
    if path.is_file():
        yield path
        return
    for found in sorted(path.rglob("*.json")):
        if found.is_file() and found.name not in _NO_FLOWS:
            yield found


def read_flow_file(path: Path) -> FlowFile:
    """The flow of a file with every problem of its text, definition and what it needs."""
    try:
        document = read_document(path.read_bytes())
    except InvalidDocument as error:
        problem = Problem(severity=Severity.ERROR, code=error.code, pointer="", message=error.message)
        return FlowFile(path=path, name=path.stem, flow=None, problems=(problem,))
    told = f"{path.resolve().parent.name}/{path.name}"
    packaging = detect_packaging(document, told)
    parts = parts_of(document)
    identity = flow_identity(packaging=packaging, path=told, own_id=parts.flow_id, display_name=parts.display_name)
    reading = read_flow(document, packaging=packaging, name=identity.name, flow_id=identity.flow_id)
    found = reading.problems + (check_flow(reading.flow) if reading.flow else ())
    return FlowFile(path=path, name=identity.name, flow=reading.flow, problems=tuple(dict.fromkeys(found)))
