"""Everything the store keeps sealed, and what each is bound to: for counting it by key, and for sealing it anew.

What a run's history holds sealed is not among these. Its pages are never changed; they stay under the key of their time,
which the key file keeps.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from flowmend.store import Store
from flowmend.store.notice_rows import MessageRouteRow
from flowmend.store.rows import ConnectionRow, FlowRow, Row, SignInAppRow, SubscriptionRow
from flowmend.use_cases.app_proofs import proof_binding
from flowmend.use_cases.failed_calls import failed_call_binding
from flowmend.use_cases.flow_parameters import sealed_part
from flowmend.use_cases.loaded_flows import access_key_binding
from flowmend.use_cases.message_channels import webhook_binding
from flowmend.use_cases.sealed_credentials import credential_binding, previous_binding
from flowmend.use_cases.subscription_calls import calls_binding
from flowmend.vault import Binding, key_id_of


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedPlace:
    """A column with something sealed. what: in words, of several. name: the row's key. binding: of a row's value."""

    what: str
    table: str
    column: str
    shape: type[Any]
    name: Callable[[Any], str]
    binding: Callable[[Any], Binding]


SEALED_PLACES = (
    SealedPlace(
        what="credentials of connections",
        table="connections",
        column="sealed_credential",
        shape=ConnectionRow,
        name=lambda row: row.connection_id,
        binding=credential_binding,
    ),
    SealedPlace(
        what="earlier credentials of connections",
        table="connections",
        column="sealed_candidate",
        shape=ConnectionRow,
        name=lambda row: row.connection_id,
        binding=previous_binding,
    ),
    SealedPlace(
        what="calls that were refused last",
        table="connections",
        column="sealed_failed_call",
        shape=ConnectionRow,
        name=lambda row: row.connection_id,
        binding=failed_call_binding,
    ),
    SealedPlace(
        what="secrets of sign-in apps",
        table="sign_in_apps",
        column="sealed_secret",
        shape=SignInAppRow,
        name=lambda row: row.app_id,
        binding=proof_binding,
    ),
    SealedPlace(
        what="access keys of flows",
        table="flows",
        column="sealed_access_key",
        shape=FlowRow,
        name=lambda row: row.flow_id,
        binding=lambda row: access_key_binding(row.flow_id),
    ),
    SealedPlace(
        what="calls of subscriptions",
        table="subscriptions",
        column="sealed_calls",
        shape=SubscriptionRow,
        name=lambda row: row.subscription_id,
        binding=lambda row: calls_binding(row.subscription_id),
    ),
    SealedPlace(
        what="secrets of message routes",
        table="message_routes",
        column="sealed_secret",
        shape=MessageRouteRow,
        name=lambda row: row.route_id,
        binding=lambda row: webhook_binding(row.route_id, row.address),
    ),
)
#: What the versions of flows hold sealed in their documents.
VALUES_OF_FLOWS = "secret values of flows"


def sealed_of(row: Row, place: SealedPlace) -> bytes:
    """What a row holds sealed in a place, b"" for nothing."""
    return bytes(getattr(row, place.column) or b"")


def count_by_key(store: Store) -> dict[str, dict[str, int]]:
    """{key id: {what, in words: how many of it are sealed under that key}}. Errors: StoreUnavailable."""
    counts: dict[str, dict[str, int]] = {}
    for what, key_id in _keys_in_use(store):
        of_key = counts.setdefault(key_id, {})
        of_key[what] = of_key.get(what, 0) + 1
    return counts


def _keys_in_use(store: Store) -> Iterator[tuple[str, str]]:
    for place in SEALED_PLACES:
        for block in store.sealed_columns.blocks(place.table, place.shape):
            for row in block:
                if key_id := key_id_of(sealed_of(row, place)):
                    yield place.what, key_id
    for version in store.sealed_columns.versions():
        if key_id := key_id_of(sealed_part(version.document)):
            yield VALUES_OF_FLOWS, key_id
