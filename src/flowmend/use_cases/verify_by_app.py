"""Verify a connection whose sign-in app signs in as itself: what proves the app is what is given and tested.

The app's other connections are mended along with it. Where a flow says "managed identity" nothing is given: the app that
is kept for those signs in.
"""

from collections.abc import Mapping

from msgspec.structs import replace

from flowmend.core.connection.token_endpoint import SignInRefusal
from flowmend.core.connector.operation import SignInMethod
from flowmend.core.errors import AskedWrongly, Conflict
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.bound_origins import bound_origins
from flowmend.use_cases.chosen_app import managed_identity_app
from flowmend.use_cases.opened_connections import OpenedConnections
from flowmend.use_cases.ports import Services
from flowmend.use_cases.probe_calls import CredentialTest, refused_by_provider
from flowmend.use_cases.replace_app_secret import AppRepair, replace_app_secret
from flowmend.use_cases.swap_credential import mark_connected

_PROVEN = CredentialTest(is_testable=True, is_proven=True, operation_id="token", code="OK")


async def verify_by_app(
    services: Services, row: ConnectionRow, method: SignInMethod, parameters: Mapping[str, str], *, person_id: str
) -> tuple[CredentialTest, AppRepair | None]:
    """(what a token for this connection showed, how replacing the app's secret went). A refusal leaves all as it was.

    Errors: AskedWrongly for a missing secret, or where no app is kept for managed identities; TooManyAttempts;
    Conflict `CredentialChanged`.
    """
    repair: AppRepair | None = None
    if method.oauth is not None and method.oauth.is_managed_identity:
        row = _as_managed_identity(services, row)
    else:
        named = method.oauth.app_parameters if method.oauth is not None else {}
        given = {
            name: parameters.get(named.get(name, name), "")
            for name in ("client_secret", "certificate", "certificate_password")
        }
        if not row.app_id or not (given["client_secret"] or given["certificate"]):
            wanted = "certificate" if method.oauth is not None and method.oauth.wants_certificate else "client_secret"
            raise AskedWrongly(
                f"What proves the sign-in app of {row.display_name!r} is missing.",
                code="MissingParameter",
                target=named.get(wanted, wanted),
            )
        repair = await replace_app_secret(
            services,
            row.app_id,
            client_secret=given["client_secret"],
            certificate=given["certificate"],
            certificate_password=given["certificate_password"],
            person_id=person_id,
        )
        if not repair.is_kept:
            test = CredentialTest(
                is_testable=True, is_proven=False, operation_id="token", code=repair.code, message=repair.message
            )
            return test, repair
    return await _renewed(services, row), repair


async def _renewed(services: Services, row: ConnectionRow) -> CredentialTest:
    """A token for the connection as its flows call now, kept; or why there is none."""
    connector = services.connectors.get(row.connector_id)
    origins = bound_origins(services, row, connector, row.parameters or {})
    current = services.store.connections.get(row.connection_id) or row
    if set(origins) != set(current.allowed_origins):  # a token sealed for other addresses is none for these
        services.store.connections.swap_credential(
            row.connection_id, current.credential_version, b"", allowed_origins=origins, sealed_candidate=b""
        )
    opened = OpenedConnections().get(services, row.connection_id)
    if opened is None:
        raise AskedWrongly(f"{row.display_name!r} was deleted.", code="ConnectionNotFound", target=row.connection_id)
    answer = await services.operations.refresher.refreshed(services, opened)
    if isinstance(answer, SignInRefusal):
        return refused_by_provider(answer)
    if not mark_connected(services, answer):
        raise Conflict(
            f"{row.display_name!r} was given another sign-in meanwhile.",
            code="CredentialChanged",
            target=row.connection_id,
        )
    return _PROVEN


def _as_managed_identity(services: Services, row: ConnectionRow) -> ConnectionRow:
    app = managed_identity_app(services, services.connectors.get(row.connector_id), row.parameters or {})
    services.store.connections.change(row.connection_id, app_id=app.app_id)
    return replace(row, app_id=app.app_id)
