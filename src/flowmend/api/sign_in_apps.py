"""Sign-in apps: list, read, make, change, replace the secret, delete; and signing in with a code on another device."""

import msgspec
from starlette.requests import Request

from flowmend.api.answers import JsonAnswer
from flowmend.api.operation import Operation, QueryParameter
from flowmend.api.request_reading import Moment, list_answer, person_of, query_text, read_body
from flowmend.api.shapes.sign_in_app import (
    AppRepairShape,
    DeviceProgressShape,
    DeviceSignInShape,
    SignInAppShape,
    app_repair_shape,
    device_progress_shape,
    device_sign_in_shape,
    sign_in_app_shape,
)
from flowmend.use_cases import sign_in_apps
from flowmend.use_cases.device_sign_in import begin_device, device_progress
from flowmend.use_cases.ports import Services
from flowmend.use_cases.replace_app_secret import replace_app_secret


class NewSignInApp(msgspec.Struct, frozen=True, kw_only=True):
    """client_secret or certificate (PEM text, or a PFX file in base64), or neither for a public client. parameters: the
    connector's own, where its provider's address is made of them.
    """

    connector: str
    client_id: str
    display_name: str = ""
    tenant: str = ""
    client_secret: str = ""
    certificate: str = ""
    certificate_password: str = ""
    secret_expires_at: Moment | None = None
    parameters: dict[str, str] = {}
    is_managed_identity: bool = False

    def __repr__(self) -> str:
        return f"NewSignInApp(connector={self.connector!r}, client_id={self.client_id!r})"


class AppChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What is left out stays. secret_expires_at: null where it is not known any more."""

    display_name: str | msgspec.UnsetType = msgspec.UNSET
    secret_expires_at: Moment | msgspec.UnsetType | None = msgspec.UNSET
    is_managed_identity: bool | msgspec.UnsetType = msgspec.UNSET


class NewAppSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A client secret, or a certificate as PEM text or a PFX file in base64."""

    client_secret: str = ""
    certificate: str = ""
    certificate_password: str = ""
    secret_expires_at: Moment | None = None

    def __repr__(self) -> str:
        return "NewAppSecret(…)"


class NewDeviceSignIn(msgspec.Struct, frozen=True, kw_only=True):
    """confirmed: it will be the account of the old sign-in, which is asked for where nothing proves it."""

    confirmed: bool = False


async def list_apps(services: Services, request: Request) -> JsonAnswer:
    views = await sign_in_apps.list_sign_in_apps(services, query_text(request, "connector") or "")
    return list_answer([sign_in_app_shape(view) for view in views])


async def make_app(services: Services, request: Request) -> JsonAnswer:
    wanted = await read_body(request, NewSignInApp)
    view = await sign_in_apps.create_sign_in_app(
        services,
        wanted.connector,
        display_name=wanted.display_name,
        client_id=wanted.client_id,
        tenant=wanted.tenant,
        client_secret=wanted.client_secret,
        certificate=wanted.certificate,
        certificate_password=wanted.certificate_password,
        secret_expires_at=wanted.secret_expires_at,
        parameters=wanted.parameters,
        is_managed_identity=wanted.is_managed_identity,
        person_id=person_of(request).person_id,
    )
    return JsonAnswer(sign_in_app_shape(view), status_code=201)


async def get_app(services: Services, request: Request) -> JsonAnswer:
    return JsonAnswer(sign_in_app_shape(await sign_in_apps.read_sign_in_app(services, _app_id(request))))


async def change_app(services: Services, request: Request) -> JsonAnswer:
    wanted = await read_body(request, AppChanges)
    ends_at = None if wanted.secret_expires_at is msgspec.UNSET else wanted.secret_expires_at
    view = await sign_in_apps.change_sign_in_app(
        services,
        _app_id(request),
        display_name=None if wanted.display_name is msgspec.UNSET else wanted.display_name,
        secret_expires_at=ends_at,
        forgets_expiry=wanted.secret_expires_at is None,
        is_managed_identity=None if wanted.is_managed_identity is msgspec.UNSET else wanted.is_managed_identity,
        person_id=person_of(request).person_id,
    )
    return JsonAnswer(sign_in_app_shape(view))


