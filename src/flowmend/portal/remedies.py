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

_REPLACE_CERTIFICATE = Remedy(
    title=marked("Replace certificate"),
    advice=marked(
        "Give the certificate that is valid now, with its key. It is tested first, then replaces the old one."
    ),
    opens="verify",
)
_LET_APP_SIGN_IN = Remedy(
    title=marked("Verify connection"),
    advice=marked(
        "A sign-in app signs in here by itself. Give it a new secret or certificate where the old one has ended."
    ),
    opens="verify",
)
_VERIFY_FOR_NEW_ADDRESS = Remedy(
    title=marked("Verify connection"),
    advice=marked(
        "The action calls an address that the connection's secret was not given for, so nothing was sent. If it is meant "
        "to go there, verify the connection: its secret is asked for again, and may then go there."
    ),
    opens="verify",
)

REMEDIES = {
    "verify_password": _VERIFY_PASSWORD,
    "sign_in_again": _SIGN_IN_AGAIN,
    "replace_key": _REPLACE_KEY,
    "prove_credential": Remedy(
        title=marked("Verify connection"),
        advice=marked(
            "The owner of the connection enters the credential that is valid now, or signs in again. It is tested first "
            "and replaces the old one only when it works."
        ),
        opens="verify",
    ),
    "prove_second_factor": Remedy(
        title=marked("Prove it is you"),
        advice=marked(
            "The service asks for a second factor. The owner of the connection signs in again and passes it; where only a "
            "password can be kept, create an app password at the service and enter that."
        ),
        opens="verify",
    ),
    "use_other_credential": Remedy(
        title=marked("Enter another kind of credential"),
        advice=marked(
            "The service no longer takes this kind of credential from programs. The owner of the connection opens the "
            "service, does what it asks there (an API token, a CAPTCHA), and enters what it then gives."
        ),
        opens="verify",
    ),
    "consent_again": Remedy(
        title=marked("Consent again"),
        advice=marked(
            "The sign-in lacks a consent, or does not cover this organisation. The owner of the connection signs in again "
            "and agrees, for the organisation the flow works with."
        ),
        opens="consent",
    ),
    "consent_wider": Remedy(
        title=marked("Consent to more"),
        advice=marked(
            "The sign-in is accepted, but does not cover what was asked. The owner of the connection signs in again and "
            "agrees to the missing scope, which its sign-in app must ask for."
        ),
        opens="consent",
    ),
    "add_app_to_workspace": Remedy(
        title=marked("Ask for the app to be added"),
        advice=marked(
            "The sign-in works, but not in this workspace. An administrator of the organisation there must add or approve "
            "the app; then resubmit the run."
        ),
    ),
    "restore_account": Remedy(
        title=marked("Ask about the account"),
        advice=marked(
            "The account is disabled, gone or unknown there. An administrator of the service must restore it, or the owner "
            "of the connection signs in with another account."
        ),
    ),
    "wait_for_unlock": Remedy(
        title=marked("Wait for the lock to open"),
        advice=marked(
            "Too many failed sign-ins have locked the account for a while. Nobody should try again until it opens by itself; "
            "then the owner of the connection verifies the credential once."
        ),
    ),
    "renew_app_secret": Remedy(
        title=marked("Renew the sign-in app"),
        advice=marked(
            "The service does not accept the sign-in app: its secret or certificate ran out, or its id is unknown. An "
            "administrator of the sign-in app enters a new secret; one renewal mends every connection that uses it."
        ),
    ),
    "allow_app": Remedy(
        title=marked("Ask for the app to be allowed"),
        advice=marked(
            "The sign-in app may not sign in this way. An administrator of the sign-in app must correct its registration "
            "at the service."
        ),
    ),
    "assign_to_app": Remedy(
        title=marked("Ask to be assigned"),
        advice=marked(
            "This account may not use the sign-in app, or the app may not ask for this. An administrator must assign the "
            "account or correct what the app asks for."
        ),
    ),
    "change_sign_in_rule": Remedy(
        title=marked("Ask for the rule to be changed"),
        advice=marked(
            "A rule of the organisation keeps this account, address or way of signing in out. An administrator there must "
            "change it; signing in again changes nothing."
        ),
    ),
    "wait_for_hours": Remedy(
        title=marked("Wait for the allowed hours"),
        advice=marked(
            "This account may sign in only at certain hours. Resubmit the run within them, or ask an administrator to widen "
            "them."
        ),
    ),
    "switch_feature_on": Remedy(
        title=marked("Ask for it to be switched on"),
        advice=marked(
            "The sign-in is fine, but a policy, licence or switch of the organisation does not let this through. An "
            "administrator of the service must change it; then resubmit the run."
        ),
    ),
    "open_the_way": Remedy(
        title=marked("Ask the network's administrator"),
        advice=marked(
            "A proxy or firewall on the way answered instead of the service. Whoever runs that network must let this call "
            "through; the connection itself is fine."
        ),
    ),
    "check_server_identity": Remedy(
        title=marked("Check who answers"),
        advice=marked(
            "The server could not prove who it is, so nothing was sent to it. An administrator must check its certificate "
            "or host key; do not enter the password anew before that."
        ),
    ),
    "set_clock": Remedy(
        title=marked("Set the clock"),
        advice=marked(
            "The clocks of this machine and of the service differ too much. The administrator of this machine must set "
            "its clock; no new sign-in is needed."
        ),
    ),
    "raise_quota": Remedy(
        title=marked("Ask for a larger quota"),
        advice=marked(
            "The quota or credit at the service is used up, and waiting alone may not help. Whoever pays for the account "
            "there must raise it; then resubmit the run."
        ),
    ),
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
_BY_SIGN_IN = {
    "basic": _VERIFY_PASSWORD,
    "api_key": _REPLACE_KEY,
    "oauth2": _SIGN_IN_AGAIN,
    "client_certificate": _REPLACE_CERTIFICATE,
    "client_credentials": _LET_APP_SIGN_IN,
}

#: Who ends it and how, by how the connection signs in: by name, and where nobody is known.
_ENDED_BY = {
    "basic": (
        marked("%(name)s can end it by entering the current password."),
        marked("The owner of the connection can end it by entering the current password."),
    ),
    "api_key": (
        marked("%(name)s can end it by entering the key that is valid now."),
        marked("The owner of the connection can end it by entering the key that is valid now."),
    ),
    "client_certificate": (
        marked("%(name)s can end it by giving the certificate that is valid now."),
        marked("The owner of the connection can end it by giving the certificate that is valid now."),
    ),
    "oauth2": (
        marked("%(name)s can end it by signing in again."),
        marked("The owner of the connection can end it by signing in again."),
    ),
}
_ENDED_SOMEHOW = (
    marked("%(name)s can end it by verifying the connection."),
    marked("The owner of the connection can end it by verifying the connection."),
)

_CAUSES = {
    Category.EXPIRED: marked("The sign-in has expired"),
    Category.REVOKED: marked("The sign-in was withdrawn"),
    Category.WRONG_PASSWORD: marked("Password, key or certificate refused"),
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


def ended_by(sign_in: str, name: str) -> str:
    """What its owner does to end an incident, to be translated. name: of the owner, "" where not known; else it goes in as `name`."""
    by_name, by_nobody = _ENDED_BY.get(sign_in, _ENDED_SOMEHOW)
    return by_name if name else by_nobody


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
    if code == "OriginNotAllowed":
        return _VERIFY_FOR_NEW_ADDRESS
    if code in _TRANSIENT_CODES:
        return REMEDIES["resubmit"]
    return REMEDIES["edit_flow"]


_TRANSIENT_CODES = frozenset({
    "InternalServerError", "BadGateway", "ServiceUnavailable", "GatewayTimeout", "RequestTimeout", "429",
    "TooManyRequests", "ActionTimedOut", "UnresolvableHostName", "ServiceUnreachable", "ConnectionFailure",
})  # fmt: skip
