"""The Dataverse Web API: rows of tables, relations, callback registrations.

Source: learn.microsoft.com/power-apps/developer/data-platform/webapi
"""

import re
import uuid
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from doubles.service import Answer, Asked, Service, error, given

_API = r"/api/data/v9\.2"


@dataclass(kw_only=True)
class Dataverse(Service):
    """rows: by table, then by id. registrations: callbacks that are wanted. related: pairs."""

    rows: dict[str, dict[str, dict[str, Any]]] = field(default_factory=dict)
    registrations: dict[str, dict[str, Any]] = field(default_factory=dict)
    related: list[tuple[str, str]] = field(default_factory=list)
    page: int = 5000

    def __post_init__(self) -> None:
        self.on("GET", f"{_API}/WhoAmI", lambda _asked, _found: given({"UserId": "u-1", "OrganizationId": "o-1"}))
        self.on("POST", f"{_API}/callbackregistrations", self._register)
        self.on("DELETE", rf"{_API}/callbackregistrations\(([^)]+)\)", self._unregister)
        self.on("GET", rf"{_API}/(\w+)", self._list)
        self.on("POST", rf"{_API}/(\w+)", self._create)
        self.on("GET", rf"{_API}/(\w+)\(([^)]+)\)", self._read)
        self.on("PATCH", rf"{_API}/(\w+)\(([^)]+)\)", self._update)
        self.on("DELETE", rf"{_API}/(\w+)\(([^)]+)\)", self._delete)
        self.on("POST", rf"{_API}/(\w+)\(([^)]+)\)/(\w+)/\$ref", self._relate)

    def add(self, table: str, row_id: str = "", **columns: Any) -> str:
        row_id = row_id or str(uuid.uuid4())
        self.rows.setdefault(table, {})[row_id] = {**columns, "@odata.id": f"{self.origin}/{table}({row_id})"}
        return row_id

    def unauthorized(self, asked: Asked) -> Answer:
        challenge = f'Bearer authorization_uri="https://login.microsoftonline.com/T/oauth2/authorize", resource_id={self.origin}/'
        return web.Response(status=401, headers={"WWW-Authenticate": challenge})

    def nothing_there(self, asked: Asked) -> Answer:
        return error(404, "0x80060888", f"Resource not found for the segment '{asked.path}'.")

    def _list(self, asked: Asked, found: re.Match[str]) -> Answer:
        rows = list(self.rows.get(found[1], {}).values())
        at = int(asked.query.get("$skiptoken") or 0)
        most = int(asked.query.get("$top") or self.page)
        answer: dict[str, Any] = {"value": rows[at : at + most]}
        if "$top" not in asked.query and at + most < len(rows):
            answer["@odata.nextLink"] = f"{self.origin}{asked.path}?$skiptoken={at + most}"
        return given(answer)

    def _create(self, asked: Asked, found: re.Match[str]) -> Answer:
        row_id = self.add(found[1], **{name: one for name, one in (asked.body or {}).items() if "@" not in name})
        return given({f"{found[1].removesuffix('s')}id": row_id, **self.rows[found[1]][row_id]}, 201)

    def _read(self, _asked: Asked, found: re.Match[str]) -> Answer:
        row = self.rows.get(found[1], {}).get(found[2])
        return (
            given(row)
            if row is not None
            else error(404, "0x80040217", f"{found[1]} With Id = {found[2]} Does Not Exist")
        )

    def _update(self, asked: Asked, found: re.Match[str]) -> Answer:
        row = self.rows.setdefault(found[1], {}).setdefault(found[2], {})
        row |= {name: one for name, one in (asked.body or {}).items() if "@" not in name}
        return given(row)

    def _delete(self, asked: Asked, found: re.Match[str]) -> Answer:
        if self.rows.get(found[1], {}).pop(found[2], None) is None:
            return error(404, "0x80040217", "The row does not exist")
        return web.Response(status=204)

    def _relate(self, asked: Asked, found: re.Match[str]) -> Answer:
        self.related.append((found[2], str((asked.body or {}).get("@odata.id"))))
        return web.Response(status=204)

    def _register(self, asked: Asked, _found: object) -> Answer:
        registration = str(uuid.uuid4())
        self.registrations[registration] = asked.body
        return given({"callbackregistrationid": registration, **asked.body}, 201)

    def _unregister(self, _asked: Asked, found: re.Match[str]) -> Answer:
        known = self.registrations.pop(found[1], None)
        return web.Response(status=204) if known is not None else error(404, "0x80040217", "It does not exist")
