"""A definition back to JSON."""

from flowmend.core.definition.flow import Definition
from flowmend.core.json_value import Json


def write_definition(definition: Definition) -> Json:
    """The definition exactly as it was read, keys Flowmend does not know included."""
    return dict(definition.raw)
