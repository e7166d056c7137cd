"""A problem found in a document: where, how bad, and what to do."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad a problem is."""

    ERROR = "error"  # the flow cannot be turned on
    WARNING = "warning"  # it runs, but probably not as meant
    INFO = "info"  # good to know


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One finding. code: stable, `Unsupported…` for what Flowmend cannot run. pointer: RFC 6901."""

    severity: Severity
    code: str
    pointer: str
    message: str
    hint: str = ""
