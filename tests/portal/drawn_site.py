"""The sample pages over loopback, so that a browser can look at each state of each page without bringing it about."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from flowmend.portal.assets import Assets

Draw = Callable[[str, str], str]


@contextmanager
def drawn_site(draw: Draw, assets: Assets) -> Iterator[str]:
    """Where `/{language}/{name of a sample page}` answers with the page.

    draw: (name, language) → HTML.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Answer, draw, assets))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Answer(BaseHTTPRequestHandler):
    """One request. What only a real server has, such as the stream of changes, is answered as not there."""

    protocol_version = "HTTP/1.1"

    def __init__(self, draw: Draw, assets: Assets, *args: object) -> None:
        self._draw, self._assets = draw, assets
        super().__init__(*args)  # type: ignore[arg-type]  # as the server gives them

    def do_GET(self) -> None:
        _, place, *rest = urlsplit(self.path).path.split("/")
        asset = self._assets.files.get(rest[0]) if place == "static" else None
        if asset is not None:
            self._send(200, asset.media_type, asset.content)
        elif rest:
            self._send(200, "text/html; charset=utf-8", self._draw("/".join(rest), place).encode())
        else:
            self.close_connection = True
            self._send(204, "text/plain", b"")  # 204 also tells an event stream not to ask again

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base's name
        """Nobody reads it."""

    def _send(self, status: int, media_type: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "max-age=600" if "html" not in media_type else "no-store")
        self.end_headers()
        self.wfile.write(content)
