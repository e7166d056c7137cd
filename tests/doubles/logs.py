"""Azure Monitor's Logs: the query API, and the collector of records.

Source: learn.microsoft.com/azure/azure-monitor/logs/api/response-format, …/logs/data-collector-api
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from doubles.service import Answer, Asked, Service, error, given


@dataclass(kw_only=True)
class LogsQuery(Service):
    """columns, rows: of every answer. queries: those asked."""

    columns: list[str] = field(default_factory=lambda: ["TimeGenerated", "Computer"])
    rows: list[list[Any]] = field(default_factory=lambda: [["2026-03-01T08:00:00Z", "web-1"]])
    queries: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        resource = r"/v1/subscriptions/[^/]+/resourceGroups/[^/]+/providers/[^/]+/[^/]+/[^/]+/query"
        self.on("POST", resource, self._query)

    def _query(self, asked: Asked, _found: object) -> Answer:
        if not (asked.body or {}).get("query"):
            return error(400, "BadArgumentError", "The request had some invalid properties")
        self.queries.append(asked.body["query"])
        columns = [{"name": name, "type": "string"} for name in self.columns]
        return given({"tables": [{"name": "PrimaryResult", "columns": columns, "rows": self.rows}]})


@dataclass(kw_only=True)
class DataCollector(Service):
    """key: of the workspace, base64. records: by table."""

    workspace: str = "63613592-b6f7-4c3d-a390-22ba13102111"
    key: str = base64.b64encode(b"first key of the workspace").decode()
    records: dict[str, list[Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.on("POST", "/api/logs", self._take)

    def refusal(self, asked: Asked) -> Answer | None:
        length = asked.headers.get("content-length", "0")
        lines = ("POST", length, asked.headers.get("content-type", ""), f"x-ms-date:{asked.headers.get('x-ms-date')}")
        proof = hmac.digest(base64.b64decode(self.key), "\n".join((*lines, "/api/logs")).encode(), hashlib.sha256)
        wanted = f"SharedKey {self.workspace}:{base64.b64encode(proof).decode()}"
        if hmac.compare_digest(asked.headers.get("authorization", ""), wanted):
            return None
        reason = {"Error": "InvalidAuthorization", "Message": "An invalid signature was specified in the request."}
        return web.json_response(reason, status=403)

    def _take(self, asked: Asked, _found: object) -> Answer:
        if asked.query.get("api-version") != "2016-04-01":
            return web.json_response({"Error": "MissingApiVersion"}, status=400)
        items = asked.body if isinstance(asked.body, list) else [asked.body]
        self.records.setdefault(asked.headers["log-type"], []).extend(items)
        return web.Response(status=200)
