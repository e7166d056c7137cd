"""HTTP actions sign in by what they write out where no connection was made of it, and by client certificates either way."""

import base64
import dataclasses
import json
import ssl
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PublicFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509 import Certificate, load_pem_x509_certificate
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey
from msgspec.structs import replace

from certificates import Authority
from flowmend.core.connection.health import HealthState
from flowmend.core.outcome import Outcome
from flowmend.core.run.events import HttpCall
from flowmend.store.rows import SignInAppRow
from flowmend.use_cases.app_settings import AppSettings, settings_column
from flowmend.use_cases.chosen_app import with_proof
from flowmend.use_cases.flows import turn_on
from flowmend.use_cases.import_flow import ImportChoices, import_package
from made_certificates import make
from running import LocalServer, Open, document, http, until

pytestmark = pytest.mark.anyio
SECRET = "app-s3cret-1"
_PUBLIC = PublicFormat.SubjectPublicKeyInfo


class Tokens:
    """A token endpoint and an API that wants its token."""

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []
        self.origin = ""
        self.certificate: Certificate | None = None  # whose assertions are believed, in place of the secret

    async def answer(self, request: web.Request) -> web.Response:
        if request.path.endswith("/token"):
            self.forms.append({name: str(value) for name, value in (await request.post()).items()})
            if not self._is_the_app(self.forms[-1]):
                return web.json_response({"error": "invalid_client", "error_description": f"no {SECRET}"}, status=401)
            return web.json_response({"access_token": "t0ken-9", "token_type": "Bearer", "expires_in": 600})
        if request.headers.get("Authorization") != "Bearer t0ken-9":
            return web.json_response({"error": "who are you"}, status=401)
        return web.json_response({"sent": request.headers["Authorization"]})

    def _is_the_app(self, form: dict[str, str]) -> bool:
        if self.certificate is None:
            return form.get("client_secret") == SECRET
        key = RSAKey.import_key(self.certificate.public_key().public_bytes(Encoding.PEM, _PUBLIC))
        try:
            token = jwt.decode(form["client_assertion"], key, algorithms=["PS256"])
        except JoseError:
            return False
        thumbprint = base64.urlsafe_b64encode(self.certificate.fingerprint(SHA256())).rstrip(b"=").decode()
        named = {name: token.claims[name] for name in ("iss", "sub", "aud")}
        return token.header["x5t#S256"] == thumbprint and named == {
            "iss": form["client_id"],
            "sub": form["client_id"],
            "aud": f"{self.origin}/contoso/oauth2/v2.0/token",
        }


@pytest.fixture
async def tokens(local_server: LocalServer) -> Tokens:
    service = Tokens()
    service.origin = await local_server(service.answer)
    return service


async def send(house: Any, uri: str, authentication: Any) -> Outcome:
    call = HttpCall(
        method="GET", uri=uri, headers={}, queries={}, body=None, has_body=False, authentication=authentication
    )
    outcome: Outcome = await house.services.operations.call(
        call, flow_id="f1", mappings={}, client_request_id="r1", trace_headers={}, attempt=1
    )
    return outcome


def entra(tokens: Tokens, **fields: str) -> dict[str, str]:
    given = {"tenant": "contoso", "audience": "https://api", "clientId": "c1", "secret": SECRET}
    return {"type": "activeDirectoryOAuth", "authority": tokens.origin, **given, **fields}


async def test_an_app_signs_in_once_and_again_when_its_token_is_due(house: Any, tokens: Tokens) -> None:
    for _ in range(3):
        outcome = await send(house, f"{tokens.origin}/a", entra(tokens))
        assert outcome.outputs["statusCode"] == 200
        assert "t0ken-9" not in json.dumps(outcome.outputs)
    assert len(tokens.forms) == 1
    house.clock.move(minutes=11)
    await send(house, f"{tokens.origin}/a", entra(tokens))
    assert [form["scope"] for form in tokens.forms] == ["https://api/.default"] * 2


