"""The owner's choice of the call that tests a connection: any read of its connector, with the arguments it needs."""

from collections.abc import Mapping

from msgspec.structs import replace

from flowmend.core.connection.probe import (
    Probe,
    ProbeKind,
    SafeCall,
    choosable,
    decode_memory,
    encode_memory,
    is_safe,
)
from flowmend.core.connector import Operation, SignInKind, UnbuildableRequest
from flowmend.core.connector.request import may_go
from flowmend.core.errors import AskedWrongly, Conflict
from flowmend.core.json_value import Json
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.connections import connection_row
from flowmend.use_cases.credential_holder import credential_holder
from flowmend.use_cases.opened_connections import OpenedConnection, open_connection
from flowmend.use_cases.ports import Services
from flowmend.use_cases.probe_calls import answers_anybody, probe_request
from flowmend.use_cases.sealed_credentials import open_credential

_MOST_ARGUMENTS = 50
_LONGEST_ARGUMENT = 2_000


def chosen_probe(row: ConnectionRow) -> SafeCall | None:
    """What the owner chose, None where nothing is chosen."""
    return decode_memory(row.probe).chosen


def probe_choices(services: Services, row: ConnectionRow) -> tuple[Operation, ...]:
    """The operations that may test a connection, by id. Errors: NotFound, InvalidDocument for its connector."""
    connector = services.connectors.get(row.connector_id)
    return choosable(connector) if connector.protocol == "http" else ()


async def choose_probe(
    services: Services, connection_id: str, operation_id: str, arguments: Mapping[str, Json], person_id: str
) -> None:
    """Let this operation test the connection from now on.

    Nothing is asked with the credential; without it the call is made once, because one that answers anybody proves nothing.
    Errors: NotFound; AskedWrongly `NotAProbe`, `ProbeIsPublic`, or as no request can be made of it; Conflict.
    """
    row = connection_row(services, connection_id)
    too_long = any(len(name) + len(str(value)) > _LONGEST_ARGUMENT for name, value in arguments.items())
    if len(arguments) > _MOST_ARGUMENTS or too_long:
        raise AskedWrongly("Those are too many or too long arguments.", code="NotAProbe", target="arguments")
    connector = services.connectors.get(row.connector_id)
    operation = connector.operation(operation_id)
    if operation is None:
        raise AskedWrongly(
            f"{connector.display_name!r} has no operation {operation_id!r}.", code="NotAProbe", target="operation_id"
        )
    call = SafeCall(operation_id=operation.operation_id, arguments=dict(arguments))
    if connector.protocol != "http" or not is_safe(connector, call):
        raise AskedWrongly(
            f"{operation.operation_id!r} cannot be a test: only a read that its connector keeps for calls may be one.",
            code="NotAProbe",
            target="operation_id",
        )
    given = {name.lower() for name in arguments}
    needed = (one for one in operation.parameters if one.is_required and one.default is None)
    missing = next((one.name for one in needed if one.name.lower() not in given), None)
    if missing is not None:
        raise AskedWrongly(
            f"{operation.operation_id!r} needs a value for {missing!r}.", code="MissingParameter", target="arguments"
        )
    opened = _opened(services, row)
    probe = Probe(kind=ProbeKind.CHOSEN, call=call)
    request = probe_request(opened, call)
    if isinstance(request, UnbuildableRequest):
        raise AskedWrongly(opened.redactor.text(request.message), code=request.code, target="arguments")
    if not may_go(request.origin, opened.origins):
        raise AskedWrongly(
            "That call would go to another address than the connection's.", code="OriginNotAllowed", target="arguments"
        )
    if await answers_anybody(services, opened, probe):
        raise AskedWrongly(
            f"{operation.operation_id!r} answers without a sign-in too, so it would prove nothing. Choose another.",
            code="ProbeIsPublic",
            target="operation_id",
        )
    _keep(services, row, call, person_id)


async def forget_probe(services: Services, connection_id: str, person_id: str) -> None:
    """Let the connection be tested as its connector says again. Errors: NotFound."""
    _keep(services, connection_row(services, connection_id), None, person_id)


def _opened(services: Services, row: ConnectionRow) -> OpenedConnection:
    connector = services.connectors.get(row.connector_id)
    if connector.method_named(row.parameter_set).kind is SignInKind.NONE:
        raise Conflict(f"{row.display_name!r} has no sign-in that could be tested.", code="NothingToTest")
    holder = credential_holder(services, row)
    return open_connection(row, connector, open_credential(services.vault, holder), holder=holder)


def _keep(services: Services, row: ConnectionRow, call: SafeCall | None, person_id: str) -> None:
    now = services.clock.now
    memory = replace(decode_memory(row.probe), chosen=call)
    services.store.connections.change(row.connection_id, probe=encode_memory(memory), changed_at=now)
    chosen = call.operation_id if call is not None else ""
    services.store.audit.note(person_id, "choose_probe", row.connection_id, {"operation": chosen}, at=now)
    services.changes.publish("connection", connection_id=row.connection_id)
