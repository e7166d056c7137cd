"""Sealing secrets: what is stored of them opens only under our keys, and only in the place it was sealed for."""

from flowmend.vault.binding import Binding
from flowmend.vault.opening import open_vault, present_key_ids
from flowmend.vault.secret import Secret
from flowmend.vault.vault import Vault, key_id_of

__all__ = ["Binding", "Secret", "Vault", "key_id_of", "open_vault", "present_key_ids"]
