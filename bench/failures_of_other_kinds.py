"""Answers that fail for a reason of their own: no connection is broken, however much they speak of tokens and users.

Validation, missing things, conflicts, limits, outages, boxes in front, objects that one may not touch: each in the form
of some family of services, with words drawn at random, so that no rule can have been written for a single one.
"""

import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from flowmend.core.connection.diagnosis import Phase, ReceivedAnswer

_THINGS = (
    "order", "invoice", "customer", "ticket", "page", "file", "folder", "user", "token", "session", "key", "account",
    "password reset link", "card", "subscription", "message", "channel", "repository", "branch", "record", "workspace",
    "API key", "device token", "webhook", "certificate", "signature field", "login event", "role", "license plate",
)  # fmt: skip
_FIELDS = (
    "name", "email", "password", "token", "amount", "start_date", "api_key_name", "scope", "user_id", "expires_at", "phone",
    "username", "new_password", "redirect_uri", "timestamp", "signature", "credentials_note", "status", "cursor", "page_token",
)  # fmt: skip
_WRONGS = (
    "is required", "must not be empty", "is too long (maximum is 255 characters)", "is invalid", "must be a valid email address",
    "has already been taken", "must be greater than 0", "is not included in the list", "has an invalid format",
    "must be at least 8 characters", "cannot be in the past", "does not match confirmation", "is not a number",
)  # fmt: skip


def other_failures(count: int, seed: int) -> Iterator[tuple[str, ReceivedAnswer]]:
    """`count` answers, each with its kind; the same seed gives the same ones."""
    draw = random.Random(seed)
    kinds = list(_KINDS.items())
    for number in range(count):
        name, make = kinds[number % len(kinds)]
        status, headers, body = make(draw)
        phase = Phase.TOKEN_ENDPOINT if name == "outage at the token endpoint" else Phase.API_CALL
        text = body if isinstance(body, str) else json.dumps(body)
        sort = "text/html" if text.startswith("<html") else "application/json"
        yield name, ReceivedAnswer(status=status, headers={"content-type": sort, **headers}, body=text, phase=phase)


_Made = tuple[int, dict[str, str], Any]


def _envelope(draw: random.Random, status: int, code: str, message: str) -> Any:
    """The same failure as one of the families of services would write it."""
    forms: list[Any] = [
        {"error": {"code": status, "message": message, "status": code.upper()}},
        {"error": {"type": code, "message": message, "param": draw.choice(_FIELDS)}},
        {"code": code, "message": message, "request_id": f"{draw.getrandbits(64):x}"},
        {"errors": [{"code": code, "detail": message, "status": str(status)}]},
        {"errors": [message]},
        {"message": message},
        {"error": message},
        {
            "type": f"https://errors.example/{code}",
            "title": code.replace("_", " "),
            "status": status,
            "detail": message,
        },
        {"Message": message, "ExceptionType": "System.InvalidOperationException"},
        {"success": False, "errors": [{"code": draw.randint(1000, 1999), "message": message}]},
        {"odata.error": {"code": code, "message": {"lang": "en-US", "value": message}}},
        {"fault": {"faultstring": message, "detail": {"errorcode": code}}},
        f"<?xml version='1.0'?><Error><Code>{code.title().replace('_', '')}</Code><Message>{message}</Message></Error>",
        message,
    ]
    return draw.choice(forms)


def _validation(draw: random.Random) -> _Made:
    status = draw.choice((400, 400, 400, 422))
    field, wrong = draw.choice(_FIELDS), draw.choice(_WRONGS)
    if draw.random() < 0.3:
        return status, {}, {"errors": {field: [wrong], draw.choice(_FIELDS): [draw.choice(_WRONGS)]}}
    code = draw.choice(("invalid_request", "validation_error", "invalid_argument", "bad_request", "parameter_invalid"))
    shown = draw.choice((f"{field} {wrong}", f"'{field}' {wrong}.", f"Validation failed: {field} {wrong}"))
    return status, {}, _envelope(draw, status, code, shown)


