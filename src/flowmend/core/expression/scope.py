"""What an expression can see; the run engine, the checker and `flowmend eval` each provide one."""

from datetime import datetime
from typing import Protocol
from uuid import UUID

from flowmend.core.json_value import Json


class Scope(Protocol):
    """The names an expression can reach. Every method raises `ExpressionError` for an unknown name.

    Names of actions, loops and variables resolve ignoring case (wdl.md §1).
    """

    def parameter(self, name: str) -> Json: ...

    def variable(self, name: str) -> Json: ...

    def action(self, name: str) -> dict[str, Json]:
        """The `actions('X')` view: name, inputs, outputs, startTime, endTime, status, code, error… (wdl.md §7)."""
        ...

    def action_outputs(self, name: str) -> Json:
        """`outputs('X')`, None where there are none: the common case, without building the whole view."""
        ...

    def current_action(self) -> dict[str, Json]:
        """`action()`: only while tracked properties, an unsubscribe or an Until condition are evaluated."""
        ...

    def trigger(self) -> dict[str, Json]:
        """The `trigger()` view: name, inputs, outputs, startTime, endTime, scheduledTime…"""
        ...

    def item(self) -> Json:
        """`item()`: the element of the nearest foreach; Select and Query wrap the scope instead."""
        ...

    def items(self, loop: str) -> Json: ...

    def iteration_index(self, loop: str) -> int: ...

    def result(self, container: str) -> list[Json]: ...

    def workflow(self) -> dict[str, Json]: ...

    def callback_url(self) -> str: ...

    def app_setting(self, name: str) -> str: ...

    def now(self) -> datetime:
        """Aware, UTC."""
        ...

    def guid(self) -> UUID: ...

    def draw(self) -> float:
        """In [0, 1)."""
        ...
