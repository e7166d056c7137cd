"""What handlers read from a request: bodies, query values, the person."""

from datetime import UTC, datetime
from typing import Annotated, TypeAlias, TypeVar
from urllib.parse import urlencode

import msgspec
from starlette.requests import Request

from flowmend.api.answers import JsonAnswer
from flowmend.core.errors import AskedWrongly
from flowmend.core.json_value import Json
from flowmend.settings import Settings
from flowmend.store.rows import PersonRow

T = TypeVar("T")

#: A time in a body; one that names no zone is refused, for it may mean any hour.
Moment: TypeAlias = Annotated[datetime, msgspec.Meta(tz=True)]
DEFAULT_PAGE = 50
LARGEST_PAGE = 250


def person_of(request: Request) -> PersonRow:
    """Who asks; the route has made sure that there is someone."""
    person: PersonRow = request.state.person
    return person


async def read_body(request: Request, kind: type[T]) -> T:
    """The JSON body as a value of this type.

    Errors: AskedWrongly `InvalidRequestContent`, naming the place in the body; TooLarge.
    """
    content = await request.body()
    try:
        return msgspec.json.decode(content or b"{}", type=kind)
    except msgspec.ValidationError as error:
        raise AskedWrongly(f"The body does not fit: {error}.", code="InvalidRequestContent") from error
    except msgspec.DecodeError as error:
        raise AskedWrongly(f"The body is not JSON: {error}.", code="InvalidRequestContent") from error


async def read_any_body(request: Request) -> Json:
    """The JSON body, None where it is empty. Errors: as `read_body`."""
    content = await request.body()
    if not content:
        return None
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError as error:
        raise AskedWrongly(f"The body is not JSON: {error}.", code="InvalidRequestContent") from error


def query_text(request: Request, name: str) -> str | None:
    """A query value, None where absent or empty."""
    return request.query_params.get(name) or None


def query_is_true(request: Request, name: str) -> bool:
    """Errors: AskedWrongly where the value is neither true nor false."""
    text = request.query_params.get(name, "false").lower()
    if text not in {"true", "false", ""}:
        raise _bad_query(name, text, "true or false")
    return text == "true"


def query_time(request: Request, name: str) -> datetime | None:
    """An ISO 8601 time, UTC where it names no zone. Errors: AskedWrongly."""
    text = query_text(request, name)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise _bad_query(name, text, "a time such as 2026-01-02T03:04:05Z") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def query_limit(request: Request) -> int:
    """How many entries a page is to hold. Errors: AskedWrongly."""
    text = query_text(request, "limit")
    if text is None:
        return DEFAULT_PAGE
    if not text.isdecimal() or not 1 <= int(text) <= LARGEST_PAGE:
        raise _bad_query("limit", text, f"a number from 1 to {LARGEST_PAGE}")
    return int(text)


def list_answer(values: list[Json], *, next_link: str | None = None) -> JsonAnswer:
    """`{"value": [...], "nextLink"?}`."""
    body: dict[str, Json] = {"value": values}
    return JsonAnswer(body if next_link is None else {**body, "nextLink": next_link})


def next_link(settings: Settings, request: Request, cursor: str) -> str | None:
    """The address of the next page, with the same filters; None after the last. Never made from a Host header."""
    if not cursor:
        return None
    query = {**dict(request.query_params), "cursor": cursor}
    return f"{settings.base_url}{request.url.path}?{urlencode(query)}"


def _bad_query(name: str, text: str, wanted: str) -> AskedWrongly:
    return AskedWrongly(f"The query value {name}={text[:80]!r} must be {wanted}.", code="InvalidQuery", target=name)
