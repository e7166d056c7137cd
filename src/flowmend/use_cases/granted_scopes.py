"""What the sign-ins of connections were granted, against what they and the flows that use them need."""

from collections.abc import Mapping

from flowmend.core.checking.granted_scopes import Grant, check_granted_scopes
from flowmend.core.connection.credentials import OAuthCredential
from flowmend.core.connector.scopes import missing_scopes
from flowmend.core.definition import Flow
from flowmend.core.errors import FlowmendError, StoreUnavailable
from flowmend.core.problem import Problem
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.credential_holder import credential_holder
from flowmend.use_cases.ports import Services
from flowmend.use_cases.sealed_credentials import open_credential


def scope_problems(services: Services, flow: Flow, mappings: Mapping[str, str]) -> tuple[Problem, ...]:
    """A warning for each step that its connection's sign-in does not cover. mappings: {reference: connection id}."""
    grants: dict[str, Grant] = {}
    for reference, connection_id in mappings.items():
        row = services.store.connections.get(connection_id) if reference in flow.connection_references else None
        grant = _grant(services, row) if row is not None else None
        if grant is not None:
            grants[reference] = grant
    return check_granted_scopes(flow, grants) if grants else ()


def scopes_not_granted(services: Services, row: ConnectionRow) -> tuple[str, ...]:
    """The scopes a connection's sign-in asks for and was not granted; empty where nothing is known of that."""
    grant = _grant(services, row)
    if grant is None:
        return ()
    settings = grant.connector.method_named(row.parameter_set).oauth
    return missing_scopes(settings.scopes, grant.scopes) if settings is not None else ()


def _grant(services: Services, row: ConnectionRow) -> Grant | None:
    """None where nobody has signed in, where the provider names no scopes, and where it does not open."""
    try:
        connector = services.connectors.get(row.connector_id)
        credential = open_credential(services.vault, credential_holder(services, row))
    except StoreUnavailable:
        raise
    except FlowmendError:
        return None
    if not isinstance(credential, OAuthCredential) or not credential.scopes:
        return None
    return Grant(connection=row.display_name, connector=connector, scopes=credential.scopes)
