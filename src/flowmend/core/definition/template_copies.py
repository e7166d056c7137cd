"""The copy loops of deployment templates: of a resource, of a property, of a variable.

    {"type": "Microsoft.Logic/workflows", "copy": {"name": "flows", "count": 3}, "name": "[concat('f', copyIndex())]", …}
    {"copy": [{"name": "steps", "count": "[length(parameters('steps'))]", "input": {"n": "[copyIndex('steps', 1)]"}}]}

The second stands among the properties of an object, or the variables, and becomes the array `steps` there.
Source: learn.microsoft.com/azure/azure-resource-manager/templates/copy-resources, copy-properties, copy-variables
"""

from collections.abc import Mapping
from dataclasses import dataclass

from flowmend.core.errors import InvalidDocument, TooLarge
from flowmend.core.json_value import Json

#: Source: learn.microsoft.com/azure/azure-resource-manager/templates/copy-resources#iteration-limits
MOST_COPIES = 800


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One loop. count: as written, perhaps an expression. input: what each pass of a property's loop gives."""

    name: str
    count: Json
    input: Json = None


def property_copies(holder: Mapping[str, Json]) -> tuple[Copy, ...]:
    """The loops of an object's properties; none where its `copy` is a property like any other."""
    entries = holder.get("copy")
    if not isinstance(entries, list) or not entries:
        return ()
    copies = tuple(
        Copy(name=str(entry["name"]), count=entry["count"], input=entry["input"])
        for entry in entries
        if isinstance(entry, Mapping) and {"name", "count", "input"} <= entry.keys()
    )
    return copies if len(copies) == len(entries) else ()


def resource_copy(resource: Mapping[str, Json]) -> Copy | None:
    """The loop of a resource, None for a resource that there is once."""
    entry = resource.get("copy")
    if not isinstance(entry, Mapping) or "count" not in entry:
        return None
    return Copy(name=str(entry.get("name", "")), count=entry["count"])


def passes_of(copy: Copy, count: Json) -> range:
    """The passes of a loop. count: what its expression came to.

    Errors: TooLarge `TemplateCopyLimitExceeded` for more than a deployment makes; InvalidDocument `InvalidTemplateCopy`
    for what is no count.
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise InvalidDocument(
            f"The loop '{copy.name}' of the template is to be gone through {count!r} times, which is no count.",
            code="InvalidTemplateCopy",
        )
    if count > MOST_COPIES:
        raise TooLarge(
            f"The loop '{copy.name}' of the template is to be gone through {count:,} times; a deployment allows {MOST_COPIES}.",
            code="TemplateCopyLimitExceeded",
        )
    return range(count)
