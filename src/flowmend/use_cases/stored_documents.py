"""Flow documents as they are stored: the secrets written out in them go sealed, each in its place.

These are the values of secure parameters, inline authentication, secret headers and signed addresses
(`core.checking.secrets`). Each is bound to its flow and its place, so a copied one opens nowhere else.
"""

from base64 import b64decode, b64encode
from collections.abc import Callable

from flowmend.core.checking.secrets import literal_secrets
from flowmend.core.definition import Flow
from flowmend.core.definition.json_pointer import pointer_to
from flowmend.core.json_value import Json
from flowmend.core.run.views import SANITIZED
from flowmend.vault import Binding, Vault

_SEALED = "$flowmend.sealed"


def seal_document(document: Json, flow: Flow, flow_id: str, vault: Vault) -> Json:
    """The document to store. flow: as read from it; its problems and pointers are relative to the document's root."""
    secret = frozenset(literal_secrets(flow))

    def seal(value: Json, pointer: str) -> Json:
        if pointer not in secret and not _is_sealed(value):  # a text of ours in a foreign file is no seal of ours
            return value
        sealed = vault.seal_json(value, bound_to=_binding(flow_id, pointer))
        return {_SEALED: b64encode(sealed).decode()}

    return _changed(document, seal)


def open_document(document: Json, flow_id: str, vault: Vault) -> Json:
    """The document as it was given. Errors: SecretUnreadable."""

    def unseal(value: Json, pointer: str) -> Json:
        if not _is_sealed(value):
            return value
        return vault.open_json(b64decode(value[_SEALED]), bound_to=_binding(flow_id, pointer))

    return _changed(document, unseal)


def readable_document(document: Json) -> Json:
    """A stored document as people may see it."""
    return _changed(document, lambda value, _pointer: SANITIZED if _is_sealed(value) else value)


def _changed(value: Json, change: Callable[[Json, str], Json], pointer: str = "") -> Json:
    """The value with everything in it that `change` answers otherwise; what it changes is not looked into."""
    changed = change(value, pointer)
    if changed is not value:
        return changed
    if isinstance(value, dict):
        return {key: _changed(inner, change, pointer_to(pointer, key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [_changed(inner, change, pointer_to(pointer, index)) for index, inner in enumerate(value)]
    return value


def _is_sealed(value: Json) -> bool:
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get(_SEALED), str)


def _binding(flow_id: str, pointer: str) -> Binding:
    return Binding(kind="flow_document", parts=(flow_id, pointer))
