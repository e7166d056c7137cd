"""Sign-in apps and sign-ins with a code. Nothing here holds a secret's value."""

from datetime import datetime

import msgspec

from flowmend.core.connection.device_sign_in import DeviceSignIn
from flowmend.use_cases.device_sign_in import DeviceProgress
from flowmend.use_cases.replace_app_secret import AppRepair
from flowmend.use_cases.sign_in_apps import SignInAppView


class AppConnection(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    display_name: str
    account: str
    health: str


class SignInAppShape(msgspec.Struct, frozen=True, kw_only=True):
    """An app registered with a provider. redirect_url: to register there. proof: none, secret or certificate.

    origins: where the proof may be sent. secret_expires_at: of the secret as noted, or of the certificate.
    """

    id: str
    display_name: str
    connector: str
    connector_name: str
    client_id: str
    tenant: str
    proof: str
    has_proof: bool
    redirect_url: str
    origins: list[str]
    is_managed_identity: bool
    secret_expires_at: datetime | None
    connections: list[AppConnection]
    broken: int
    created_at: datetime


class AppRepairShape(msgspec.Struct, frozen=True, kw_only=True):
    """How replacing a secret went. result: proven, refused or untested. mended, still_broken: connection ids."""

    app: str
    result: str
    is_kept: bool
    code: str
    message: str
    mended: list[str]
    still_broken: list[str]
    released: int
    attempts_left: int


class DeviceSignInShape(msgspec.Struct, frozen=True, kw_only=True):
    """A code to enter at verification_url; complete_url has it in it, "" for none. Ask again after interval_seconds."""

    user_code: str
    verification_url: str
    complete_url: str
    expires_at: datetime
    interval_seconds: float


class DeviceProgressShape(msgspec.Struct, frozen=True, kw_only=True):
    """is_over: somebody has signed in, and is_kept says whether the connection uses it now; code and message say why not."""

    is_over: bool
    is_kept: bool
    health: str
    code: str
    message: str
    interval_seconds: float


def sign_in_app_shape(view: SignInAppView) -> SignInAppShape:
    row = view.row
    return SignInAppShape(
        id=row.app_id,
        display_name=view.name,
        connector=row.connector_id,
        connector_name=view.connector_name,
        client_id=row.client_id,
        tenant=row.tenant,
        proof=view.settings.proof.value,
        has_proof=view.has_proof,
        redirect_url=view.redirect_url,
        origins=list(view.settings.origins),
        is_managed_identity=view.settings.is_managed_identity,
        secret_expires_at=row.secret_expires_at,
        connections=[
            AppConnection(
                id=one.connection_id, display_name=one.display_name, account=one.account_name, health=one.health.value
            )
            for one in view.connections
        ],
        broken=len(view.broken),
        created_at=row.created_at,
    )


def app_repair_shape(repair: AppRepair) -> AppRepairShape:
    return AppRepairShape(
        app=repair.app_id,
        result=repair.result.value,
        is_kept=repair.is_kept,
        code=repair.code,
        message=repair.message,
        mended=list(repair.mended),
        still_broken=list(repair.still_broken),
        released=repair.released,
        attempts_left=repair.attempts_left,
    )


def device_sign_in_shape(begun: DeviceSignIn) -> DeviceSignInShape:
    return DeviceSignInShape(
        user_code=begun.user_code,
        verification_url=begun.verification_url,
        complete_url=begun.complete_url,
        expires_at=begun.expires_at,
        interval_seconds=begun.interval.total_seconds(),
    )


def device_progress_shape(progress: DeviceProgress) -> DeviceProgressShape:
    result = progress.result
    return DeviceProgressShape(
        is_over=result is not None,
        is_kept=result is not None and result.is_kept,
        health=result.health if result is not None else "",
        code=result.code if result is not None else "",
        message=result.message if result is not None else "",
        interval_seconds=progress.begun.interval.total_seconds() if progress.begun is not None else 0.0,
    )
