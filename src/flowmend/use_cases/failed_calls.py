"""The safe form of the call that a connection was refused last: kept sealed, so that a mend can be proven by that very call.

Only reads are kept, and nothing that signs them in. What a call asks for may be anybody's business, so it is sealed
like a credential: bound to the connection and to the origins it may go to.
"""

import asyncio
import logging

from flowmend.core.connection.probe import SafeCall, decode_call, encode_call, is_safe
from flowmend.core.connector import match_operation
from flowmend.core.connector.request import SIGN_IN_HEADERS
from flowmend.core.errors import SecretUnreadable, StoreUnavailable
from flowmend.core.run.events import ConnectorCall, FollowUp, HttpCall
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.opened_connections import OpenedConnection
from flowmend.use_cases.ports import Services
from flowmend.vault import Binding, Vault

_log = logging.getLogger(__name__)

#: A call that asks for more than this is none to keep.
_LARGEST = 16_384


def safe_form(call: HttpCall | ConnectorCall | FollowUp, opened: OpenedConnection) -> SafeCall | None:
    """The call as a probe, None where it is not one that only reads."""
    connector = opened.connector
    if isinstance(call, FollowUp):
        return None
    if isinstance(call, HttpCall):
        if call.has_body and call.body is not None:
            return None
        headers = {name: value for name, value in call.headers.items() if name.lower() not in SIGN_IN_HEADERS}
        found = SafeCall(method=call.method.upper(), path=call.uri, queries=call.queries, headers=headers)
    elif call.operation_id:
        found = SafeCall(operation_id=call.operation_id, arguments=call.parameters or {})
    elif call.body is not None:
        return None
    else:
        matched = match_operation(connector, call.method, call.path.partition("?")[0])
        if matched is None:  # nobody says that it only reads
            return None
        headers = {name: value for name, value in (call.headers or {}).items() if name.lower() not in SIGN_IN_HEADERS}
        method = call.method.upper() or "GET"
        found = SafeCall(method=method, path=call.path, queries=call.queries or {}, headers=headers)
    return found if is_safe(connector, found) else None


async def note_failed_call(
    services: Services, opened: OpenedConnection, call: HttpCall | ConnectorCall | FollowUp
) -> None:
    """Keep the safe form of a call that was refused for its credential. Lost where the store does not answer."""
    found = safe_form(call, opened)
    if found is None:
        return
    row = opened.row
    sealed = services.vault.seal_json(encode_call(found), bound_to=failed_call_binding(row))
    if len(sealed) > _LARGEST:
        return
    try:
        await asyncio.to_thread(services.store.connections.change, row.connection_id, sealed_failed_call=sealed)
    except StoreUnavailable as error:
        _log.warning("The call that connection %s refused is not kept: %s", row.connection_id, error)


def failed_call(vault: Vault, row: ConnectionRow) -> SafeCall | None:
    """What was kept; None where nothing was, or the connection may go to other origins since."""
    if not row.sealed_failed_call:
        return None
    try:
        opened = vault.open_json(row.sealed_failed_call, bound_to=failed_call_binding(row))
    except SecretUnreadable:
        return None
    return decode_call(opened)


def failed_call_binding(row: ConnectionRow) -> Binding:
    """What the call that a connection was refused last is bound to."""
    return Binding(kind="failed_call", parts=(row.connection_id, *sorted(row.allowed_origins or ())))
