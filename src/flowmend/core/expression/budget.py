"""How much one evaluation may cost."""

from flowmend.core.errors import ExpressionError
from flowmend.core.expression.conversion.text import LONGEST_TEXT
from flowmend.core.json_value import Json

MOST_STEPS = 10_000_000


class Budget:
    """What is left of the function calls and of the characters and items that growing functions may make.

    One budget may serve many evaluations, such as all items of a Select. An expression has no loops, so
    a template charges its calls all at once.
    """

    __slots__ = ("size", "steps")

    def __init__(self, *, steps: int = MOST_STEPS, size: int = 4 * LONGEST_TEXT) -> None:
        self.steps = steps
        self.size = size

    def spend_steps(self, count: int) -> None:
        self.steps -= count
        if self.steps < 0:
            raise _exceeded("takes more steps")

    def spend_size(self, value: Json) -> None:
        """Charge a result: a string by its characters, an array or object by its direct parts."""
        if isinstance(value, (str, list, dict)):
            self.size -= len(value)
            if self.size < 0:
                raise _exceeded("makes larger values")


def _exceeded(reason: str) -> ExpressionError:
    return ExpressionError(
        f"The expression {reason} than one evaluation may; split it over several actions.",
        code="ExpressionEvaluationFailed",
    )
