"""What a trigger marks as secure is shown to nobody; records of actions have `core.run.history.readable`."""

import msgspec

from flowmend.core.run.record import RunStart
from flowmend.core.run.views import SANITIZED


def readable_start(start: RunStart, *, has_secure_trigger: bool) -> RunStart:
    """The start without secure trigger outputs. has_secure_trigger: as `LoadedFlow.has_secure_trigger`."""
    if not has_secure_trigger or "outputs" not in start.trigger:
        return start
    return msgspec.structs.replace(start, trigger={**start.trigger, "outputs": SANITIZED})
