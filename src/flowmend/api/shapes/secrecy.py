"""What a trigger marks as secure is shown to nobody; records of actions have `core.run.history.readable`."""

from collections.abc import Collection

import msgspec

from flowmend.core.run.history import SANITIZED
from flowmend.core.run.record import RunStart


def readable_start(start: RunStart, secure_fields: Collection[str]) -> RunStart:
    """The start without secure trigger outputs. secure_fields: as `LoadedFlow.secure_start_fields`."""
    if "trigger.outputs" not in secure_fields or "outputs" not in start.trigger:
        return start
    return msgspec.structs.replace(start, trigger={**start.trigger, "outputs": SANITIZED})