def _missing(draw: random.Random) -> _Made:
    thing, number = draw.choice(_THINGS), draw.randint(1, 99999)
    sentence = draw.choice((
        f"No such {thing}: {number}", f"The {thing} with id {number} was not found.", f"{thing} not found",
        f"Could not find {thing} {number}", f"The requested {thing} does not exist", "Not Found",
        f"{thing} {number} was deleted",
    ))  # fmt: skip
    status = draw.choice((404, 404, 404, 410))
    return (
        status,
        {},
        _envelope(draw, status, draw.choice(("not_found", "resource_missing", "no_such_entity")), sentence),
    )


def _expired_things(draw: random.Random) -> _Made:
    thing = draw.choice(
        ("invitation", "password reset link", "upload session", "card", "coupon", "page token", "cursor")
    )
    status = draw.choice((400, 404, 409, 410, 422))
    sentence = draw.choice((f"This {thing} has expired.", f"Expired {thing}", f"The {thing} is no longer valid"))
    return status, {}, _envelope(draw, status, "expired", sentence)


def _conflict(draw: random.Random) -> _Made:
    thing = draw.choice(_THINGS)
    sentence = draw.choice((
        f"The {thing} was changed by another user.", f"A {thing} of this name already exists", "Version mismatch (ETag)",
        f"{thing} is locked for editing by another user", "The account is locked by another process, unauthorized to change it now",
    ))  # fmt: skip
    status = draw.choice((409, 412, 423))
    return status, {}, _envelope(draw, status, draw.choice(("conflict", "precondition_failed", "locked")), sentence)


def _throttled(draw: random.Random) -> _Made:
    status = draw.choice((429, 429, 403, 503))
    headers = {"retry-after": str(draw.randint(1, 120))} if draw.random() < 0.6 else {}
    sentence = draw.choice((
        "API rate limit exceeded for user 4711.", "Too many requests", "You have exceeded the request limit for this token.",
        "Rate limit reached, try again in 20 seconds", "Throttled: too many calls with this API key", "Request was throttled.",
        "You have made too many requests recently. Please, be chill.", "Quota exceeded for quota metric 'Read requests'",
    ))  # fmt: skip
    return (
        status,
        headers,
        _envelope(draw, status, draw.choice(("rate_limited", "too_many_requests", "throttled")), sentence),
    )


def _quota(draw: random.Random) -> _Made:
    status = draw.choice((402, 403, 429, 507))
    sentence = draw.choice((
        "You exceeded your current quota, please check your plan and billing details.", "Storage quota exceeded",
        "Your account has reached its monthly limit.", "Insufficient credits", "Monthly API calls limit reached for this account",
    ))  # fmt: skip
    return status, {}, _envelope(draw, status, draw.choice(("quota_exceeded", "insufficient_quota", "limit")), sentence)


def _outage(draw: random.Random) -> _Made:
    status = draw.choice((500, 500, 502, 503, 504, 520, 529))
    sentence = draw.choice((
        "Internal Server Error", "Unexpected token < in JSON at position 0", "upstream connect error", "Bad Gateway",
        "The authentication service is unavailable", "Could not verify token: identity provider timed out",
        "Service Temporarily Unavailable", "invalid credentials for the replica database", "session store is down",
    ))  # fmt: skip
    if draw.random() < 0.3:
        return status, {}, f"<html><head><title>{status}</title></head><body><h1>{sentence}</h1></body></html>"
    return status, {}, _envelope(draw, status, draw.choice(("internal_error", "unavailable", "api_error")), sentence)


def _token_outage(draw: random.Random) -> _Made:
    status = draw.choice((408, 429, 500, 502, 503, 504))
    error = draw.choice(("temporarily_unavailable", "server_error", "invalid_grant", "invalid_client"))
    return status, {}, {"error": error, "error_description": "Something went wrong on our side, try again."}


