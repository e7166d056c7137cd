"""Our own settings in a definition, below `metadata.flowmend`: they travel with it and survive its export."""

from collections.abc import Mapping

from flowmend.core.definition.packages import parts_of
from flowmend.core.json_value import Json

_OURS = "flowmend"


def own_setting(metadata: Mapping[str, Json], name: str) -> Json:
    """A setting of a flow, trigger or action by its metadata; None where it has none."""
    ours: Json = metadata.get(_OURS)
    return ours.get(name) if isinstance(ours, Mapping) else None


def with_own_setting(document: Mapping[str, Json], name: str, value: Json) -> dict[str, Json]:
    """The document of a flow with this setting. value: None takes it away, and what is empty then with it."""
    return _with_definition(document, parts_of(document).definition, name, value)


def _with_definition(holder: Mapping[str, Json], definition: Json, name: str, value: Json) -> dict[str, Json]:
    if holder is definition:
        return _with_setting(holder, name, value)
    inner = holder.get("properties")
    key = "properties" if isinstance(inner, Mapping) and "definition" in inner else "definition"
    inner = holder.get(key)
    return (
        {**holder, key: _with_definition(inner, definition, name, value)}
        if isinstance(inner, Mapping)
        else dict(holder)
    )


def _with_setting(definition: Mapping[str, Json], name: str, value: Json) -> dict[str, Json]:
    metadata = definition.get("metadata")
    before = dict(metadata) if isinstance(metadata, Mapping) else {}
    known = before.pop(_OURS, None)
    ours = {key: one for key, one in known.items() if key != name} if isinstance(known, Mapping) else {}
    if value is not None:
        ours[name] = value
    after = {**before, _OURS: ours} if ours else before
    rest = {key: one for key, one in definition.items() if key != "metadata"}
    return {**rest, "metadata": after} if after else rest
