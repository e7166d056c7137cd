"""A scope whose `item()` is given: the body of a Select, Query, Table or Foreach."""

from datetime import datetime
from uuid import UUID

from flowmend.core.expression.scope import Scope
from flowmend.core.json_value import Json


class ItemScope:
    """Another scope, with its own item."""

    __slots__ = ("_item", "_outer")

    def __init__(self, outer: Scope, item: Json) -> None:
        self._outer = outer
        self._item = item

    def item(self) -> Json:
        return self._item

    def parameter(self, name: str) -> Json:
        return self._outer.parameter(name)

    def variable(self, name: str) -> Json:
        return self._outer.variable(name)

    def action(self, name: str) -> dict[str, Json]:
        return self._outer.action(name)

    def action_outputs(self, name: str) -> Json:
        return self._outer.action_outputs(name)

    def current_action(self) -> dict[str, Json]:
        return self._outer.current_action()

    def trigger(self) -> dict[str, Json]:
        return self._outer.trigger()

    def items(self, loop: str) -> Json:
        return self._outer.items(loop)

    def iteration_index(self, loop: str) -> int:
        return self._outer.iteration_index(loop)

    def result(self, container: str) -> list[Json]:
        return self._outer.result(container)

    def workflow(self) -> dict[str, Json]:
        return self._outer.workflow()

    def callback_url(self) -> str:
        return self._outer.callback_url()

    def app_setting(self, name: str) -> str:
        return self._outer.app_setting(name)

    def now(self) -> datetime:
        return self._outer.now()

    def guid(self) -> UUID:
        return self._outer.guid()

    def draw(self) -> float:
        return self._outer.draw()
