"""Which columns of lists of runs a browser shows, in a cookie of its own."""

from collections.abc import Sequence
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import Response

from flowmend.use_cases.run_columns import Column, read_columns

_COOKIE = "flowmend_columns"
_FOR_A_YEAR_SECONDS = 365 * 24 * 3600
#: Browsers keep 4,096 characters of a cookie at most.
_MOST_CHARACTERS = 3_500


def chosen_columns(request: Request) -> tuple[Column, ...]:
    return read_columns([unquote(one) for one in request.cookies.get(_COOKIE, "").split("|")])


def remember_columns(answer: Response, columns: Sequence[Column], *, is_secure: bool) -> Response:
    """The answer, telling the browser. As many columns as a cookie holds."""
    value = ""
    for one in columns:
        longer = f"{value}|{quote(str(one), safe='')}".removeprefix("|")
        if len(longer) <= _MOST_CHARACTERS:
            value = longer
    answer.set_cookie(
        _COOKIE, value, max_age=_FOR_A_YEAR_SECONDS, path="/", secure=is_secure, httponly=True, samesite="lax"
    )
    return answer
