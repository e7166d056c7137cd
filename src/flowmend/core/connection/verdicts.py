"""What an answer can say about a credential: the verdicts that rules name.

Error (`is_broken`) is a refusal of who or where signs in; Connected is a refusal of what was asked, or a service,
network or box in front at fault.
"""

from dataclasses import dataclass

from flowmend.core.outcome import Category, FixableBy


@dataclass(frozen=True, slots=True)
class Verdict:
    """is_auth: the caller was refused. is_broken: no call can work. is_silent_first: perhaps only a token aged.

    remedy: the key of what to do; "" where it depends on how the connection signs in.
    """

    category: Category
    fixable_by: FixableBy
    is_auth: bool
    is_broken: bool
    is_silent_first: bool = False
    remedy: str = ""


NO_FAILURE = Verdict(Category.UNKNOWN, FixableBy.NONE, False, False, remedy="edit_flow")
TRANSIENT = Verdict(Category.UNKNOWN, FixableBy.WAIT, False, False, remedy="wait")

#: name, as rules write it → verdict
VERDICTS = {
    # the credential itself
    "token_aged": Verdict(Category.EXPIRED, FixableBy.REVERIFY, True, True, is_silent_first=True),
    "expired": Verdict(Category.EXPIRED, FixableBy.REVERIFY, True, True),
    "revoked": Verdict(Category.REVOKED, FixableBy.REVERIFY, True, True),
    "wrong_secret": Verdict(Category.WRONG_PASSWORD, FixableBy.REVERIFY, True, True),
    "not_signed_in": Verdict(Category.UNKNOWN, FixableBy.REVERIFY, True, True),
    "signed_out": Verdict(Category.UNKNOWN, FixableBy.REVERIFY, True, True, is_silent_first=True),
    "second_factor": Verdict(Category.MFA, FixableBy.REVERIFY, True, True, remedy="prove_second_factor"),
    "other_credential": Verdict(Category.POLICY_BLOCKED, FixableBy.REVERIFY, True, True, remedy="use_other_credential"),
    "clock": Verdict(Category.CLOCK_SKEW, FixableBy.ADMIN, True, True, remedy="set_clock"),
    # the account and its consent
    "account_off": Verdict(Category.DISABLED_ACCOUNT, FixableBy.ADMIN, True, True, remedy="restore_account"),
    "locked_out": Verdict(Category.DISABLED_ACCOUNT, FixableBy.WAIT, True, True, remedy="wait_for_unlock"),
    "no_consent": Verdict(Category.CONSENT_REQUIRED, FixableBy.RECONSENT, True, True, remedy="consent_again"),
    "no_workspace": Verdict(Category.CONSENT_REQUIRED, FixableBy.ADMIN, True, True, remedy="add_app_to_workspace"),
    # the sign-in app and the rules of the organisation
    "app_refused": Verdict(Category.CLIENT_SECRET_EXPIRED, FixableBy.ADMIN, True, True, remedy="renew_app_secret"),
    "app_not_allowed": Verdict(Category.UNKNOWN, FixableBy.ADMIN, True, True, remedy="allow_app"),
    "no_app_role": Verdict(Category.INSUFFICIENT_PERMISSION, FixableBy.ADMIN, True, True, remedy="assign_to_app"),
    "sign_in_policy": Verdict(Category.POLICY_BLOCKED, FixableBy.ADMIN, True, True, remedy="change_sign_in_rule"),
    "sign_in_hours": Verdict(Category.POLICY_BLOCKED, FixableBy.WAIT, True, True, remedy="wait_for_hours"),
    # what was asked
    "no_permission": Verdict(
        Category.INSUFFICIENT_PERMISSION, FixableBy.GRANT_PERMISSION, True, False, remedy="ask_for_permission"
    ),
    "no_scope": Verdict(Category.INSUFFICIENT_PERMISSION, FixableBy.RECONSENT, True, False, remedy="consent_wider"),
    "feature_off": Verdict(Category.POLICY_BLOCKED, FixableBy.ADMIN, True, False, remedy="switch_feature_on"),
    "not_offered": Verdict(Category.POLICY_BLOCKED, FixableBy.ADMIN, False, False, remedy="switch_feature_on"),
    # the service and the way to it
    "box_in_front": Verdict(Category.POLICY_BLOCKED, FixableBy.ADMIN, False, False, remedy="open_the_way"),
    "untrusted_server": Verdict(Category.UNKNOWN, FixableBy.ADMIN, False, False, remedy="check_server_identity"),
    "throttled": Verdict(Category.RATE_LIMITED_NOT_AUTH, FixableBy.WAIT, False, False, remedy="wait"),
    "out_of_quota": Verdict(Category.RATE_LIMITED_NOT_AUTH, FixableBy.ADMIN, False, False, remedy="raise_quota"),
    "transient": TRANSIENT,
    "no_failure": NO_FAILURE,
}
