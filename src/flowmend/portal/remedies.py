"""What to do about a refusal, in words a connection's owner can follow.

The engine says a remedy by its key; this table says it in a sentence, what the button is called, and who can act.
A refusal for lack of permission never offers a sign-in: the sign-in was accepted, so another would change nothing.
"""

from dataclasses import dataclass

from flowmend.core.outcome import Category
from flowmend.portal.language import marked


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """title: the command or headline. advice: what to do. opens: `verify`, `consent`, `flow` or "" (nothing here cures it)."""

    title: str
    advice: str
    opens: str = ""


_VERIFY_PASSWORD = Remedy(
    title=marked("Verify password"),
    advice=marked("Enter the current password. It is tested first and replaces the old one only when it works."),
    opens="verify",
)
_SIGN_IN_AGAIN = Remedy(
    title=marked("Sign in again"),
    advice=marked("Sign in at the service once more. The old sign-in is replaced only when the new one works."),
    opens="consent",
)
_REPLACE_KEY = Remedy(
    title=marked("Replace key"),
    advice=marked("Enter the key that is valid now. It is tested first and replaces the old one only when it works."),
    opens="verify",
)

REMEDIES = {
    "verify_password": _VERIFY_PASSWORD,
    "sign_in_again": _SIGN_IN_AGAIN,
    "replace_key": _REPLACE_KEY,
    "ask_for_permission": Remedy(
        title=marked("Ask for permission"),
        advice=marked(
            "The service accepted the sign-in and refused this one request. Ask whoever manages access there to give this "
            "account the right to do it; signing in again changes nothing. Then resubmit the run."
        ),
    ),
    "ask_admin": Remedy(
        title=marked("Ask an administrator"),
        advice=marked(
            "A setting of the service or of the organisation stands in the way, not the sign-in itself. Show the message "
            "to an administrator there; once it is changed, resubmit the run."
        ),
    ),
    "wait": Remedy(
        title=marked("Wait, then resubmit"),
        advice=marked(
            "The service was busy or out of reach, and this passes by itself. Resubmit the run after a while."
        ),
    ),
    "edit_flow": Remedy(
        title=marked("Correct the flow"),
        advice=marked(
            "The action itself is at fault, not the sign-in. The editor opens at the very action: correct it, save, then "
            "resubmit the run, which uses the new version."
        ),
        opens="flow",
    ),
    "as_defined": Remedy(
        title=marked("Read the message"),
        advice=marked(
            "No action failed: the flow ended this run itself, as its definition says. Its message tells why."
        ),
    ),
    "resubmit": Remedy(
        title=marked("Resubmit"),
        advice=marked("The service had a fault of its own. Resubmit the run; if it fails again, wait a while first."),
    ),
}

#: what a connection's own button says, by how it signs in
_BY_SIGN_IN = {"basic": _VERIFY_PASSWORD, "api_key": _REPLACE_KEY, "oauth2": _SIGN_IN_AGAIN}

_CAUSES = {
    Category.EXPIRED: marked("The sign-in has expired"),
    Category.REVOKED: marked("The sign-in was withdrawn"),
    Category.WRONG_PASSWORD: marked("Password or key refused"),
    Category.INSUFFICIENT_PERMISSION: marked("Permission is missing"),
    Category.CONSENT_REQUIRED: marked("Consent is missing"),
    Category.MFA: marked("A second factor is demanded"),
    Category.DISABLED_ACCOUNT: marked("The account is disabled or gone"),
    Category.CLIENT_SECRET_EXPIRED: marked("The sign-in app was refused"),
    Category.POLICY_BLOCKED: marked("Blocked by a rule of the organisation"),
    Category.RATE_LIMITED_NOT_AUTH: marked("Too many requests"),
    Category.CLOCK_SKEW: marked("The clocks differ too much"),
    Category.UNKNOWN: marked("The service did not say why"),
}


def connection_remedy(sign_in: str) -> Remedy:
    """What cures a connection that signs in this way (`basic`, `api_key`, `oauth2`)."""
    return _BY_SIGN_IN.get(sign_in, _VERIFY_PASSWORD)


def cause_of(category: str) -> str:
    """A diagnosis category in words, to be translated."""
    return _CAUSES[Category(category)] if category in set(Category) else _CAUSES[Category.UNKNOWN]


def remedy_of(key: str, code: str) -> Remedy:
    """The remedy of a failed action: the diagnosis' own, else the guide's for the error code.

    code: the action's, e.g. `BadRequest`, `NotFound`, `BadGateway` or a bare status.
    Source: the guide's three kinds of error (authentication, action configuration, transient).
    """
    if key in REMEDIES:
        return REMEDIES[key]
    if code in _TRANSIENT_CODES:
        return REMEDIES["resubmit"]
    return REMEDIES["edit_flow"]


_TRANSIENT_CODES = frozenset({
    "InternalServerError", "BadGateway", "ServiceUnavailable", "GatewayTimeout", "RequestTimeout", "429",
    "TooManyRequests", "ActionTimedOut", "UnresolvableHostName", "ServiceUnreachable", "ConnectionFailure",
})  # fmt: skip
