"""Credentials sealed and opened: the one place that says what each is bound to.

A credential is bound to its connection, its slot and the origins it may be sent to (architecture, Rules of safety):
copied to another row, or sent to another host, it does not open.
"""

from datetime import datetime

import msgspec

from flowmend.core.connection.credentials import Credential, decode_credential, encode_credential
from flowmend.core.errors import Conflict, SecretUnreadable
from flowmend.core.json_value import Json
from flowmend.store.rows import ConnectionRow
from flowmend.vault import Binding, Vault

#: The two places of a connection's credentials. The previous one is kept until the first good use of the current one.
_CURRENT, _PREVIOUS = "current", "previous"


class PreviousSignIn(msgspec.Struct, frozen=True, kw_only=True):
    """What a connection signed in with before, with the columns that went with it: it may have gone to other addresses."""

    credential: Json
    parameters: Json
    allowed_origins: list[str]
    account_name: str = ""
    account_id: str = ""
    shares_with: str = ""
    expires_at: datetime | None = None

    def __repr__(self) -> str:
        return "PreviousSignIn(…)"


def seal_credential(vault: Vault, row: ConnectionRow, credential: Credential) -> bytes:
    """The credential sealed for this row as it is: its id and allowed origins."""
    return vault.seal_json(encode_credential(credential), bound_to=credential_binding(row))


def open_credential(vault: Vault, row: ConnectionRow) -> Credential:
    """The current credential of a row that holds its own (`credential_holder`).

    Errors: Conflict where nobody has signed in yet; SecretUnreadable.
    """
    if not row.sealed_credential:
        raise Conflict(f"{row.display_name!r} has no credential yet: sign in first.", code="NoCredential")
    return decode_credential(vault.open_json(row.sealed_credential, bound_to=credential_binding(row)))


def seal_previous(vault: Vault, row: ConnectionRow) -> bytes:
    """What a row signs in with now, sealed for its other slot. Errors: as `open_credential`.

    A connection that shares another's credential keeps which, and no copy of it.
    """
    kept = PreviousSignIn(
        credential=None if row.shares_with else encode_credential(open_credential(vault, row)),
        parameters=row.parameters,
        allowed_origins=list(row.allowed_origins or ()),
        account_name=row.account_name,
        account_id=row.account_id,
        shares_with=row.shares_with,
        expires_at=row.expires_at,
    )
    return vault.seal_json(msgspec.to_builtins(kept), bound_to=previous_binding(row))


def open_previous(vault: Vault, row: ConnectionRow) -> PreviousSignIn:
    """What is kept in the row's other slot. Errors: Conflict where nothing is; SecretUnreadable."""
    if not row.sealed_candidate:
        raise Conflict(
            f"{row.display_name!r} keeps no earlier sign-in: it is let go once the new one was used successfully.",
            code="NothingToPutBack",
            target=row.connection_id,
        )
    opened = vault.open_json(row.sealed_candidate, bound_to=previous_binding(row))
    try:
        return msgspec.convert(opened, PreviousSignIn)
    except msgspec.ValidationError as error:
        raise SecretUnreadable("The earlier sign-in has a form this version does not know.") from error


def previous_binding(row: ConnectionRow) -> Binding:
    """What a connection's earlier sign-in is bound to."""
    # Not bound to the row's addresses: those are of the new one. Its own are sealed with it.
    return Binding(kind="credential", parts=(row.connection_id, _PREVIOUS))


def credential_binding(row: ConnectionRow) -> Binding:
    """What a connection's credential is bound to."""
    return Binding(kind="credential", parts=(row.connection_id, _CURRENT, *sorted(row.allowed_origins)))
