"""Before a connection is deleted that others sign in with: one of them becomes the holder of the credential they share."""

from flowmend.core.errors import Conflict
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.ports import Services
from flowmend.use_cases.sealed_credentials import open_credential, seal_credential


async def hand_over(services: Services, row: ConnectionRow) -> str:
    """The id of the connection that holds the credential now, "" where nobody shares it.

    It never comes to be bound to more addresses than it was given for, and all who share it must be able to go on. No
    refresh is under way meanwhile: the heir would get the token that was just spent.
    Errors: Conflict `CredentialShared` where no sharer may go everywhere the others go, `RefreshUnderWay`; SecretUnreadable.
    """
    if not services.store.connections.sharing(row.connection_id):
        return ""
    async with services.operations.refresher.at_rest(services, row):
        return _handed_over(services, services.store.connections.get(row.connection_id) or row)


def _handed_over(services: Services, row: ConnectionRow) -> str:
    sharers = services.store.connections.sharing(row.connection_id)
    if not sharers or not row.sealed_credential:
        return ""
    needed = {origin for one in sharers for origin in one.allowed_origins or ()}
    heir = next((one for one in sharers if needed <= set(one.allowed_origins or ())), None)
    if heir is None or not set(heir.allowed_origins or ()) <= set(row.allowed_origins or ()):
        names = ", ".join(one.display_name for one in sharers[:5])
        raise Conflict(
            f"{names} sign in with the credential of {row.display_name!r}. Sign in to them on their own first.",
            code="CredentialShared",
            target=row.connection_id,
        )
    sealed = seal_credential(services.vault, heir, open_credential(services.vault, row))
    services.store.connections.hand_over(row.connection_id, row.credential_version, heir.connection_id, sealed)
    for one in sharers:
        services.changes.publish("connection", connection_id=one.connection_id)
    return heir.connection_id
