"""GitHub's REST API. Source: docs.github.com/rest"""

import re
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from doubles.service import Answer, Asked, Service, given


@dataclass(kw_only=True)
class GitHub(Service):
    pulls: list[dict[str, Any]] = field(default_factory=list)
    dispatched: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.on("GET", "/user", lambda _asked, _found: given({"login": "ada", "id": 1}))
        self.on("GET", r"/repositories/(\d+)", lambda _asked, _found: given({"id": 5, "full_name": "ada/flows"}))
        self.on("POST", r"/repos/([^/]+)/([^/]+)/dispatches", self._dispatch)
        self.on("POST", r"/repos/([^/]+)/([^/]+)/pulls", self._open)
        self.on("PATCH", r"/repos/([^/]+)/([^/]+)/pulls/(\d+)", self._change)
        self.on("PUT", r"/repos/([^/]+)/([^/]+)/pulls/(\d+)/merge", self._merge)
        self.on(
            "GET",
            r"/repos/([^/]+)/([^/]+)/compare/(.+)",
            lambda _asked, _found: given({"total_commits": 2, "commits": [{}]}),
        )

    def unauthorized(self, asked: Asked) -> Answer:
        return given(
            {"message": "Bad credentials", "documentation_url": "https://docs.github.com/rest", "status": "401"}, 401
        )

    def nothing_there(self, asked: Asked) -> Answer:
        return given(
            {"message": "Not Found", "documentation_url": "https://docs.github.com/rest", "status": "404"}, 404
        )

    def _dispatch(self, asked: Asked, _found: object) -> Answer:
        self.dispatched.append(asked.body)
        return web.Response(status=204)

    def _open(self, asked: Asked, _found: object) -> Answer:
        pull = {"number": len(self.pulls) + 1, "state": "open", **asked.body, "head": {"sha": "6dcb09b"}}
        self.pulls.append(pull)
        return given(pull, 201)

    def _change(self, asked: Asked, found: re.Match[str]) -> Answer:
        self.pulls[int(found[3]) - 1].update(asked.body)
        return given(self.pulls[int(found[3]) - 1])

    def _merge(self, asked: Asked, found: re.Match[str]) -> Answer:
        if not (asked.body or {}).get("commit_title"):
            return given({"message": "Invalid request."}, 422)
        self.pulls[int(found[3]) - 1]["state"] = "closed"
        return given({"merged": True, "sha": "6dcb09b", "message": "Pull Request successfully merged"})
