"""Everything a running Flowmend lets anybody see, gathered from where it is seen, and searched for secrets in any form."""

import asyncio
import base64
import html
import io
import json
import logging
import os
import re
import zipfile
import zlib
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urljoin, urlsplit

import aiohttp
import uvicorn
from sqlalchemy import inspect
from typer.testing import CliRunner

from flowmend.cli.local_server import LocalServer, write_local_server, write_local_token
from flowmend.cli.program import app
from flowmend.use_cases.access import issue_login_link, issue_token
from running import Running

_LINK = re.compile(r"""(?:href|src|action|data-[a-z-]+)="([^"]*)\"""")
#: Leads away or does something; the rest of a page's links are only looked at.
_NOT_FOLLOWED = re.compile(r"^/(?:events|logout|oauth|static)|/consent|^/healthz?")
_MOST_PAGES = 400
#: Where inputs and outputs are read, signed.
_CONTENT_LINK = re.compile(r'"(http[^"]+/contents/[^"]+)"')
#: The tests' own servers, in the same process.
_NOT_OURS = ("mail.log", "authlib")


class Seen:
    """What was seen, by place, such as `page /runs/1` or `log`."""

    def __init__(self) -> None:
        self.texts: list[tuple[str, bytes]] = []

    def add(self, place: str, content: bytes | str) -> None:
        content = content.encode("utf-8", "surrogatepass") if isinstance(content, str) else content
        self.texts.append((place, content))
        if content[:2] == b"PK":
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                for name in archive.namelist():
                    self.add(f"{place}!{name}", archive.read(name))

    def places_of(self, secret: str, *, kind: str = "") -> list[str]:
        """Where a secret can be read, in whatever form. kind: only places whose name begins so."""
        forms = tuple(forms_of(secret))
        return [place for place, text in self.texts if place.startswith(kind) and any(form in text for form in forms)]

    def kinds(self) -> set[str]:
        return {place.partition(" ")[0] for place, _ in self.texts}


def forms_of(secret: str) -> Iterator[bytes]:
    """A secret as it may turn up: plain, escaped, and inside base64 whatever stands before it."""
    plain = secret.encode()
    yield plain
    for escaped in (
        quote(secret, safe=""),
        quote(secret, safe="/"),
        quote_plus(secret),
        html.escape(secret),
        html.escape(secret, quote=False),
        json.dumps(secret)[1:-1],
        secret.replace("\n", "\\n"),
        plain.hex(),
    ):
        yield escaped.encode()
    for offset in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            # The characters at either end depend on the neighbours.
            yield encode(b"\0" * offset + plain)[(0, 2, 3)[offset] : -4]


class _Listener(logging.Handler):
    """Takes every record as a log would show it, and its arguments as they are."""

    def __init__(self, seen: Seen) -> None:
        super().__init__(logging.DEBUG)
        self._seen = seen
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        if record.name.startswith(_NOT_OURS):
            return
        self._seen.add(f"log {record.name}", self.format(record))