def _box(draw: random.Random) -> _Made:
    status = draw.choice((403, 403, 503, 407, 511))
    page = draw.choice((
        "<title>Attention Required! | Cloudflare</title><p>Sorry, you have been blocked. Your IP: 192.0.2.4</p><p>Cloudflare Ray ID: 8a</p>",
        "<title>Access Denied</title>You don't have permission to access this server. Reference&#32;&#35;18&#46;2d1, Reference #18.2d1",
        "<title>Just a moment...</title>Checking your browser before accessing the site, enable cookies and log in again",
        "<title>Request Rejected</title>The requested URL was rejected. Please consult with your administrator. Your support ID is: 77",
        "<p>Request unsuccessful. Incapsula incident ID: 123-456</p>",
        "<title>Web filter</title><p>Access to this site was blocked by the proxy of your company. User: not authenticated</p>",
    ))  # fmt: skip
    return status, {}, f"<html><head></head><body>{page}</body></html>"


def _forbidden_object(draw: random.Random) -> _Made:
    thing = draw.choice(_THINGS)
    sentence = draw.choice((
        f"You do not have permission to access this {thing}.", f"You are not authorized to view this {thing}", "Forbidden",
        f"Only the owner of the {thing} may delete it", "Access denied", f"User cannot edit {thing}", "Insufficient privileges",
        f"This {thing} belongs to another account", f"Your role does not allow you to change a {thing}", "Permission denied",
        f"Missing permission {thing.replace(' ', '_')}.write", "Read-only access", f"This {thing} is private", "not a member of this project",
    ))  # fmt: skip
    return 403, {}, _envelope(draw, 403, draw.choice(("forbidden", "access_denied", "permission_denied")), sentence)


def _forbidden_state(draw: random.Random) -> _Made:
    sentence = draw.choice((
        "This feature is not available on your plan.", "Upgrade to Enterprise to use this endpoint", "The repository is archived",
        "Editing closed periods is not allowed", "This API is not enabled for your organization", "Comments are disabled for this post",
        "Sandbox mode: sending mail to other people is not allowed", "The trial has ended", "Deleting the default branch is forbidden",
        "Blocked by the data loss prevention policy of your organization", "CSRF verification failed. Request aborted.",
    ))  # fmt: skip
    return 403, {}, _envelope(draw, 403, draw.choice(("forbidden", "not_allowed", "operation_forbidden")), sentence)


def _business(draw: random.Random) -> _Made:
    status = draw.choice((400, 402, 409, 422))
    sentence = draw.choice((
        "Your card was declined.", "This payment requires authentication.", "The customer's account is closed", "Invalid card number",
        "Insufficient funds", "The user is already a member", "Recipient is inactive", "User has been suspended from the list",
        "The password reset token is invalid", "Invalid verification code", "The invitation was revoked", "Invalid username format",
        "Account number is invalid", "The bank account could not be verified", "Signature request has expired", "Wrong old password",
    ))  # fmt: skip
    code = draw.choice(("card_declined", "invalid_state", "business_rule", "unprocessable", "authentication_required"))
    return status, {}, _envelope(draw, status, code if status == 402 else code.replace("authentication_", ""), sentence)


def _protocol(draw: random.Random) -> _Made:
    status = draw.choice((405, 406, 411, 413, 414, 415, 416, 421, 426, 428, 431, 501, 505))
    sentence = draw.choice(
        ("Method Not Allowed", "Unsupported Media Type", "Payload Too Large", "Length Required", "URI Too Long")
    )
    return status, {}, _envelope(draw, status, "not_supported", sentence)


_KINDS: dict[str, Callable[[random.Random], _Made]] = {
    "validation": _validation,
    "not found": _missing,
    "something that expired": _expired_things,
    "conflict": _conflict,
    "throttled": _throttled,
    "quota": _quota,
    "outage": _outage,
    "outage at the token endpoint": _token_outage,
    "box in front": _box,
    "an object not to be touched": _forbidden_object,
    "a thing not to be done": _forbidden_state,
    "business rule": _business,
    "protocol": _protocol,
}
