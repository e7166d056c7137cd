"""Putting right what a broken connection kept back or failed: what goes in which order."""

from flowmend.core.repair.backlog import Backlog, Waiting
from flowmend.core.repair.lanes import Lanes

__all__ = ["Backlog", "Lanes", "Waiting"]
