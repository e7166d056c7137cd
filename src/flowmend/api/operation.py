"""One row of the API's table: method, path, what goes in and comes out, and who does it.

Routes and the OpenAPI document are both made from these rows, so neither can miss one.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Receive, Scope, Send

from flowmend.api.answers import error_answer, unexpected_answer
from flowmend.core.errors import FlowmendError, NotAllowed
from flowmend.use_cases.ports import Services

Handler = Callable[[Services, Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryParameter:
    """A query parameter. type: a JSON schema type name."""

    name: str
    description: str
    type: str = "string"
    is_required: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of the API.

    path: below `/api/v1`, names in braces. takes, gives: msgspec types of the bodies, None where there is none.
    is_list: gives `{"value": [gives…], "nextLink"?}`. takes_file: the body is a file's bytes.
    gives_file: the answer is one.
    """

    method: str
    path: str
    handler: Handler
    summary: str
    tag: str
    takes: Any = None
    gives: Any = None
    is_list: bool = False
    takes_file: bool = False
    gives_file: bool = False
    status: int = 200
    query: tuple[QueryParameter, ...] = ()


class OperationRoute(Route):
    """Matches the raw path and decodes its names afterwards, so that a name may hold any character, `/` included."""

    def __init__(self, services: Services, operation: Operation) -> None:
        super().__init__(operation.path, _Endpoint(services, operation.handler), methods=[operation.method])
        self.operation = operation

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] != "http":
            return Match.NONE, {}
        found = self.path_regex.match(raw_route_path(scope))
        if found is None:
            return Match.NONE, {}
        names = {name: unquote(value) for name, value in found.groupdict().items()}
        child = {"endpoint": self.endpoint, "path_params": {**scope.get("path_params", {}), **names}}
        is_full = self.methods is not None and scope["method"] in self.methods
        return (Match.FULL if is_full else Match.PARTIAL), child


def raw_route_path(scope: Scope) -> str:
    """The undecoded path below the mount."""
    raw = scope.get("raw_path") or quote(scope["path"]).encode("ascii")
    return str(raw.decode("latin-1"))[len(scope.get("root_path", "")) :]


class _Endpoint:
    """Runs a handler and turns whatever it raises into an answer."""

    def __init__(self, services: Services, handler: Handler) -> None:
        self._services = services
        self._handler = handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._answer(Request(scope, receive))
        await answer(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if getattr(request.state, "person", None) is None:
            # The gate has refused already; a route mounted without it must not be open either.
            return error_answer(NotAllowed("Sign in, or send a bearer token."))
        try:
            return await self._handler(self._services, request)
        except FlowmendError as error:
            return error_answer(error)
        except Exception as error:  # noqa: BLE001  # the outermost place: nothing may leave as a traceback
            return unexpected_answer(error)
