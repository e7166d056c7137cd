"""Whose credential a connection signs in with: its own, or that of the connection it shares with.

Two connections of one account share one rotating refresh token rather than hold it twice: whichever refreshed first
would burn the other's. The credential stays sealed for its holder, and goes only where the holder's may go.
"""

from flowmend.core.errors import Conflict
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.ports import Services


def credential_holder(services: Services, row: ConnectionRow) -> ConnectionRow:
    """The row whose sealed credential `row` signs in with; `row` itself unless it shares another's.

    Errors: Conflict `NoCredential` where the holder is gone or shares in turn; Conflict `OriginNotAllowed` where this
    connection may go to addresses that the credential was not given for.
    """
    if not row.shares_with:
        return row
    holder = services.store.connections.get(row.shares_with)
    if holder is None or holder.shares_with:
        raise Conflict(
            f"The connection that {row.display_name!r} signs in with is gone. Sign in to it again.",
            code="NoCredential",
            target=row.connection_id,
        )
    beyond = sorted(set(row.allowed_origins or ()) - set(holder.allowed_origins or ()))
    if beyond:
        raise Conflict(
            f"{row.display_name!r} signs in with the credential of {holder.display_name!r}, which was not given for "
            f"{', '.join(beyond)}. Sign in to it on its own.",
            code="OriginNotAllowed",
            target=row.connection_id,
        )
    return holder
