"""A scope in which there is nothing: the ground of those that see very little."""

from datetime import datetime
from typing import NoReturn
from uuid import UUID

from flowmend.core.errors import ExpressionError
from flowmend.core.json_value import Json


class BareScope:
    """Every name is refused; a scope that has some overrides them. what: begins the message, `… sees no`."""

    __slots__ = ()
    what = "This expression"

    def refuse(self, name: str) -> NoReturn:
        raise ExpressionError(f"{self.what} sees no {name}.")

    def parameter(self, name: str) -> Json:
        self.refuse(f"parameter '{name}'")

    def variable(self, name: str) -> Json:
        self.refuse(f"variable '{name}'")

    def action(self, name: str) -> dict[str, Json]:
        self.refuse(f"action '{name}'")

    def action_outputs(self, name: str) -> Json:
        self.refuse(f"action '{name}'")

    def current_action(self) -> dict[str, Json]:
        self.refuse("action")

    def trigger(self) -> dict[str, Json]:
        self.refuse("trigger")

    def item(self) -> Json:
        self.refuse("loop")

    def items(self, loop: str) -> Json:
        self.refuse(f"loop '{loop}'")

    def iteration_index(self, loop: str) -> int:
        self.refuse(f"loop '{loop}'")

    def result(self, container: str) -> list[Json]:
        self.refuse(f"scope '{container}'")

    def workflow(self) -> dict[str, Json]:
        self.refuse("workflow")

    def callback_url(self) -> str:
        self.refuse("callback URL")

    def app_setting(self, name: str) -> str:
        self.refuse(f"app setting '{name}'")

    def now(self) -> datetime:
        self.refuse("clock")

    def guid(self) -> UUID:
        self.refuse("new id")

    def draw(self) -> float:
        self.refuse("random number")
