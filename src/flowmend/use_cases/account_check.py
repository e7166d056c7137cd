"""Whether a new sign-in belongs to the account of the old one: flows must not act as somebody else unnoticed."""

from flowmend.core.connection.account import Identity
from flowmend.core.connection.credentials import (
    BasicCredential,
    CertificateCredential,
    Credential,
    OAuthCredential,
)
from flowmend.core.errors import AskedWrongly
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.probe_calls import CredentialTest

CONFIRMATION_NEEDED = "ConfirmationNeeded"


def identity_in(credential: Credential, test: CredentialTest) -> Identity:
    """Who the credential belongs to, as far as it says so itself or the test's answer did.

    A user name is what the service knows the account by, so its answer adds nothing to it.
    """
    if isinstance(credential, BasicCredential):
        return Identity(names=(credential.user,))
    if isinstance(credential, CertificateCredential):
        return Identity(names=(credential.subject,))
    if isinstance(credential, OAuthCredential) and credential.account:
        return Identity(names=(credential.account, *test.identity.names), id=test.identity.id)
    return test.identity


def refuse_another_account(row: ConnectionRow, credential: Credential, identity: Identity) -> None:
    """Errors: AskedWrongly `AnotherAccount` where the sign-in surely belongs to another account than the connection.

    A certificate that is renewed may bear another name and be the same account's: there somebody is asked.
    """
    if isinstance(credential, CertificateCredential):
        return
    if identity.is_same(row.account_name, row.account_id) is False:
        raise AskedWrongly(
            f"This sign-in belongs to {identity.name}, the connection to {row.account_name}. Its flows would act as "
            "somebody else. Make a new connection for the other account, and choose it in the flows.",
            code="AnotherAccount",
            target=row.connection_id,
        )


def to_confirm(
    row: ConnectionRow, credential: Credential, identity: Identity, *, is_proven: bool, by_outsider: bool = False
) -> str:
    """What somebody must confirm before this credential may replace the old one; "" where nothing is open.

    by_outsider: whoever signs in is not signed in here, so that their word alone proves nothing.
    """
    is_same = identity.is_same(row.account_name, row.account_id)
    if is_same and is_proven:
        return ""
    account = row.account_name or "the account that the connection is signed in as"
    if is_same:
        return f"Nothing could prove that {account} is signed in with it. Confirm that it is {account}'s."
    if is_same is False:
        return f"It belongs to {identity.name}, the old one to {account}. Confirm that both are the same account's."
    had_none = not (row.sealed_credential or row.shares_with or row.last_good_at)
    signs_in_knowingly = isinstance(credential, OAuthCredential) and not row.account_name and not by_outsider
    if had_none or signs_in_knowingly:
        return ""
    if identity.name:
        return f"It belongs to {identity.name}; whose the old one was is not known. Confirm that both are the same."
    return f"The service does not say whose it is. Confirm that it belongs to {account}."