async def test_a_refused_app_says_so_without_its_secret(house: Any, tokens: Tokens) -> None:
    outcome = await send(house, f"{tokens.origin}/a", entra(tokens, secret="wr0ng-secret"))
    assert outcome.code == "Unauthorized"
    assert "wr0ng-secret" not in repr(outcome)
    assert len(tokens.forms) == 1


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ({"type": "ActiveDirectoryOAuth", "tenant": "t", "audience": "a", "clientId": "c"}, "InvalidAuthentication"),
        ({"type": "ClientCertificate", "pfx": "bm8gcGZ4", "password": "p"}, "InvalidAuthentication"),
        ({"type": "ManagedServiceIdentity"}, "NoManagedIdentity"),
        ({"type": "Kerberos"}, "MissingSignIn"),
    ],
)
async def test_what_cannot_sign_in_is_not_sent(house: Any, tokens: Tokens, written: Any, code: str) -> None:
    assert (await send(house, f"{tokens.origin}/a", written)).code == code
    assert tokens.forms == []


def managed_app(house: Any, tokens: Tokens) -> SignInAppRow:
    app = SignInAppRow(
        app_id="app-1",
        connector_id="http",
        client_id="managed-1",
        tenant="contoso",
        settings=settings_column(AppSettings(is_managed_identity=True)),
        created_at=house.clock.now,
    )
    return with_proof(house.services, app, SECRET, (tokens.origin,))


async def test_a_managed_identity_is_the_app_kept_for_it(house: Any, tokens: Tokens) -> None:
    row = house.connect("http", None)
    app = managed_app(house, tokens)
    house.services.store.connections.add(replace(row, connection_id="holder", app_id=app.app_id), app)
    outcome = await sign_in_at(house, {"type": "ManagedServiceIdentity", "audience": "https://api"}, tokens)
    assert outcome.outputs["statusCode"] == 200
    assert [form["client_id"] for form in tokens.forms] == ["managed-1"]


async def sign_in_at(house: Any, identity: dict[str, str], tokens: Tokens) -> Outcome:
    """The authority of managed identities is the cloud's; here it is the local one."""
    connector = house.services.connectors.get("http")

    def local(method: Any) -> Any:
        given = tuple(
            dataclasses.replace(one, default=tokens.origin) if one.name == "authority" else one
            for one in method.parameters
        )
        return dataclasses.replace(method, parameters=given)

    methods = tuple(local(method) for method in connector.sign_in)
    house.services.connectors._loaded["http"] = dataclasses.replace(connector, sign_in=methods)
    return await send(house, f"{tokens.origin}/a", identity)


@pytest.fixture
async def closed_service(trusted_authority: Authority, anyio_backend: str) -> AsyncIterator[str]:
    """A TLS server that lets in only who shows a certificate of the CA; it answers with whose."""

    async def answer(request: web.Request) -> web.Response:
        session = request.transport.get_extra_info("ssl_object") if request.transport else None
        assert isinstance(session, ssl.SSLObject)
        certificate: Any = session.getpeercert()
        names = {key: value for part in certificate["subject"] for key, value in part}
        return web.json_response({"who": names["commonName"]})

    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(
        runner, "127.0.0.1", 0, ssl_context=trusted_authority.server_context(asks_for_client=True)
    ).start()
    yield f"https://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


def pfx(authority: Authority, name: str, password: str) -> str:
    certificate, key = authority.client(name)
    content = pkcs12.serialize_key_and_certificates(
        name.encode(),
        load_pem_private_key(key.encode(), None),  # type: ignore[arg-type]  # a CA of tests makes no other kind
        load_pem_x509_certificate(certificate.encode()),
        None,
        BestAvailableEncryption(password.encode()),
    )
    return base64.b64encode(content).decode()


