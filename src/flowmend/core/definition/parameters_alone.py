"""What an expression sees that is computed before any run begins: the flow's parameters, and nothing else."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NoReturn
from uuid import UUID

from flowmend.core.errors import ExpressionError
from flowmend.core.json_value import Json


class MissingValue(ExpressionError):
    """A parameter was read that has no value."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Parameter '{name}' has no value.")
        self.name = name


class ParametersAlone:
    """A scope in which there are parameters, and nothing that comes with a run.

    who: what is computed, as the beginning of a sentence. unknown: names of the parameters that have no value.
    """

    def __init__(self, who: str, parameters: Mapping[str, Json], unknown: Collection[str]) -> None:
        self._who = who
        self._values = {name.lower(): value for name, value in parameters.items()}
        self._unknown = {name.lower() for name in unknown}

    def parameter(self, name: str) -> Json:
        lower = name.lower()
        if lower in self._unknown:
            raise MissingValue(name)
        if lower not in self._values:
            raise ExpressionError(f"{self._who} reads parameter '{name}', which the flow does not declare.")
        return self._values[lower]

    def variable(self, name: str) -> Json:
        self._refuse(f"variable '{name}'")

    def action(self, name: str) -> dict[str, Json]:
        self._refuse(f"action '{name}'")

    def action_outputs(self, name: str) -> Json:
        self._refuse(f"action '{name}'")

    def current_action(self) -> dict[str, Json]:
        self._refuse("an action")

    def trigger(self) -> dict[str, Json]:
        self._refuse("the trigger's event")

    def item(self) -> Json:
        self._refuse("an item of a list")

    def items(self, loop: str) -> Json:
        self._refuse(f"an item of loop '{loop}'")

    def iteration_index(self, loop: str) -> int:
        self._refuse(f"the pass of loop '{loop}'")

    def result(self, container: str) -> list[Json]:
        self._refuse(f"the results of '{container}'")

    def workflow(self) -> dict[str, Json]:
        self._refuse("the run")

    def callback_url(self) -> str:
        self._refuse("a callback URL")

    def app_setting(self, name: str) -> str:
        self._refuse(f"app setting '{name}'")

    def now(self) -> datetime:
        self._refuse("the current time")

    def guid(self) -> UUID:
        self._refuse("a new identifier")

    def draw(self) -> float:
        self._refuse("a random number")

    def _refuse(self, what: str) -> NoReturn:
        raise ExpressionError(f"{self._who} is computed before any run begins: it cannot use {what}.")
