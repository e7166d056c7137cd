"""What the expressions of a connector's polling policy see: the answer, as a trigger's body."""

from datetime import datetime
from typing import NoReturn
from uuid import UUID

from flowmend.core.errors import ExpressionError
from flowmend.core.json_value import Json


class AnswerScope:
    """`triggerBody()` is the answer's body and `utcNow()` the time given; nothing else is there."""

    __slots__ = ("_body", "_now")

    def __init__(self, body: Json, now: datetime) -> None:
        self._body = body
        self._now = now

    def trigger(self) -> dict[str, Json]:
        return {"name": "", "outputs": {"body": self._body}}

    def now(self) -> datetime:
        return self._now

    def parameter(self, name: str) -> NoReturn:
        _refuse(f"parameter '{name}'")

    def variable(self, name: str) -> NoReturn:
        _refuse(f"variable '{name}'")

    def action(self, name: str) -> NoReturn:
        _refuse(f"action '{name}'")

    def action_outputs(self, name: str) -> NoReturn:
        _refuse(f"action '{name}'")

    def current_action(self) -> NoReturn:
        _refuse("action")

    def item(self) -> NoReturn:
        _refuse("loop")

    def items(self, loop: str) -> NoReturn:
        _refuse(f"loop '{loop}'")

    def iteration_index(self, loop: str) -> NoReturn:
        _refuse(f"loop '{loop}'")

    def result(self, container: str) -> NoReturn:
        _refuse(f"scope '{container}'")

    def workflow(self) -> NoReturn:
        _refuse("workflow")

    def callback_url(self) -> NoReturn:
        _refuse("callback URL")

    def app_setting(self, name: str) -> NoReturn:
        _refuse(f"app setting '{name}'")

    def guid(self) -> UUID:
        _refuse("new id")

    def draw(self) -> float:
        _refuse("random number")


def _refuse(what: str) -> NoReturn:
    raise ExpressionError(f"A connector's polling policy sees the service's answer alone, and no {what}.")
