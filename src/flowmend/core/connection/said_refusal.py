"""A status of which the connector itself says that it means a credential that no longer serves."""

from flowmend.core.connection.diagnosis import remedy_of
from flowmend.core.connector import Connector, SignInKind, status_name
from flowmend.core.connector.answer_policies import is_refusal
from flowmend.core.outcome import Category, Diagnosis, FixableBy

#: The name under which the conclusion goes where others name a rule.
RULE = "connector_says"


def said_refusal(connector: Connector, operation_id: str, status: int, kind: SignInKind) -> Diagnosis | None:
    """What the policy `setconnectionstatustounauthenticated` concludes of an answer; None where it says nothing."""
    if not is_refusal(connector, operation_id, status):
        return None
    return Diagnosis(
        category=Category.UNKNOWN,
        fixable_by=FixableBy.REVERIFY,
        is_auth_failure=True,
        connection_broken=True,
        try_silent_refresh_first=kind in {SignInKind.OAUTH2, SignInKind.CLIENT_CREDENTIALS},
        remedy=remedy_of(FixableBy.REVERIFY, kind),
        rule=RULE,
        code=status_name(status),
        message=f"The connector says that status {status} means the sign-in is no longer valid.",
    )