async def test_a_client_certificate_written_in_a_flow_is_shown_to_the_server(
    trusted_authority: Authority, closed_service: str, open_flowmend: Open
) -> None:
    running = await open_flowmend(allowed_private_hosts=frozenset({closed_service.removeprefix("https://")}))
    file = pfx(trusted_authority, "ada", "pfx-s3cret")
    written = {"type": "ClientCertificate", "pfx": file, "password": "pfx-s3cret"}
    content = json.dumps(document({"Call": http("GET", f"{closed_service}/a", authentication=written)})).encode()
    report = await import_package(running.services, content, "f.json", ImportChoices(), running.owner)
    (row,) = running.services.store.connections.list(connector_id="http")
    assert (row.parameter_set, row.health, row.lasts_until_kind) == (
        "ClientCertificate",
        HealthState.UNTESTED,
        "certificate",
    )
    await turn_on(running.services, report.flows[0].flow_id, running.owner)
    accepted = await running.call(report.flows[0].flow_id)
    await running.ended(accepted.run_name)
    record = (await running.records(accepted.run_name))["Call"]
    assert record.outputs["body"] == {"who": "ada"}, record
    assert running.connection(row.connection_id).health is HealthState.CONNECTED


async def test_an_app_at_entra_proves_itself_by_the_certificate_written_in_a_flow(
    tokens: Tokens, open_flowmend: Open
) -> None:
    running = await open_flowmend(allowed_private_hosts=frozenset({tokens.origin.removeprefix("http://")}))
    made = make("our app", rsa_key=True, days=20)
    tokens.certificate = made.certificate
    file = base64.b64encode(made.pfx("pfx-s3cret")).decode()
    written = {name: text for name, text in entra(tokens).items() if name != "secret"}
    written |= {"pfx": file, "password": "pfx-s3cret"}
    content = json.dumps(document({"Call": http("GET", f"{tokens.origin}/a", authentication=written)})).encode()
    report = await import_package(running.services, content, "f.json", ImportChoices(), running.owner)
    (row,) = running.services.store.connections.list(connector_id="http")
    assert row.parameter_set == "ActiveDirectoryOAuthCertificate"
    await turn_on(running.services, report.flows[0].flow_id, running.owner)
    accepted = await running.call(report.flows[0].flow_id)
    await running.ended(accepted.run_name)
    record = (await running.records(accepted.run_name))["Call"]
    assert record.status == "Succeeded", record
    assert (tokens.forms[0]["grant_type"], tokens.forms[0]["scope"]) == ("client_credentials", "https://api/.default")
    assert "client_secret" not in tokens.forms[0]
    assert running.connection(row.connection_id).health is HealthState.CONNECTED
    app = running.services.store.connections.get_sign_in_app(running.connection(row.connection_id).app_id)
    assert app is not None
    assert app.secret_expires_at == made.certificate.not_valid_after_utc

    tokens.certificate = make("another app", rsa_key=True).certificate
    running.clock.move(hours=1)
    await running.call(report.flows[0].flow_id)

    def category() -> str:
        return running.connection(row.connection_id).refused_category

    await until(lambda: category() == "client_secret_expired", category)


async def test_a_client_certificate_of_a_run_is_shown_too(
    trusted_authority: Authority, closed_service: str, house: Any
) -> None:
    written = {"type": "ClientCertificate", "pfx": pfx(trusted_authority, "eve", "x1"), "password": "x1"}
    outcome = await send(house, f"{closed_service}/a", written)
    assert outcome.outputs["body"] == {"who": "eve"}, outcome


async def test_a_second_flow_with_the_same_app_may_call_its_own_address(
    tokens: Tokens, open_flowmend: Open, local_server: LocalServer
) -> None:
    second = await local_server(tokens.answer)
    hosts = frozenset(one.removeprefix("http://") for one in (tokens.origin, second))
    running = await open_flowmend(allowed_private_hosts=hosts)
    for number, origin in enumerate((tokens.origin, second)):
        written = document({"Call": http("GET", f"{origin}/a", authentication=entra(tokens))})
        name = f"flow{number}.json"
        report = await import_package(
            running.services, json.dumps(written).encode(), name, ImportChoices(), running.owner
        )
        await turn_on(running.services, report.flows[0].flow_id, running.owner)
        accepted = await running.call(report.flows[0].flow_id)
        await running.ended(accepted.run_name)
        record = (await running.records(accepted.run_name))["Call"]
        assert record.status == "Succeeded", record
    (row,) = running.services.store.connections.list(connector_id="http")
    assert set(row.allowed_origins) == {tokens.origin, second}
