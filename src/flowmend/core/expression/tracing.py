"""Expression traces: what each string and each call in it came to."""

from collections.abc import Callable
from typing import Any

from flowmend.core.errors import ExpressionError
from flowmend.core.json_value import Json

Run = Callable[[Any, Any], Json]


class Recorder:
    """Wraps the closures of one compilation and notes, in `traces`, what they give while they run."""

    def __init__(self) -> None:
        self.traces: list[dict[str, Json]] = []
        self._open: list[list[dict[str, Json]]] = [self.traces]

    def string(self, path: str, text: str, run: Run) -> Run:
        def evaluate(scope: Any, budget: Any) -> Json:
            try:
                return self._noted({"path": path, "text": text}, run, scope, budget)
            except ExpressionError:
                return None  # noted; the strings after it are traced all the same

        return evaluate

    def call(self, text: str, run: Run) -> Run:
        return lambda scope, budget: self._noted({"text": text}, run, scope, budget)

    def record_failure(self, error: ExpressionError) -> None:
        """Note a failure that belongs to no single string."""
        self.traces.append({"path": "", "text": "", "value": None, "error": _shown(error)})

    def _noted(self, entry: dict[str, Json], run: Run, scope: Any, budget: Any) -> Json:
        self._open[-1].append(entry)
        inner: list[dict[str, Json]] = []
        self._open.append(inner)
        try:
            value = run(scope, budget)
        except ExpressionError as error:
            entry["value"] = None
            entry["error"] = _shown(error)
            raise
        else:
            entry["value"] = value
            return value
        finally:
            self._open.pop()
            if inner:
                entry["subexpressions"] = inner


def _shown(error: ExpressionError) -> dict[str, str]:
    return {"code": error.code, "message": error.message}
