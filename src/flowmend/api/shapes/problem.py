"""A problem of a definition, as `flowmend check --json` and the flows' bodies show it."""

from collections.abc import Iterable

import msgspec

from flowmend.core.problem import Problem


class ProblemShape(msgspec.Struct, frozen=True, kw_only=True):
    """severity: error, warning or info. pointer: RFC 6901 into the definition."""

    severity: str
    code: str
    pointer: str
    message: str
    hint: str


def problem_shapes(problems: Iterable[Problem]) -> list[ProblemShape]:
    return [
        ProblemShape(
            severity=problem.severity.value,
            code=problem.code,
            pointer=problem.pointer,
            message=problem.message,
            hint=problem.hint,
        )
        for problem in problems
    ]
