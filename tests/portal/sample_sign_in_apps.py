"""Sign-in apps as the use cases give them: one with broken connections, one that proves itself by a certificate."""

from dataclasses import replace
from datetime import datetime, timedelta

from flowmend.core.connection.device_sign_in import DeviceSignIn
from flowmend.core.connection.health import HealthState
from flowmend.portal.pages.connection_new import NewConnectionPage
from flowmend.portal.pages.device_sign_in import DevicePage
from flowmend.portal.pages.sign_in_apps import AppPage, AppsPage, NewAppPage
from flowmend.store.rows import ConnectionRow, SignInAppRow
from flowmend.use_cases.app_settings import AppSettings, Proof
from flowmend.use_cases.connections import ConnectorChoice, SecretField, WayToSignIn
from flowmend.use_cases.replace_app_secret import AppRepair, ProofResult
from flowmend.use_cases.sign_in_apps import AppChoice, SignInAppView

_ORIGIN = "https://login.example.com"


def sign_in_app_pages(now: datetime) -> dict[str, tuple[str, str, dict[str, object]]]:
    """{name: (template, place, values)}"""
    broken, certified = _broken(now), _certified(now)
    repair = AppRepair(app_id="a", result=ProofResult.PROVEN, is_kept=True, mended=("c1", "c2"), still_broken=("c3",))
    refused = replace(
        repair, result=ProofResult.REFUSED, is_kept=False, mended=(), message="AADSTS7000215: <b>Invalid</b> secret.",
        attempts_left=1,
    )  # fmt: skip
    names = {"c3": "Archive <3>"}
    begun = DeviceSignIn(
        device_code="d", user_code="WDJB-MJHT", verification_url=f"{_ORIGIN}/device",
        expires_at=now + timedelta(minutes=15), interval=timedelta(seconds=5),
    )  # fmt: skip
    row = broken.connections[0]
    return {
        "sign-in-apps": ("sign_in_apps.html", "settings", {"page": AppsPage(views=[broken, certified])}),
        "sign-in-apps-none": ("sign_in_apps.html", "settings", {"page": AppsPage(views=[]), "done": "deleted"}),
        "sign-in-app": ("sign_in_app.html", "settings", {"page": AppPage(view=broken)}),
        "sign-in-app-certificate": ("sign_in_app.html", "settings", {"page": AppPage(view=certified), "done": "created"}),
        "sign-in-app-mended": ("sign_in_app.html", "settings", {"page": AppPage(view=broken, repair=repair, names=names)}),
        "sign-in-app-refused": ("sign_in_app.html", "settings", {"page": AppPage(view=broken, repair=refused)}),
        "sign-in-app-wrong": ("sign_in_app.html", "settings", {"page": AppPage(view=broken, error="It is no date.")}),
        "sign-in-app-new": ("sign_in_app_new.html", "settings", {"page": _new(chosen=False)}),
        "sign-in-app-new-form": ("sign_in_app_new.html", "settings", {"page": _new(chosen=True)}),
        "device-sign-in": ("device_sign_in.html", "connections", {"page": DevicePage(row=row)}),
        "device-sign-in-code": ("device_sign_in.html", "connections", {"page": DevicePage(row=row, begun=begun)}),
        "connection-new-ways": ("connection_new.html", "connections", {"page": _ways()}),
    }  # fmt: skip


def _view(app: SignInAppRow, settings: AppSettings, *connections: ConnectionRow) -> SignInAppView:
    return SignInAppView(
        row=app,
        settings=settings,
        connections=connections,
        connector_name="Contoso Mail",
        redirect_url="http://127.0.0.1:8080/oauth/callback",
    )


def _broken(now: datetime) -> SignInAppView:
    app = SignInAppRow(
        app_id="a",
        connector_id="contoso_mail",
        client_id="1b4e28ba-2fa1",
        sealed_secret=b"sealed",
        tenant="contoso.example",
        secret_expires_at=now - timedelta(days=1),
        created_at=now,
        display_name="Mail app <1>",
    )
    rows = [
        ConnectionRow(
            connection_id=f"c{number}",
            connector_id="contoso_mail",
            display_name=f"Mailbox {number}",
            account_name="ada@contoso.example",
            owner_id="mei",
            parameters={},
            allowed_origins=[_ORIGIN],
            health=health,
            health_changed_at=now,
            created_at=now,
            changed_at=now,
        )
        for number, health in enumerate((HealthState.BROKEN, HealthState.BROKEN, HealthState.CONNECTED), start=1)
    ]
    return _view(app, AppSettings(origins=(_ORIGIN,)), *rows)


def _certified(now: datetime) -> SignInAppView:
    app = SignInAppRow(
        app_id="b",
        connector_id="contoso_mail",
        client_id="2c5f",
        sealed_secret=b"sealed",
        secret_expires_at=now + timedelta(days=90),
        created_at=now,
    )
    return _view(app, AppSettings(proof=Proof.CERTIFICATE, origins=(_ORIGIN,), is_managed_identity=True))


def _new(*, chosen: bool) -> NewAppPage:
    place = SecretField(
        name="token:region", title="Region", description="Of your site.", is_secret=False, required=True, value=""
    )
    choice = AppChoice(connector_id="contoso_mail", display_name="Contoso Mail", fields=(place,), takes_tenant=True)
    return NewAppPage(
        choices=(choice,),
        redirect_url="http://127.0.0.1:8080/oauth/callback",
        choice=choice if chosen else None,
        values={"client_id": "<x>"},
        error="Client ID is missing." if chosen else "",
    )


def _ways() -> NewConnectionPage:
    file = SecretField(
        name="pfx", title="Certificate", description="", is_secret=True, required=True, value="", is_file=True
    )
    client_id = replace(file, name="client_id", title="Client ID", is_secret=False, is_file=False)
    person = WayToSignIn(
        name="person", title="A person", sign_in="oauth2", parameters=(client_id,), app_values=frozenset({"client_id"})
    )
    certificate = WayToSignIn(name="cert", title="Certificate", sign_in="client_certificate", parameters=(file,))
    choice = ConnectorChoice(
        connector_id="contoso_mail", display_name="Contoso Mail", sign_in="oauth2", parameters=(client_id,),
        ways=(person, certificate),
    )  # fmt: skip
    return NewConnectionPage(choice=choice, way=certificate, apps=(("a", "Mail app"),), display_name="Mail")
