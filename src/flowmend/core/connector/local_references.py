"""Following `$ref` inside one document; nothing is ever fetched."""

from flowmend.core.json_value import Json

_MOST_STEPS = 20


def resolved(document: Json, node: Json) -> Json:
    """The node a chain of local `$ref`s leads to; None where it leads nowhere, out of the document, or in a circle."""
    for _ in range(_MOST_STEPS):
        reference = node.get("$ref") if isinstance(node, dict) else None
        if not isinstance(reference, str):
            return node
        if not reference.startswith("#/"):
            return None
        node = document
        for step in reference[2:].split("/"):
            name = step.replace("~1", "/").replace("~0", "~")
            node = node.get(name) if isinstance(node, dict) else None
    return None
