"""Credentials sealed and opened: the one place that says what each is bound to.

A credential is bound to its connection, its slot and the origins it may be sent to (architecture, Rules of safety):
copied to another row, or sent to another host, it does not open.
"""

from enum import StrEnum

from flowmend.core.connection.credentials import Credential, decode_credential, encode_credential
from flowmend.core.errors import Conflict
from flowmend.store.rows import ConnectionRow
from flowmend.vault import Binding, Vault


class Slot(StrEnum):
    """The two places of a connection's credentials."""

    CURRENT = "current"
    PREVIOUS = "previous"  # kept sealed until the first good use of the current one


def seal_credential(vault: Vault, row: ConnectionRow, credential: Credential, slot: Slot = Slot.CURRENT) -> bytes:
    """The credential sealed for this row as it is: its id and allowed origins."""
    return vault.seal_json(encode_credential(credential), bound_to=_binding(row, slot))


def open_credential(vault: Vault, row: ConnectionRow) -> Credential:
    """The current credential of a row that holds its own (`credential_holder`).

    Errors: Conflict where nobody has signed in yet; SecretUnreadable.
    """
    if not row.sealed_credential:
        raise Conflict(f"{row.display_name!r} has no credential yet: sign in first.", code="NoCredential")
    return decode_credential(vault.open_json(row.sealed_credential, bound_to=_binding(row, Slot.CURRENT)))


def seal_app_secret(vault: Vault, app_id: str, secret: str) -> bytes:
    """A sign-in app's client secret."""
    return vault.seal(secret.encode(), bound_to=Binding(kind="sign_in_app", parts=(app_id,)))


def open_app_secret(vault: Vault, app_id: str, sealed: bytes) -> str:
    """Errors: SecretUnreadable."""
    return vault.open(sealed, bound_to=Binding(kind="sign_in_app", parts=(app_id,))).decode() if sealed else ""


def _binding(row: ConnectionRow, slot: Slot) -> Binding:
    return Binding(kind="credential", parts=(row.connection_id, slot.value, *sorted(row.allowed_origins)))
