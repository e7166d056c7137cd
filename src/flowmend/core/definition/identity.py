"""Which flow a file holds: its id and its name, the same each time the file is read."""

import re
from dataclasses import dataclass
from uuid import UUID, uuid5

from flowmend.core.definition.flow import Packaging
from flowmend.core.json_value import Json

#: The namespace of the ids of flows whose file carries none: UUIDv5(namespace, "<packaging>:<flow name>").
#: Drawn once at random; a change would make every later import a second flow.
FLOW_NAMESPACE = UUID("6d0e8f3a-52b7-4c1e-9a44-1f7b0c5d2e96")

# A solution writes each flow to `Workflows/<name>-<UUID>.json`.
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_SOLUTION_FILE = re.compile(rf"(?P<name>.+)-(?P<uuid>{_UUID})\.json", re.IGNORECASE)
_FILE_ENDING = re.compile(r"\.(?:definition\.)?json$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """flow_id: a UUID in lower case. name: what people call the flow. is_derived: the file carries no id of its own."""

    flow_id: str
    name: str
    is_derived: bool = False


def flow_identity(*, packaging: Packaging, path: str, own_id: str = "", display_name: str = "") -> Identity:
    """The identity of the flow in the file at `path` (its separators may be of either kind).

    own_id, display_name: what the document itself says (`packages.Parts`), "" where it says nothing.
    Standard flows are named by the folder of their `workflow.json`, all others by the file.
    """
    folder, _, file_name = path.replace("\\", "/").rpartition("/")
    solution = _SOLUTION_FILE.fullmatch(file_name)
    if solution:
        own_id = own_id or uuid_of(solution["uuid"])
        name = solution["name"]
    elif packaging is Packaging.STANDARD and file_name.lower() == "workflow.json":
        name = folder.rpartition("/")[2] or "workflow"
    else:
        name = _FILE_ENDING.sub("", file_name)
    return Identity(
        flow_id=own_id or derived_flow_id(packaging, name), name=display_name or name, is_derived=not own_id
    )


def derived_flow_id(packaging: Packaging, name: str) -> str:
    """The id of a flow whose file carries none, from its packaging and name."""
    return str(uuid5(FLOW_NAMESPACE, f"{packaging}:{name}"))


def uuid_in_file_name(file_name: str) -> str:
    """The UUID at the end of a solution's file name, in lower case, "" where there is none."""
    match = _SOLUTION_FILE.fullmatch(file_name.replace("\\", "/").rpartition("/")[2])
    return match["uuid"].lower() if match else ""


def uuid_of(text: Json) -> str:
    """`text` in lower case if it is a UUID written with hyphens, else ""."""
    return text.lower() if isinstance(text, str) and re.fullmatch(_UUID, text, re.IGNORECASE) else ""
