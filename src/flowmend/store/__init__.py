"""What Flowmend remembers, on SQLite or PostgreSQL: queries by noun, and the journal that writes runs."""

from flowmend.store.hourly_ticks import Tick
from flowmend.store.run_filter import RunFilter
from flowmend.store.store import Store, open_store

__all__ = ["RunFilter", "Store", "Tick", "open_store"]
