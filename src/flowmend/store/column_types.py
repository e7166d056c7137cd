"""Column types that store the same bytes on SQLite and PostgreSQL."""

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec
from sqlalchemy import BigInteger, ColumnElement, Dialect, Text, type_coerce
from sqlalchemy.types import TypeDecorator

from flowmend.core.json_value import Json

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def microseconds(moment: datetime | None) -> int | None:
    """An aware time as microseconds since 1970, exact; None stays None."""
    if moment is None:
        return None
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def storable_text(text: str) -> str:
    """Text that both databases take: PostgreSQL refuses NUL, UTF-8 has no lone surrogates."""
    if text.isascii():
        return text.replace("\0", "\ufffd") if "\0" in text else text
    return text.encode("utf-8", "replace").decode().replace("\0", "\ufffd")


class Instant(TypeDecorator[datetime]):
    """An aware UTC time, stored as microseconds since 1970."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002  # same for all
        return microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002
        return None if value is None else _EPOCH + timedelta(microseconds=value)


def moved_back(moment: ColumnElement[Any], by: timedelta) -> ColumnElement[Any]:
    """A column of `Instant`, so much earlier."""
    return type_coerce(moment, BigInteger) - by // timedelta(microseconds=1)


class Words(TypeDecorator[str]):
    """Text of any origin; what a database cannot hold is replaced rather than refused."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else storable_text(value)


class JsonText(TypeDecorator[Json]):
    """A JSON value as text, readable with any database tool; None is `null`."""

    impl = Text
    cache_ok = True
    should_evaluate_none = True

    def process_bind_param(self, value: Json, dialect: Dialect) -> str:  # noqa: ARG002
        return msgspec.json.encode(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Json:  # noqa: ARG002
        return None if value is None else msgspec.json.decode(value)


class Named(TypeDecorator[StrEnum]):
    """A member of a StrEnum, stored as its value."""

    impl = Text
    cache_ok = True

    def __init__(self, members: type[StrEnum]) -> None:
        super().__init__()
        self.members = members

    def process_bind_param(self, value: StrEnum | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else self.members(value).value

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:  # noqa: ARG002
        return None if value is None else self.members(value)
