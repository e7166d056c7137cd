"""What the expressions of a connector's polling policy see: the answer, as a trigger's body."""

from datetime import datetime

from flowmend.core.expression.bare_scope import BareScope
from flowmend.core.json_value import Json


class AnswerScope(BareScope):
    """`triggerBody()` is the answer's body and `utcNow()` the time given; nothing else is there."""

    __slots__ = ("_body", "_now")
    what = "A connector's polling policy"

    def __init__(self, body: Json, now: datetime) -> None:
        self._body = body
        self._now = now

    def trigger(self) -> dict[str, Json]:
        return {"name": "", "outputs": {"body": self._body}}

    def now(self) -> datetime:
        return self._now
