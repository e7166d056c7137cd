"""Whether a new sign-in belongs to the account of the old one."""

from datetime import UTC, datetime
from typing import Any

import pytest

from flowmend.core.connection.account import Identity
from flowmend.core.connection.credentials import (
    ApiKeyCredential,
    BasicCredential,
    CertificateCredential,
    Credential,
    OAuthCredential,
)
from flowmend.core.connection.health import HealthState
from flowmend.core.errors import AskedWrongly
from flowmend.store.rows import ConnectionRow
from flowmend.use_cases.account_check import identity_in, refuse_another_account, to_confirm
from flowmend.use_cases.probe_calls import CredentialTest

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
KEY = ApiKeyCredential(values={"key": "k"})
ERIKA = Identity(names=("erika@contoso.com",))


def connection(**parts: Any) -> ConnectionRow:
    return ConnectionRow(
        **{
            "connection_id": "c",
            "connector_id": "orders",
            "display_name": "Orders",
            "owner_id": "p",
            "parameters": {},
            "allowed_origins": ["https://orders.example"],
            "sealed_credential": b"sealed",
            "health": HealthState.BROKEN,
            "health_changed_at": NOON,
            "created_at": NOON,
            "changed_at": NOON,
            **parts,
        }
    )


def proven(identity: Identity) -> CredentialTest:
    return CredentialTest(is_testable=True, is_proven=True, identity=identity)


@pytest.mark.parametrize(
    ("credential", "said", "name"),
    [
        pytest.param(BasicCredential(user="erika", password="p"), ERIKA, "erika", id="a user name says it itself"),
        pytest.param(KEY, ERIKA, "erika@contoso.com", id="a key is what the service says"),
        pytest.param(KEY, Identity(), "", id="a key nobody names"),
        pytest.param(
            OAuthCredential(access_token="t", issued_at=NOON, account="e@contoso.com"),
            ERIKA,
            "e@contoso.com",
            id="an id token comes first",
        ),
    ],
)
def test_who_a_credential_belongs_to(credential: Credential, said: Identity, name: str) -> None:
    assert identity_in(credential, proven(said)).name == name


def test_another_account_is_refused_by_name_and_by_id() -> None:
    with pytest.raises(AskedWrongly) as refused:
        refuse_another_account(connection(account_name="mia@contoso.com"), KEY, ERIKA)
    assert refused.value.code == "AnotherAccount"
    refuse_another_account(connection(account_name="Erika@Contoso.com"), KEY, ERIKA)
    refuse_another_account(connection(), KEY, ERIKA)
    renamed = Identity(names=("new name",), id="7")
    refuse_another_account(connection(account_name="old name", account_id="7"), KEY, renamed)


def test_a_renewed_certificate_of_another_name_is_asked_about_and_not_refused() -> None:
    renewed = CertificateCredential(certificate_pem="c", key_pem="k", subject="orders-2027", not_after=NOON)
    row = connection(account_name="orders-2026")
    identity = identity_in(renewed, proven(Identity()))
    refuse_another_account(row, renewed, identity)
    assert "orders-2027" in to_confirm(row, renewed, identity, is_proven=True)
    assert to_confirm(connection(account_name="orders-2027"), renewed, identity, is_proven=True) == ""


def test_somebody_with_a_link_is_vouched_for_where_a_provider_names_nobody() -> None:
    nameless = OAuthCredential(access_token="t", issued_at=NOON)
    assert to_confirm(connection(), nameless, Identity(), is_proven=True) == ""
    assert to_confirm(connection(), nameless, Identity(), is_proven=True, by_outsider=True) != ""


@pytest.mark.parametrize(
    ("row", "credential", "identity", "is_proven", "asks"),
    [
        pytest.param({"account_name": "erika@contoso.com"}, KEY, ERIKA, True, False, id="the service names the same"),
        pytest.param({"account_name": "erika@contoso.com"}, KEY, ERIKA, False, True, id="nothing could be called"),
        pytest.param({"account_name": "erika@contoso.com"}, KEY, Identity(), True, True, id="the service names nobody"),
        pytest.param({}, KEY, ERIKA, True, True, id="nobody knows whose the old one was"),
        pytest.param({}, KEY, Identity(), True, True, id="nobody knows anything"),
        pytest.param({"sealed_credential": b""}, KEY, Identity(), True, False, id="the first sign-in of all"),
        pytest.param(
            {"sealed_credential": b"", "last_good_at": NOON}, KEY, Identity(), True, True, id="the old one was dropped"
        ),
        pytest.param(
            {},
            OAuthCredential(access_token="t", issued_at=NOON),
            Identity(),
            True,
            False,
            id="a sign-in at a provider that never names anybody",
        ),
    ],
)
def test_what_nothing_proves_somebody_confirms(
    row: dict[str, Any], credential: Credential, identity: Identity, is_proven: bool, asks: bool
) -> None:
    assert bool(to_confirm(connection(**row), credential, identity, is_proven=is_proven)) is asks
