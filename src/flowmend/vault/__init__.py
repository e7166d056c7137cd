"""Sealing secrets: what is stored of them opens only under our keys, and only in the place it was sealed for."""

from flowmend.vault.binding import Binding
from flowmend.vault.opening import open_vault
from flowmend.vault.secret import Secret
from flowmend.vault.vault import Vault

__all__ = ["Binding", "Secret", "Vault", "open_vault"]
