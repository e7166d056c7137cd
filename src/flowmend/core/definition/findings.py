"""The problems met while a document is read, gathered instead of raised so that all are told at once."""

from flowmend.core.problem import Problem, Severity


class Findings:
    """Grows while a document is read. problems: in the order found."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(self._problems)

    def error(self, code: str, pointer: str, message: str, hint: str = "") -> None:
        """The flow cannot be turned on."""
        self._add(Severity.ERROR, code, pointer, message, hint)

    def warning(self, code: str, pointer: str, message: str, hint: str = "") -> None:
        """The flow runs, but probably not as meant."""
        self._add(Severity.WARNING, code, pointer, message, hint)

    def info(self, code: str, pointer: str, message: str, hint: str = "") -> None:
        """Good to know."""
        self._add(Severity.INFO, code, pointer, message, hint)

    def extend(self, others: "Findings") -> None:
        """What was found elsewhere, after what was found here."""
        self._problems += others.problems

    def _add(self, severity: Severity, code: str, pointer: str, message: str, hint: str) -> None:
        self._problems.append(Problem(severity=severity, code=code, pointer=pointer, message=message, hint=hint))
