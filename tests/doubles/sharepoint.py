"""SharePoint's REST service: lists and their items, files, groups.

Source: learn.microsoft.com/sharepoint/dev/sp-add-ins/working-with-lists-and-list-items-with-rest, …/working-with-folders-and-files-with-rest
"""

import re
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from doubles.service import Answer, Asked, Service, given

_LIST = r"(?:/[\w./ %-]+)?/_api/web/lists(?:\(guid'([^']+)'\)|/getbytitle\('([^']+)'\))"


@dataclass(kw_only=True)
class SharePoint(Service):
    """items: by list (id or title). files: by server-relative path. other: requests answered with an empty `d`."""

    items: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    files: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.on(
            "GET", r"/_api/web/currentuser", lambda _asked, _found: given({"Id": 7, "Email": "ada@contoso.example"})
        )
        self.on("GET", f"{_LIST}/items", self._list)
        self.on("POST", f"{_LIST}/items", self._add)
        self.on("GET", rf"{_LIST}/items\((\d+)\)", self._read)
        self.on("POST", rf"{_LIST}/items\((\d+)\)", self._merge)
        self.on("PATCH", rf"{_LIST}/items\((\d+)\)", self._merge)
        self.on(
            "POST",
            r".*/_api/web/GetFolderByServerRelativePath\(decodedurl='(.+?)'\)/Files/add\(url='(.+?)'.*",
            self._file,
        )
        self.on(
            "POST",
            r".*/_api/web/GetFileByServerRelativePath\(decodedurl='(.+?)'\)/copyTo\(strNewUrl='(.+?)'.*",
            self._copy,
        )
        self.on("POST", r".*/_api/.*", self._other)
        self.on("GET", r".*/_api/.*", self._other)

    def unauthorized(self, asked: Asked) -> Answer:
        challenge = 'Bearer realm="t", client_id="00000003-0000-0ff1-ce00-000000000000"'
        body = {
            "error_description": "Exception of type 'Microsoft.IdentityModel.Tokens.AudienceUriValidationFailedException'."
        }
        return web.json_response(body, status=401, headers={"WWW-Authenticate": challenge})

    def nothing_there(self, asked: Asked) -> Answer:
        message = {"lang": "en-US", "value": f"Cannot find resource for the request {asked.path}."}
        return given(
            {"odata.error": {"code": "-1, Microsoft.SharePoint.Client.ResourceNotFoundException", "message": message}},
            404,
        )

    def _of(self, found: re.Match[str]) -> list[dict[str, Any]]:
        return self.items.setdefault(found[1] or found[2], [])

    def _list(self, asked: Asked, found: re.Match[str]) -> Answer:
        wanted = re.search(r"(Created|Modified) ge datetime'([^']+)'", asked.query.get("$filter", ""))
        items = self._of(found)
        if wanted is not None:
            items = [one for one in items if one[wanted[1]] >= wanted[2]]
        most = int(asked.query.get("$top") or 100)
        at = int(asked.query.get("$skiptoken") or 0)
        answer: dict[str, Any] = {"value": items[at : at + most]}
        if at + most < len(items):
            answer["odata.nextLink"] = f"{self.origin}{asked.path}?$top={most}&$skiptoken={at + most}"
        return given(answer)

    def _add(self, asked: Asked, found: re.Match[str]) -> Answer:
        items = self._of(found)
        items.append({"Id": len(items) + 1, "ID": len(items) + 1, **(asked.body or {})})
        return given(items[-1], 201)

    def _read(self, asked: Asked, found: re.Match[str]) -> Answer:
        item = next((one for one in self._of(found) if one["Id"] == int(found[3])), None)
        return given(item) if item is not None else self.nothing_there(asked)

    def _merge(self, asked: Asked, found: re.Match[str]) -> Answer:
        if "if-match" not in asked.headers:
            return given({"odata.error": {"code": "-1", "message": {"value": "The request needs If-Match."}}}, 412)
        for one in self._of(found):
            if one["Id"] == int(found[3]):
                one.update(asked.body or {})
        return web.Response(status=204)

    def _file(self, asked: Asked, found: re.Match[str]) -> Answer:
        path = f"{found[1].rstrip('/')}/{found[2]}"
        self.files[path] = asked.body
        answer = {
            "Name": found[2],
            "ServerRelativeUrl": path,
            "Length": "3",
            "ListItemAllFields": {"ID": len(self.files)},
        }
        return given(answer)

    def _copy(self, _asked: Asked, found: re.Match[str]) -> Answer:
        self.files[found[2]] = f"a copy of {found[1]}"
        return given({"odata.null": True})

    def _other(self, asked: Asked, _found: object) -> Answer:
        return given({"d": {"Id": 11, "Title": "Untitled", "results": [], "Items": {"results": []}}})
