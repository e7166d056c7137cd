"""Sealing everything anew under the newest key, while others work with it.

Each value is replaced only where it is still the one that was read: what a server changes meanwhile is its own newer
value, sealed under a key that is known as well. Whatever ends this in the middle, everything opens, and doing it again
goes on where it ended.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from flowmend.core.errors import SecretUnreadable
from flowmend.store import Store
from flowmend.use_cases.flow_parameters import resealed_document, sealed_part
from flowmend.use_cases.sealed_places import SEALED_PLACES, VALUES_OF_FLOWS, SealedPlace, sealed_of
from flowmend.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Resealed:
    """How many of what, in words. unreadable: what opens under no key that is here, and was left as it is."""

    done: Mapping[str, int]
    unreadable: Mapping[str, int]


def reseal(store: Store, vault: Vault) -> Resealed:
    """Seal what is under an older key under the newest. Errors: StoreUnavailable."""
    done: Counter[str] = Counter()
    unreadable: Counter[str] = Counter()
    for place in SEALED_PLACES:
        _reseal_place(store, vault, place, done, unreadable)
    for version in store.sealed_columns.versions():
        sealed = sealed_part(version.document)
        if not sealed or not vault.needs_resealing(sealed):
            continue
        try:
            document = resealed_document(version, vault)
        except SecretUnreadable:
            unreadable[VALUES_OF_FLOWS] += 1
        else:
            done[VALUES_OF_FLOWS] += store.sealed_columns.replace_document(version, document)
    return Resealed(done={what: count for what, count in done.items() if count}, unreadable=dict(unreadable))


def _reseal_place(store: Store, vault: Vault, place: SealedPlace, done: Counter[str], unreadable: Counter[str]) -> None:
    for block in store.sealed_columns.blocks(place.table, place.shape):
        changes: dict[str, tuple[bytes, bytes]] = {}
        for row in block:
            sealed = sealed_of(row, place)
            if not sealed or not vault.needs_resealing(sealed):
                continue
            try:
                changes[place.name(row)] = (sealed, vault.reseal(sealed, bound_to=place.binding(row)))
            except SecretUnreadable:
                unreadable[place.what] += 1
        if changes:
            done[place.what] += store.sealed_columns.replace(place.table, place.column, changes)
