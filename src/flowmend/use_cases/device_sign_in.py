"""Sign in to a connection with a code on another device: where the browser cannot come back to Flowmend.

What is pending lives in this process, one for each connection; its page asks how it stands, and the provider is asked no
more often than it allows. The tokens are tested like any others before they count.
"""

from dataclasses import dataclass

from msgspec.structs import replace

from flowmend.core.connection.device_sign_in import DeviceSignIn, begin_device_sign_in, poll_device_sign_in
from flowmend.core.connection.token_endpoint import SignInRefusal, endpoint_host
from flowmend.core.connector import OAuthSettings, SignInKind
from flowmend.core.errors import AskedWrongly, Conflict
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.app_proofs import acting_app, proof_may_go_to
from flowmend.use_cases.bound_origins import bound_origins
from flowmend.use_cases.changed_connector import hosts_to_trust
from flowmend.use_cases.connections import connection_row
from flowmend.use_cases.pending_consents import PendingDevice
from flowmend.use_cases.ports import Services
from flowmend.use_cases.provider_metadata import known_provider
from flowmend.use_cases.refresh_token import carry_out
from flowmend.use_cases.secret_uses import Purpose, note_sign_in
from flowmend.use_cases.sign_in_connection import consent_refused
from flowmend.use_cases.verify_connection import Verification, replace_credential


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceProgress:
    """How it stands. begun: what to show while nobody has signed in, None once it is over. result: what came of it."""

    begun: DeviceSignIn | None = None
    result: Verification | None = None


async def begin_device(
    services: Services, connection_id: str, person_id: str, *, confirmed: bool = False
) -> DeviceSignIn:
    """A code to enter on another device; one that was shown before counts no more. confirmed: whoever asks knows that it
    will be the account of the old sign-in.

    Errors: NotFound; AskedWrongly `NoDeviceSignIn` where the provider offers none, `ConsentRefused` with the provider's
    word, `ClientSecretNeeded` as for a sign-in in the browser.
    """
    row = connection_row(services, connection_id)
    settings = await device_settings(services, row)
    if settings is None:
        raise AskedWrongly(
            f"The provider of {row.display_name!r} offers no sign-in with a code on another device. Sign in in the browser.",
            code="NoDeviceSignIn",
            target=connection_id,
        )
    connector = services.connectors.get(row.connector_id)
    if hosts_to_trust(services, row, connector):
        raise AskedWrongly(
            f"The connector of {row.display_name!r} was installed with other hosts. Give its client secret again first.",
            code="ClientSecretNeeded",
            target=connection_id,
        )
    app, parameters = acting_app(services, row), row.parameters or {}
    steps = begin_device_sign_in(settings, app, now=services.clock.now, parameters=parameters)
    begun = await carry_out(services.http, steps, origins=proof_may_go_to(services, row))
    host = endpoint_host(settings.device_authorization_url, settings, app, parameters)
    note_sign_in(services, row, Purpose.CONSENT, begun, host=host)
    if isinstance(begun, SignInRefusal):
        raise consent_refused(begun, connection_id)
    services.consents.devices[connection_id] = PendingDevice(
        begun=begun, person_id=person_id, polled_at=services.clock.now, confirmed=confirmed
    )
    return begun


def device_under_way(services: Services, connection_id: str, person_id: str) -> DeviceSignIn | None:
    """The code this person was shown last for the connection, None where none counts; nobody is asked."""
    pending = services.consents.devices.get(connection_id)
    return pending.begun if pending is not None and pending.person_id == person_id else None


async def device_progress(services: Services, connection_id: str, person_id: str) -> DeviceProgress:
    """Whether somebody has signed in; the provider is asked where it is time to.

    Errors: NotFound; AskedWrongly `NoSignInUnderWay`, or `ConsentRefused` where it was declined or ran out.
    """
    row = connection_row(services, connection_id)
    pending = services.consents.devices.get(connection_id)
    if pending is None or pending.person_id != person_id:
        raise AskedWrongly(
            f"No sign-in to {row.display_name!r} with a code is under way. Begin it again.",
            code="NoSignInUnderWay",
            target=connection_id,
        )
    async with pending.asking:
        if services.consents.devices.get(connection_id) is not pending:
            raise Conflict("Another code was shown meanwhile.", code="NoSignInUnderWay", target=connection_id)
        is_over = services.clock.now >= pending.begun.expires_at
        if not is_over and services.clock.now < pending.polled_at + pending.begun.interval:
            return DeviceProgress(begun=pending.begun)
        settings = await device_settings(services, row)
        if settings is None:
            raise AskedWrongly("The connector has changed. Begin the sign-in again.", code="NoSignInUnderWay")
        app, now = acting_app(services, row), services.clock.now
        steps = poll_device_sign_in(settings, app, pending.begun, now=now, parameters=row.parameters or {})
        answer = await carry_out(services.http, steps, origins=proof_may_go_to(services, row))
        pending.polled_at = services.clock.now
        if isinstance(answer, DeviceSignIn):
            pending.begun = answer
            return DeviceProgress(begun=answer)
        del services.consents.devices[connection_id]
    host = endpoint_host(settings.token_url, settings, app, row.parameters or {})
    note_sign_in(services, row, Purpose.CONSENT, answer, host=host)
    if isinstance(answer, SignInRefusal):
        raise consent_refused(answer, connection_id)
    connector = services.connectors.get(row.connector_id)
    changed = replace(row, allowed_origins=bound_origins(services, row, connector, row.parameters or {}))
    result = await replace_credential(services, row, changed, answer, person_id=person_id, confirmed=pending.confirmed)
    return DeviceProgress(result=result)


async def device_settings(services: Services, row: ConnectionRow) -> OAuthSettings | None:
    """The provider's endpoints where it lets people sign in with a code, else None."""
    method = services.connectors.get(row.connector_id).method_named(row.parameter_set)
    if method.kind is not SignInKind.OAUTH2 or method.oauth is None:
        return None
    settings, _ = await known_provider(services, row, method.oauth)
    return settings if settings.device_authorization_url else None
