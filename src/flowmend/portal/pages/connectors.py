"""The gallery of connectors, one of them, and adding one from its files."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from urllib.parse import urlencode

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.connector import Operation
from flowmend.core.errors import AskedWrongly
from flowmend.portal.forms import form_text
from flowmend.portal.portal import Portal, person_id, see, segment
from flowmend.use_cases.connector_gallery import ConnectorView, GalleryEntry, find_connectors, read_connector_view
from flowmend.use_cases.uploaded_connectors import UploadedConnector, install_uploaded

_PAGE_OF = 60
_PAGE_OF_OPERATIONS = 100
_LONGEST_TEXT = 200
_MOST_FILES = 1_000
_ONLY: Mapping[str, Callable[[GalleryEntry], bool]] = MappingProxyType({
    "installed": lambda one: not one.is_built_in,
    "built-in": lambda one: one.is_built_in,
    "triggers": lambda one: one.triggers > 0,
    "script": lambda one: one.needs_script > 0,
})  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorsPage:
    """entries: of this page. counts: {filter: how many fit the search}, "" for all. more: an address, "" at the end."""

    entries: Sequence[GalleryEntry]
    counts: Mapping[str, int]
    only: str = ""
    text: str = ""
    more: str = ""

    def address(self, only: str) -> str:
        """The page with this filter."""
        return _address("/connectors", only=only, text=self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorPage:
    """only: `actions`, `triggers`, `script` or "" for all. operations: those shown, so many from the first.

    more: an address, "" at the end.
    """

    view: ConnectorView
    operations: Sequence[Operation]
    text: str = ""
    only: str = ""
    more: str = ""

    def address(self, only: str) -> str:
        return _address(f"/connectors/{segment(self.view.row.connector_id)}", only=only, text=self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddConnectorPage:
    """results: what became of an upload, None before it. error: why nothing was read; target: of which field."""

    results: Sequence[UploadedConnector] | None = None
    name: str = ""
    error: str = ""
    target: str = ""


async def show_connectors(portal: Portal, request: Request) -> Response:
    """GET /connectors?text=&only=&from="""
    asked = request.query_params
    text, only = asked.get("text", "").strip()[:_LONGEST_TEXT], asked.get("only", "")
    only = only if only in _ONLY else ""
    begin = _number(asked.get("from", ""))
    found = await find_connectors(portal.services, text)
    fitting = [one for one in found if _ONLY[only](one)] if only else found
    following = begin + _PAGE_OF
    page = ConnectorsPage(
        entries=fitting[begin:following],
        counts={"": len(found)} | {name: sum(map(fits, found)) for name, fits in _ONLY.items()},
        only=only,
        text=text,
        more=_address("/connectors", only=only, text=text, begin=following) if following < len(fitting) else "",
    )
    return portal.answer(request, "connectors.html", place="connections", page=page)


async def show_connector(portal: Portal, request: Request) -> Response:
    """GET /connectors/{connector_id}?text=&only=&from="""
    asked, connector_id = request.query_params, str(request.path_params["connector_id"])
    text, only = asked.get("text", "").strip()[:_LONGEST_TEXT], asked.get("only", "")
    view = await read_connector_view(portal.services, connector_id, text)
    every = {
        "": (*view.triggers, *view.actions),
        "actions": view.actions,
        "triggers": view.triggers,
        "script": tuple(one for one in (*view.triggers, *view.actions) if one.unsupported),
    }
    only = only if only in every else ""
    begin = _number(asked.get("from", ""))
    following = begin + _PAGE_OF_OPERATIONS
    address = f"/connectors/{segment(connector_id)}"
    page = ConnectorPage(
        view=view,
        operations=every[only][begin:following],
        text=text,
        only=only,
        more=_address(address, only=only, text=text, begin=following) if following < len(every[only]) else "",
    )
    return portal.answer(request, "connector.html", place="connections", page=page)


async def show_add_connector(portal: Portal, request: Request) -> Response:
    """GET /connectors/add"""
    return portal.answer(request, "connector_add.html", place="connections", page=AddConnectorPage())


async def take_connector(portal: Portal, request: Request) -> Response:
    """POST /connectors/add: files of one connector, or zip files of many."""
    async with request.form(max_files=_MOST_FILES, max_fields=10) as form:
        name = form_text(form, "name").strip()
        uploads = [one for one in form.getlist("file") if isinstance(one, UploadFile) and one.filename]
        files = {str(one.filename): await one.read() for one in uploads}
    if not files:
        page = AddConnectorPage(name=name, error="No file was chosen.", target="file")
        return portal.answer(request, "connector_add.html", place="connections", status_code=400, page=page)
    try:
        results = await install_uploaded(portal.services, files, name, person_id(request))
    except AskedWrongly as wrong:
        page = AddConnectorPage(name=name, error=wrong.message, target=wrong.target or "")
        return portal.answer(request, "connector_add.html", place="connections", status_code=400, page=page)
    if len(results) == 1 and results[0].connector_id:
        one = results[0]
        done = f"installed-{one.asked_again}" if one.was_known else "installed"
        return see(f"/connectors/{segment(one.connector_id)}?done={done}")
    status_code = 200 if any(one.connector_id for one in results) else 400
    page = AddConnectorPage(results=results, name=name)
    return portal.answer(request, "connector_add.html", place="connections", status_code=status_code, page=page)


def _address(path: str, *, only: str, text: str, begin: int = 0) -> str:
    query = {"only": only, "text": text, "from": str(begin or "")}
    chosen = urlencode({name: value for name, value in query.items() if value})
    return f"{path}?{chosen}" if chosen else path


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 7 else 0
