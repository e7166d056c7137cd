"""Which keys a backup's secrets were sealed under, and what would be missing without them."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from flowmend.store.backup.table_shapes import TableShape
from flowmend.vault import key_id_of

_SEALED = "sealed_"
_NAMES = {"connections": ("display_name", "sealed_credential"), "flows": ("name", "sealed_access_key")}


class KeysNeeded:
    """Is shown a backup's rows (`check_backup`). by_key: {key id: how many secrets are sealed under it}."""

    def __init__(self) -> None:
        self.by_key: Counter[str] = Counter()
        self._named: dict[str, list[tuple[str, str]]] = {"connections": [], "flows": []}

    def see(self, shape: TableShape, rows: Sequence[Sequence[Any]]) -> None:
        places = [place for place, name in enumerate(shape.column_names) if name.startswith(_SEALED)]
        for row in rows:
            self.by_key.update(filter(None, (key_id_of(row[place] or b"") for place in places)))
        if shape.name in _NAMES:
            name, sealed = (shape.column_names.index(column) for column in _NAMES[shape.name])
            self._named[shape.name] += [(row[name], key_id_of(row[sealed])) for row in rows if row[sealed]]

    def missing(self, present: Collection[str]) -> list[str]:
        """The ids of the keys that are needed and not present."""
        return sorted(set(self.by_key) - set(present))

    def connections_without(self, present: Collection[str]) -> list[str]:
        """Names of the connections that would have to be signed in again."""
        return _without(self._named["connections"], present)

    def flows_without(self, present: Collection[str]) -> list[str]:
        """Names of the flows that could not be read, and would have to be imported again."""
        return _without(self._named["flows"], present)


def _without(named: Sequence[tuple[str, str]], present: Collection[str]) -> list[str]:
    return sorted(name for name, key_id in named if key_id not in present)
