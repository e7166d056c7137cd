"""The OAuth 2 endpoints: consent page, token, revocation and the server's description of itself.

Sources: RFC 6749, RFC 7636 (S256 demanded), RFC 7009, RFC 8414, RFC 9207 (`iss`).
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from urllib.parse import unquote_plus, urlencode, urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from flowmend.sample.service.answers import Answer
from flowmend.sample.service.forms import page, read_form
from flowmend.sample.service.grants import CHALLENGE, Consent, Refused, Tokens
from flowmend.sample.service.operations import SCOPES
from flowmend.sample.service.service import OrderService
from flowmend.sample.service.settings import Application
from flowmend.sample.service.sign_in import read_basic

_SCOPE_WORDS = {
    "profile": "See who you are",
    "orders.read": "Read orders and stock",
    "orders.write": "Place orders and write notes",
    "customers.read": "Read customers",
}
_CHALLENGE_HEADER = (b"www-authenticate", b'Basic realm="Sample order service"')


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationRequest:
    """A request for consent whose client and redirect were checked; `problem` goes back to that redirect."""

    application: Application
    redirect_uri: str
    state: str
    scopes: tuple[str, ...]
    code_challenge: str
    problem: Refused | None


def oauth_routes(service: OrderService) -> list[Route]:
    """The routes under `/oauth`, and the metadata that names them."""

    async def show_consent(request: Request) -> Response:
        asked = _read_authorization(service, request.query_params)
        if isinstance(asked, str):
            return page("problem.html", status=400, message=asked)
        if asked.problem is not None:
            return _send_back(request, asked, error=asked.problem.error, error_description=asked.problem.description)
        return _consent_page(request, asked)

    async def decide_consent(request: Request) -> Answer | Response:
        fields = await read_form(request)
        if isinstance(fields, Answer):
            return fields
        asked = _read_authorization(service, request.query_params)
        if isinstance(asked, str):
            return page("problem.html", status=400, message=asked)
        if asked.problem is not None:
            return _send_back(request, asked, error=asked.problem.error, error_description=asked.problem.description)
        if fields.get("decision") != "allow":
            return _send_back(request, asked, error="access_denied", error_description="The person declined.")
        account = service.accounts.with_password(fields.get("user", ""), fields.get("password", ""))
        if account is None:
            service.refused_sign_ins["consent"] += 1
            return _consent_page(request, asked, status=401, problem="Invalid user name or password.")
        code = service.grants.issue_code(
            Consent(
                user=account.user,
                client_id=asked.application.client_id,
                redirect_uri=asked.redirect_uri,
                code_challenge=asked.code_challenge,
                scopes=asked.scopes,
            )
        )
        return _send_back(request, asked, code=code)

    async def issue_token(request: Request) -> Answer:
        fields = await read_form(request)
        answer = fields if isinstance(fields, Answer) else _token_answer(service, request, fields)
        if service.latency_seconds:
            await asyncio.sleep(service.latency_seconds)
        return answer

    async def revoke_token(request: Request) -> Answer:
        fields = await read_form(request)
        if isinstance(fields, Answer):
            return fields
        client_id = _authenticated_client(service, request, fields)
        if client_id is None:
            return _invalid_client(service)
        service.grants.revoke(fields.get("token", ""), client_id=client_id)
        return Answer(body={})

    async def describe_server(request: Request) -> Answer:
        issuer = _issuer(request)
        return Answer(
            body={
                "issuer": issuer,
                "authorization_endpoint": f"{issuer}/oauth/authorize",
                "token_endpoint": f"{issuer}/oauth/token",
                "revocation_endpoint": f"{issuer}/oauth/revoke",
                "scopes_supported": SCOPES,
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code", "refresh_token"],
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
                "authorization_response_iss_parameter_supported": True,
            }
        )

    return [
        Route("/oauth/authorize", show_consent, methods=["GET"]),
        Route("/oauth/authorize", decide_consent, methods=["POST"]),
        Route("/oauth/token", issue_token, methods=["POST"]),
        Route("/oauth/revoke", revoke_token, methods=["POST"]),
        Route("/.well-known/oauth-authorization-server", describe_server, methods=["GET"]),
    ]


def _read_authorization(service: OrderService, query: Mapping[str, str]) -> AuthorizationRequest | str:
    """The request, or why nothing may be sent back to where it says (RFC 6749 §4.1.2.1)."""
    application = service.settings.application
    if query.get("client_id") != application.client_id:
        return "No application is registered under this client_id."
    redirect_uri = query.get("redirect_uri", "")
    if not application.may_redirect_to(redirect_uri):
        return f"The redirect_uri is not registered. Registered: {', '.join(application.redirect_uris)} (any port)."
    scopes = tuple(dict.fromkeys(query.get("scope", "").split())) or SCOPES
    problem: Refused | None = None
    if query.get("response_type") != "code":
        problem = Refused(error="unsupported_response_type", description="response_type must be code.")
    elif query.get("code_challenge_method") != "S256" or not CHALLENGE.fullmatch(query.get("code_challenge", "")):
        problem = Refused(error="invalid_request", description="PKCE is required: code_challenge with method S256.")
    elif not set(scopes) <= set(SCOPES):
        problem = Refused(error="invalid_scope", description=f"Known scopes: {' '.join(SCOPES)}.")
    return AuthorizationRequest(
        application=application,
        redirect_uri=redirect_uri,
        state=query.get("state", ""),
        scopes=scopes,
        code_challenge=query.get("code_challenge", ""),
        problem=problem,
    )


def _consent_page(request: Request, asked: AuthorizationRequest, *, status: int = 200, problem: str = "") -> Response:
    target = urlsplit(asked.redirect_uri)
    return page(
        "consent.html",
        status=status,
        form_targets=f"'self' {target.scheme}://{target.netloc}",
        action=f"/oauth/authorize?{request.url.query}",
        application=asked.application.name,
        permissions=[_SCOPE_WORDS[scope] for scope in asked.scopes],
        problem=problem,
    )


def _send_back(request: Request, asked: AuthorizationRequest, **answer: str) -> Response:
    parameters = {**answer, **({"state": asked.state} if asked.state else {}), "iss": _issuer(request)}
    joiner = "&" if urlsplit(asked.redirect_uri).query else "?"
    return RedirectResponse(
        f"{asked.redirect_uri}{joiner}{urlencode(parameters)}",
        status_code=303,
        headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"},
    )


def _token_answer(service: OrderService, request: Request, fields: Mapping[str, str]) -> Answer:
    client_id = _authenticated_client(service, request, fields)
    if client_id is None:
        return _invalid_client(service)
    grant_type = fields.get("grant_type", "")
    result: Tokens | Refused
    match grant_type:
        case "authorization_code":
            result = service.grants.redeem_code(
                fields.get("code", ""),
                client_id=client_id,
                redirect_uri=fields.get("redirect_uri", ""),
                verifier=fields.get("code_verifier", ""),
            )
        case "refresh_token":
            scopes = tuple(fields.get("scope", "").split())
            result = service.grants.refresh(fields.get("refresh_token", ""), client_id=client_id, scopes=scopes)
        case _:
            return _token_error(Refused(error="unsupported_grant_type", description="Use a code or a refresh token."))
    service.token_requests[grant_type] += 1
    if isinstance(result, Refused):
        service.refused_sign_ins["token"] += 1
        return _token_error(result)
    return Answer(
        body={
            "access_token": result.access_token,
            "token_type": "Bearer",
            "expires_in": result.expires_in,
            "refresh_token": result.refresh_token,
            "scope": " ".join(result.scopes),
        },
        headers=((b"pragma", b"no-cache"),),
    )


def _token_error(refused: Refused) -> Answer:
    return Answer(status=400, body={"error": refused.error, "error_description": refused.description})


def _invalid_client(service: OrderService) -> Answer:
    service.refused_sign_ins["token"] += 1
    body = {"error": "invalid_client", "error_description": "The application's id or secret is wrong."}
    return Answer(status=401, body=body, headers=(_CHALLENGE_HEADER,))


def _authenticated_client(service: OrderService, request: Request, fields: Mapping[str, str]) -> str | None:
    """The client's id if its secret is right: in HTTP basic, both halves form-encoded, or in the body (RFC 6749 §2.3.1)."""
    kind, _, credentials = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "basic":
        client_id, secret = (unquote_plus(half) for half in read_basic(credentials))
    else:
        client_id, secret = fields.get("client_id", ""), fields.get("client_secret", "")
    application = service.settings.application
    is_known = client_id == application.client_id and compare_digest(
        secret.encode(), application.client_secret.encode()
    )
    return client_id if is_known else None


def _issuer(request: Request) -> str:
    return f"{request.url.scheme}://{request.url.netloc}"
