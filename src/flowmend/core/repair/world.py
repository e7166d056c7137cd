"""What a repair plan was made from, in one word: where it differs, the plan is old."""

import hashlib
from collections.abc import Iterable, Mapping

_BETWEEN = "\x1f"


def world_of(
    *,
    runs: Iterable[str],
    events: Iterable[str],
    flows: Mapping[str, tuple[str, str]],
    connections: Mapping[str, bool],
) -> str:
    """A digest. runs, events: what the plan is about. flows: {id: (latest version, state)}. connections: {id: it works}."""
    digest = hashlib.sha256()
    for part in (
        sorted(runs),
        sorted(events),
        [_BETWEEN.join((flow_id, *flows[flow_id])) for flow_id in sorted(flows)],
        [f"{connection_id}{_BETWEEN}{connections[connection_id]}" for connection_id in sorted(connections)],
    ):
        digest.update("\n".join(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()
