"""What all doubles share: who may ask, what was asked, and which part answers."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from aiohttp import web


@dataclass(kw_only=True)
class Asked:
    """One request. path: decoded. body: JSON where it is such, else bytes."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    status: int = 0

    def __str__(self) -> str:
        return f"{self.method} {self.path} → {self.status}"


Answer = web.Response
Part = Callable[["Asked", re.Match[str]], Answer]


@dataclass(kw_only=True)
class Service:
    """A double. origin: once it runs. tokens: those that it takes now. asked: everything, in order."""

    origin: str = ""
    tokens: set[str] = field(default_factory=set)
    asked: list[Asked] = field(default_factory=list)
    parts: list[tuple[str, re.Pattern[str], Part]] = field(default_factory=list, repr=False)

    def on(self, method: str, path: str, part: Part) -> None:
        """Answer requests of this method whose whole decoded path matches."""
        self.parts.append((method, re.compile(path, re.IGNORECASE), part))

    def asked_for(self, method: str, path: str) -> list[Asked]:
        return [one for one in self.asked if one.method == method and re.search(path, one.path)]

    @property
    def host(self) -> str:
        return self.origin.partition("://")[2]

    async def answer(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        asked = Asked(
            method=request.method,
            path=unquote(request.rel_url.raw_path),
            query=dict(request.query),
            headers={name.lower(): text for name, text in request.headers.items()},
            body=_body(raw),
        )
        answer = self._answered(asked)
        asked.status = answer.status
        self.asked.append(asked)
        return answer

    def _answered(self, asked: Asked) -> Answer:
        refusal = self.refusal(asked)
        if refusal is not None:
            return refusal
        for method, path, part in self.parts:
            found = path.fullmatch(asked.path)
            if method == asked.method and found is not None:
                return part(asked, found)
        return self.nothing_there(asked)

    def refusal(self, asked: Asked) -> Answer | None:
        """How one is answered who may not ask."""
        scheme, _, token = asked.headers.get("authorization", "").partition(" ")
        return None if scheme == "Bearer" and token in self.tokens else self.unauthorized(asked)

    def unauthorized(self, asked: Asked) -> Answer:
        return error(401, "InvalidAuthenticationToken", "Access token is empty or not valid.", challenge="Bearer")

    def nothing_there(self, asked: Asked) -> Answer:
        return error(404, "ResourceNotFound", f"There is nothing at {asked.path}.")


def error(status: int, code: str, message: str, *, challenge: str = "") -> Answer:
    """The error form of Graph, Azure and Dataverse (OData v4)."""
    headers = {"WWW-Authenticate": f'{challenge} realm="", error="invalid_token"'} if challenge else {}
    return web.json_response({"error": {"code": code, "message": message}}, status=status, headers=headers)


def given(value: Any, status: int = 200, **headers: str) -> Answer:
    return web.json_response(
        value, status=status, headers={name.replace("_", "-"): one for name, one in headers.items()}
    )


def _body(raw: bytes) -> Any:
    if not raw:
        return None
    try:
        return json.loads(raw)
    except ValueError:
        return raw
