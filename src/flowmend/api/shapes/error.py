"""The error body of every refusal."""

import msgspec


class ErrorDetailShape(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One problem among several. target: a JSON pointer into the document sent."""

    code: str
    message: str
    target: str | None = None


class ErrorShape(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What happened, to which thing, and what to do next; `code` is stable for machines."""

    code: str
    message: str
    target: str | None = None
    details: list[ErrorDetailShape] | None = None


class ErrorEnvelope(msgspec.Struct, frozen=True, kw_only=True):
    """The whole body."""

    error: ErrorShape