async def replace_secret(services: Services, request: Request) -> JsonAnswer:
    wanted = await read_body(request, NewAppSecret)
    repair = await replace_app_secret(
        services,
        _app_id(request),
        client_secret=wanted.client_secret,
        certificate=wanted.certificate,
        certificate_password=wanted.certificate_password,
        secret_expires_at=wanted.secret_expires_at,
        person_id=person_of(request).person_id,
    )
    return JsonAnswer(app_repair_shape(repair))


async def delete_app(services: Services, request: Request) -> JsonAnswer:
    await sign_in_apps.delete_sign_in_app(services, _app_id(request), person_of(request).person_id)
    return JsonAnswer({})


async def begin_device_sign_in(services: Services, request: Request) -> JsonAnswer:
    wanted = await read_body(request, NewDeviceSignIn)
    begun = await begin_device(
        services, _connection_id(request), person_of(request).person_id, confirmed=wanted.confirmed
    )
    return JsonAnswer(device_sign_in_shape(begun), status_code=201)


async def check_device_sign_in(services: Services, request: Request) -> JsonAnswer:
    progress = await device_progress(services, _connection_id(request), person_of(request).person_id)
    return JsonAnswer(device_progress_shape(progress))


def _app_id(request: Request) -> str:
    return str(request.path_params["app_id"])


def _connection_id(request: Request) -> str:
    return str(request.path_params["connection_id"])


_TAG = "sign-in apps"

SIGN_IN_APP_OPERATIONS: tuple[Operation, ...] = (
    Operation(
        method="GET",
        path="/sign_in_apps",
        handler=list_apps,
        summary="Sign-in apps with their connections, those with broken ones first",
        tag=_TAG,
        gives=SignInAppShape,
        is_list=True,
        query=(QueryParameter(name="connector", description="Only those made for this connector"),),
    ),
    Operation(
        method="POST",
        path="/sign_in_apps",
        handler=make_app,
        summary="Keep an app that was registered with a provider",
        tag=_TAG,
        takes=NewSignInApp,
        gives=SignInAppShape,
        status=201,
    ),
    Operation(
        method="GET",
        path="/sign_in_apps/{app_id}",
        handler=get_app,
        summary="One sign-in app",
        tag=_TAG,
        gives=SignInAppShape,
    ),
    Operation(
        method="PATCH",
        path="/sign_in_apps/{app_id}",
        handler=change_app,
        summary="Rename it, or note when its secret ends",
        tag=_TAG,
        takes=AppChanges,
        gives=SignInAppShape,
    ),
    Operation(
        method="POST",
        path="/sign_in_apps/{app_id}/secret",
        handler=replace_secret,
        summary="Prove a new secret or certificate, put it in place, and mend every connection the old one broke",
        tag=_TAG,
        takes=NewAppSecret,
        gives=AppRepairShape,
    ),
    Operation(
        method="DELETE",
        path="/sign_in_apps/{app_id}",
        handler=delete_app,
        summary="Delete a sign-in app that no connection acts as",
        tag=_TAG,
    ),
    Operation(
        method="POST",
        path="/connections/{connection_id}/device_sign_in",
        handler=begin_device_sign_in,
        summary="Begin a sign-in with a code on another device",
        tag=_TAG,
        takes=NewDeviceSignIn,
        gives=DeviceSignInShape,
        status=201,
    ),
    Operation(
        method="POST",
        path="/connections/{connection_id}/device_sign_in/check",
        handler=check_device_sign_in,
        summary="Whether somebody has signed in with the code; a good sign-in is tested and kept",
        tag=_TAG,
        gives=DeviceProgressShape,
    ),
)