class Visitor:
    """Somebody signed in, by browser and by token, who remembers whatever is answered."""

    def __init__(self, running: Running, seen: Seen, url: str, session: aiohttp.ClientSession, token: str) -> None:
        self.running = running
        self.seen = seen
        self.url = url
        self._session = session
        self._token = token

    async def page(self, method: str, address: str, form: dict[str, str] | None = None) -> tuple[int, str, str]:
        """(status, where it leads, content) of a page. address: a path, or an absolute URL of this server."""
        headers = {"Origin": self.url} if method != "GET" else {}
        async with self._session.request(
            method, urljoin(self.url, address), data=form, headers=headers, allow_redirects=False
        ) as answer:
            content = await answer.read()
            shown = "\n".join(f"{name}: {value}" for name, value in answer.headers.items() if name != "Set-Cookie")
            path = urlsplit(address).path
            self.seen.add(f"page {method} {path}", shown.encode() + b"\n\n" + content)
            return answer.status, answer.headers.get("Location", ""), content.decode("utf-8", "replace")

    async def api(self, method: str, path: str, body: Any = None, *, is_secret: bool = False) -> Any:
        """The JSON of the API. is_secret: an answer that is there to show a secret, so it is not remembered."""
        headers = {"Authorization": f"Bearer {self._token}"}
        async with self._session.request(method, f"{self.url}/api/v1{path}", json=body, headers=headers) as answer:
            content = await answer.read()
            if not is_secret:
                self.seen.add(f"api {method} {path} {answer.status}", f"{dict(answer.headers)}".encode() + content)
        for link in dict.fromkeys(_CONTENT_LINK.findall(content.decode("utf-8", "replace"))):
            async with self._session.get(link) as answer:
                self.seen.add(f"api GET {path} {urlsplit(link).path}", await answer.read())
        return json.loads(content) if content[:1] in {b"{", b"["} else None

    async def command(self, *arguments: str, stdin: str = "", exits: Collection[int] = (0,)) -> str:
        """What `flowmend …` prints, on either stream. exits: the codes it may end with."""
        data = self.running.services.settings.data
        command = [*arguments, "--data", str(data)]
        # In this process, since starting one takes half a second; it speaks to the server over the network all the same.
        result = await asyncio.to_thread(CliRunner().invoke, app, command, input=stdin)
        self.seen.add(f"cli {' '.join(arguments)}", result.output)
        assert result.exit_code in exits, (arguments, result.output)
        return result.output

    async def visit_every_page(self) -> int:
        """Follow every link from Home on; how many pages there were."""
        waiting, known = ["/"], {"/"}
        count = 0
        while waiting and count < _MOST_PAGES:
            status, leads_to, content = await self.page("GET", waiting.pop())
            count += 1
            assert status < 500, content
            for link in [leads_to, *_LINK.findall(content)]:
                address = urlsplit(html.unescape(link))
                path = address.path + (f"?{address.query}" if address.query else "")
                is_here = not address.netloc or f"{address.scheme}://{address.netloc}" == self.url
                if is_here and path.startswith("/") and path not in known and not _NOT_FOLLOWED.search(path):
                    known.add(path)
                    waiting.append(path)
        return count

    async def ask_every_route(self, values: dict[str, list[str]]) -> set[str]:
        """GET every route of the API. values: of each place in paths. The routes that were answered with 200."""
        document = await self.api("GET", "/openapi.json")
        answered: set[str] = set()
        for path, methods in document["paths"].items():
            if "get" not in methods:
                continue
            template = path.removeprefix("/api/v1")
            for filled in _filled(template, values):
                before = len(self.seen.texts)
                await self.api("GET", filled)
                if f"api GET {filled} 200" in {place for place, _ in self.seen.texts[before:]}:
                    answered.add(template)
        return answered

    def read_database(self) -> None:
        """Every value in the database, inflated where it is deflated; of SQLite every file too."""
        engine = self.running.services.store._database.engine
        if engine.dialect.name == "sqlite":
            path = Path(str(engine.url.database))
            for file in sorted(path.parent.glob(f"{path.name}*")):
                self.seen.add(f"database {file.name}", file.read_bytes())
        with engine.connect() as connection:
            for table in inspect(connection).get_table_names():
                for row in connection.exec_driver_sql(f'SELECT * FROM "{table}"'):  # noqa: S608  its own tables' names
                    self.seen.add(f"database {table}", b"\0".join(_readable(value) for value in row))


@asynccontextmanager
async def visited(running: Running, seen: Seen) -> AsyncIterator[Visitor]:
    """A visitor of a Flowmend that is served for real on its port; every log record is gathered meanwhile."""
    listener, root = _Listener(seen), logging.getLogger()
    level = root.level
    root.addHandler(listener)
    root.setLevel(logging.DEBUG)
    services = running.services
    url = services.settings.base_url
    config = uvicorn.Config(
        running.application.asgi(), port=services.settings.port, log_config=None, log_level="debug", lifespan="off"
    )
    server = uvicorn.Server(config)
    serving = asyncio.ensure_future(server.serve())
    try:
        while not server.started:  # noqa: ASYNC110  it offers nothing to wait for
            await asyncio.sleep(0.01)
        token = await issue_token(services, "visitor")
        write_local_server(services.settings.data, LocalServer(url=url, pid=os.getpid()))
        write_local_token(services.settings.data, token)
        jar = aiohttp.CookieJar(unsafe=True)
        async with aiohttp.ClientSession(cookie_jar=jar) as session:
            link, _ = await issue_login_link(services)
            async with session.post(
                f"{url}/login", data={"link": link.partition("link=")[2]}, headers={"Origin": url}
            ) as answer:
                assert answer.status < 400, await answer.text()
            yield Visitor(running, seen, url, session, token)
    finally:
        server.should_exit = True
        await serving
        root.removeHandler(listener)
        root.setLevel(level)


def _filled(template: str, values: dict[str, list[str]]) -> list[str]:
    filled = [template]
    for name in re.findall(r"{(\w+)}", template):
        filled = [
            path.replace("{" + name + "}", quote(value, safe=""))
            for path in filled
            for value in values.get(name, ["-"])
        ]
    return filled


def _readable(value: Any) -> bytes:
    if not isinstance(value, bytes):
        return str(value).encode("utf-8", "surrogatepass")
    if value[:1] == b"\x01":
        try:
            return value + zlib.decompress(value[1:])
        except zlib.error:
            return value
    return value
