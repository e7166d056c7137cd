"""Give a connection's tokens back to the provider once nobody needs them: what is deleted here should open nothing there.

Providers may withdraw with one token everything the account ever allowed the app, so this is done only for the last
connection of an account.
"""

import asyncio
import logging

from flowmend.core.connection.credentials import OAuthCredential
from flowmend.core.connection.token_endpoint import SignInRefusal, endpoint_host
from flowmend.core.connection.token_grants import revoke
from flowmend.core.connector import SignInKind
from flowmend.core.errors import FlowmendError
from flowmend.store.rows import ConnectionRow, SignInAppRow
from flowmend.use_cases.app_proofs import acting_app, app_of, proof_may_go_to, provider_of
from flowmend.use_cases.ports import Services
from flowmend.use_cases.refresh_token import carry_out
from flowmend.use_cases.sealed_credentials import open_credential
from flowmend.use_cases.secret_uses import Purpose, note_sign_in

#: Somebody waits for the deletion.
_WITHIN_SECONDS = 5.0
_log = logging.getLogger(__name__)


async def give_back_tokens(services: Services, row: ConnectionRow) -> bool:
    """Whether the provider took back the tokens of a connection about to be deleted. What hinders it is logged: the
    connection goes all the same.
    """
    try:
        async with asyncio.timeout(_WITHIN_SECONDS):
            return await _given_back(services, row, app_of(services, row))
    except (FlowmendError, TimeoutError) as error:
        _log.info("The tokens of connection %s are not given back: %s", row.connection_id, error)
        return False


async def _given_back(services: Services, row: ConnectionRow, app: SignInAppRow | None) -> bool:
    method = services.connectors.get(row.connector_id).method_named(row.parameter_set)
    if method.kind is not SignInKind.OAUTH2 or method.oauth is None or row.shares_with or not row.sealed_credential:
        return False
    settings = provider_of(method.oauth, app)
    if not settings.revocation_url or _is_needed_by_others(services, row):
        return False
    credential = open_credential(services.vault, row)
    if not isinstance(credential, OAuthCredential):
        return False
    acting, parameters = acting_app(services, row), row.parameters or {}
    steps = revoke(settings, acting, credential, parameters=parameters)
    refusal: SignInRefusal | None = await carry_out(services.http, steps, origins=proof_may_go_to(services, row))
    host = endpoint_host(settings.revocation_url, settings, acting, parameters)
    note_sign_in(services, row, Purpose.REVOKE, refusal, host=host)
    if refusal is not None:
        _log.info("The provider of connection %s did not take its tokens back: %s", row.connection_id, refusal.code)
    return refusal is None


def _is_needed_by_others(services: Services, row: ConnectionRow) -> bool:
    others = services.store.connections.list(app_id=row.app_id) if row.app_id else ()
    return any(
        other.connection_id != row.connection_id
        and (not row.account_name or other.account_name.casefold() == row.account_name.casefold())
        for other in others
    )
