"""A request while it is being put together: arguments placed, not yet one URL."""

import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

import msgspec

from flowmend.core.connector.request import UnbuildableRequest, ValueLookup
from flowmend.core.expression.content import is_json_type
from flowmend.core.json_value import Json

_LINE_BREAK = re.compile(r"[\r\n\0]")
#: Source: RFC 9110 §5.6.2.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(slots=True, kw_only=True)
class RequestDraft:
    """Changed in place by policies; never leaves the building of one request.

    path: a template with `{name}` places. path_values: percent-encoded already. queries: plain, in order.
    original_method: as the operation declares it. lookups: values of this request that its service must be asked for.
    key: of the call, the same for its every attempt. answer: JSON, where the connector itself answers; None otherwise.
    arguments: by name, of an operation that is mapped.
    """

    method: str
    base_url: str
    path: str
    path_values: dict[str, str] = field(default_factory=dict)
    queries: list[tuple[str, str]] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    original_method: str = ""
    lookups: list[ValueLookup] = field(default_factory=list)
    key: str = ""
    arguments: dict[str, Json] = field(default_factory=dict)
    answer: bytes | None = None

    def header(self, name: str) -> str | None:
        wanted = name.lower()
        return next((value for key, value in self.headers.items() if key.lower() == wanted), None)

    def set_header(self, name: str, value: str) -> None:
        """Set a header, replacing one whose name differs in case only."""
        wanted = name.lower()
        for key in [key for key in self.headers if key.lower() == wanted]:
            del self.headers[key]
        self.headers[name] = value

    def query(self, name: str) -> str | None:
        wanted = name.lower()
        return next((value for key, value in self.queries if key.lower() == wanted), None)

    def set_query(self, name: str, value: str) -> None:
        wanted = name.lower()
        self.queries = [pair for pair in self.queries if pair[0].lower() != wanted]
        self.queries.append((name, value))

    def content(self) -> Json:
        """The body as a JSON value; None where there is none or it is something else."""
        if not self.body or not is_json_type(self.header("content-type") or "application/json"):
            return None
        try:
            return msgspec.json.decode(self.body)
        except (msgspec.DecodeError, RecursionError):
            return None

    def set_content(self, value: Json) -> None:
        self.body = msgspec.json.encode(value)
        if self.header("content-type") is None:
            self.set_header("Content-Type", "application/json")


def text_of(value: Json) -> str:
    """A value as it stands in a path, query or header: strings as they are, everything else as compact JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()


def joined(values: list[Json], collection_format: str) -> str:
    """An array as one text; `multi` is the caller's business."""
    separator = {"ssv": " ", "tsv": "\t", "pipes": "|"}.get(collection_format, ",")
    return separator.join(text_of(value) for value in values)


def encode_path_value(value: str, *, is_double: bool) -> str:
    once = quote(value, safe="")
    return quote(once, safe="") if is_double else once


def check_path(path: str) -> UnbuildableRequest | None:
    """Why a path, as it will be sent, may not be: it could lead out of the place the connector declares."""
    if _LINE_BREAK.search(path):
        return _unsafe("a line break")
    if "//" in path:
        return _unsafe("'//', which an empty value leaves behind")
    if "@" in path or "\\" in path:
        return _unsafe("'@' or '\\' outside an encoded value")
    decoded = unquote(unquote(path))
    if _LINE_BREAK.search(decoded):
        return _unsafe("an encoded line break")
    for segment in decoded.replace("\\", "/").split("/"):
        if segment.partition(";")[0] in {".", ".."}:
            return _unsafe("a dot segment")
    return None


def check_path_value(name: str, value: str) -> UnbuildableRequest | None:
    """Why a path parameter's value may not be: encoded it is harmless to us, but not to a service that decodes first."""
    if value.startswith(("//", "\\\\", "@")):
        return UnbuildableRequest(
            code="UnsafePath", message=f"The value of the path parameter '{name}' may not begin with '//' or '@'."
        )
    return None


def check_method(method: str) -> UnbuildableRequest | None:
    """Why a method, which a connector may compute, may not be: its line break would begin another request."""
    if _TOKEN.fullmatch(method):
        return None
    return UnbuildableRequest(code="InvalidMethod", message=f"HTTP has no method {method[:40]!r}; nothing was sent.")


def check_header(name: str, value: str) -> UnbuildableRequest | None:
    if _LINE_BREAK.search(name) or _LINE_BREAK.search(value):
        return UnbuildableRequest(code="UnsafeHeader", message=f"The header '{name[:80]!r}' holds a line break.")
    if not _TOKEN.fullmatch(name):
        message = f"The connector asks for a header named {name[:80]!r}, and HTTP has no such names."
        return UnbuildableRequest(code="InvalidHeaderName", message=message)
    return None


def _unsafe(what: str) -> UnbuildableRequest:
    return UnbuildableRequest(code="UnsafePath", message=f"The path of the request holds {what}; nothing was sent.")
