"""A small client for the server's own API, on the standard library: it is imported in milliseconds."""

import http.client
import os
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import quote, urlencode, urlsplit

import msgspec

from flowmend.cli.local_server import data_folder, read_local_server, read_local_token
from flowmend.core.errors import (
    AskedWrongly,
    Conflict,
    FlowmendError,
    NotAllowed,
    NotFound,
    ServiceUnreachable,
    StoreUnavailable,
    TheyFailed,
    TooManyAttempts,
)
from flowmend.core.json_value import Json

_TIMEOUT_SECONDS = 130.0  # longer than a synchronous caller of a flow may wait

_PART_BYTES = 64 * 1024

_ERRORS: dict[int, type[FlowmendError]] = {
    401: NotAllowed,
    403: NotAllowed,
    404: NotFound,
    409: Conflict,
    429: TooManyAttempts,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running Flowmend and the token to speak to it with."""

    url: str
    token: str

    def __repr__(self) -> str:
        return f"Server(url={self.url!r})"

    def get(self, path: str, **query: str | int | None) -> Json:
        """The JSON at a path below `/api/v1`. Errors: as `send`."""
        return self.send("GET", path, query=query)

    def pages(self, path: str, *, limit: int, **query: str | int | None) -> list[Json]:
        """Up to `limit` entries of a list, following its pages. Errors: as `send`."""
        found: list[Json] = []
        page = self.get(path, limit=min(limit, 250), **query)
        found += page["value"]
        while len(found) < limit and (link := page.get("nextLink")):
            parts = urlsplit(link)
            page = self._exchange("GET", f"{parts.path}?{parts.query}", None, {})
            found += page["value"]
        return found[:limit]

    def send(
        self,
        method: str,
        path: str,
        body: Json = None,
        *,
        query: Mapping[str, str | int | None] | None = None,
        content: bytes | None = None,
        content_type: str = "application/octet-stream",
    ) -> Json:
        """The JSON answer. body: sent as JSON; content: sent as it is, as content_type.

        Errors: the one the server names, by its status; ServiceUnreachable where none answers.
        """
        given = {name: value for name, value in (query or {}).items() if value is not None}
        address = f"/api/v1{path}" + (f"?{urlencode(given)}" if given else "")
        if content is not None:
            return self._exchange(method, address, content, {"Content-Type": content_type})
        encoded = None if body is None else msgspec.json.encode(body)
        return self._exchange(method, address, encoded, {"Content-Type": "application/json"} if encoded else {})

    def download(self, path: str, **query: str | int | None) -> bytes:
        """The file at a path below `/api/v1`, as it is. Errors: as `send`."""
        given = {name: value for name, value in query.items() if value is not None}
        status, received = self._answer("GET", f"/api/v1{path}?{urlencode(given)}", None, {}, timeout=_TIMEOUT_SECONDS)
        if status >= 400:
            _read_answer(self.url, status, received)
        return received

    def copy(self, path: str, query: Sequence[tuple[str, str]], target: IO[bytes]) -> None:
        """Write the file at a path below `/api/v1` to `target` as it comes. Errors: as `send`."""
        address = f"/api/v1{path}?{urlencode(query)}"
        with self._asked("GET", address, None, {}, timeout=_TIMEOUT_SECONDS) as answer:
            if answer.status >= 400:
                _read_answer(self.url, answer.status, answer.read())
            while True:
                with self._reached():
                    part = answer.read(_PART_BYTES)
                if not part:
                    return
                target.write(part)

    def answers(self) -> bool:
        """Whether a server is there, also one that cannot write just now."""
        try:
            self._exchange("GET", "/health", None, {}, timeout=2.0)
        except FlowmendError as error:
            return error.code in {"StoreFull", StoreUnavailable.code}
        return True

    def _exchange(
        self,
        method: str,
        address: str,
        content: bytes | None,
        headers: Mapping[str, str],
        *,
        timeout: float = _TIMEOUT_SECONDS,
    ) -> Json:
        status, received = self._answer(method, address, content, headers, timeout=timeout)
        return _read_answer(self.url, status, received)

    def _answer(
        self, method: str, address: str, content: bytes | None, headers: Mapping[str, str], *, timeout: float
    ) -> tuple[int, bytes]:
        with self._asked(method, address, content, headers, timeout=timeout) as answer, self._reached():
            return answer.status, answer.read()

    @contextmanager
    def _asked(
        self, method: str, address: str, content: bytes | None, headers: Mapping[str, str], *, timeout: float
    ) -> Iterator[http.client.HTTPResponse]:
        base = urlsplit(self.url)
        connection = _connect(base.scheme, base.hostname or "", base.port, timeout)
        sent = {"Accept": "application/json", **headers}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        try:
            with self._reached():
                connection.request(method, base.path.rstrip("/") + address, content, sent)
                answer = connection.getresponse()
            yield answer
        finally:
            connection.close()

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except (OSError, http.client.HTTPException) as error:
            raise ServiceUnreachable(
                f"No Flowmend answers at {self.url} ({error}). Start it with `flowmend up`.",
                code="ServerNotRunning",
                target=self.url,
            ) from error


def segment(text: str) -> str:
    """A name as one segment of a path."""
    return quote(text, safe="")


def find_server(url: str | None, data: Path | None) -> Server:
    """The server a command means: the one of `--url`, else the one that runs on the data folder.

    Errors: NotAllowed where a URL comes without FLOWMEND_TOKEN; ServiceUnreachable where none runs.
    """
    token = os.environ.get("FLOWMEND_TOKEN", "")
    if url:
        if urlsplit(url).scheme not in {"http", "https"}:
            raise AskedWrongly(f"{url!r} is no http or https address.", code="InvalidUrl", target="--url")
        if not token:
            raise NotAllowed(f"A token is needed to speak to {url}.")
        return Server(url=url.rstrip("/"), token=token)
    folder = data_folder(data, os.environ)
    local = read_local_server(folder)
    if local is None:
        raise ServiceUnreachable(
            f"No Flowmend runs on {folder}. Start it with `flowmend up --data {folder}`, or name one with --url.",
            code="ServerNotRunning",
            target=str(folder),
        )
    return Server(url=local.url, token=token or read_local_token(folder))


def running_server(url: str | None, data: Path | None) -> Server | None:
    """As `find_server`, None where no server of the data folder answers."""
    try:
        server = find_server(url, data)
    except ServiceUnreachable:
        return None
    return server if url or server.answers() else None


def _connect(scheme: str, host: str, port: int | None, timeout: float) -> http.client.HTTPConnection:
    if scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=timeout, context=ssl.create_default_context())
    return http.client.HTTPConnection(host, port, timeout=timeout)


def _read_answer(url: str, status: int, received: bytes) -> Json:
    try:
        body = msgspec.json.decode(received) if received else None
    except msgspec.DecodeError:
        body = None
        if status < 400:
            raise ServiceUnreachable(
                f"What answers at {url} is not Flowmend.", code="NotFlowmend", target=url
            ) from None
    if status < 400:
        return body
    error = body.get("error") if isinstance(body, dict) else None
    told = error if isinstance(error, dict) else {}
    kind = _ERRORS.get(status, AskedWrongly if status < 500 else TheyFailed)
    message = told.get("message") or f"The server at {url} answered {status}."
    details = "".join(f"\n  {one.get('target') or '/'}: {one.get('message')}" for one in told.get("details") or ())
    raise kind(message + details, code=told.get("code") or kind.code, target=told.get("target"))
