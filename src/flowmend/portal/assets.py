"""The portal's own style, script and icons, named by their content so that browsers keep them for good."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

_FOLDER = Path(__file__).parent / "static"
_MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_FOR_GOOD = "public, max-age=31536000, immutable"


@dataclass(frozen=True, slots=True)
class Asset:
    """One file. digest: of its content, part of its address."""

    content: bytes
    media_type: str
    digest: str


@dataclass(frozen=True, slots=True)
class Assets:
    """The files by name."""

    files: Mapping[str, Asset]

    def url(self, name: str) -> str:
        """Where a page finds the file as it is now."""
        return f"/static/{name}?v={self.files[name].digest}"

    async def serve(self, request: Request) -> Response:
        """GET /static/{name}; kept for good only under the address of this very content."""
        asset = self.files.get(request.path_params["name"])
        if asset is None:
            return PlainTextResponse("No such file.", 404)
        is_current = request.query_params.get("v") == asset.digest
        headers = {"cache-control": _FOR_GOOD if is_current else "no-cache", "etag": f'"{asset.digest}"'}
        if request.headers.get("if-none-match") == headers["etag"]:
            return Response(status_code=304, headers=headers)
        return Response(asset.content, media_type=asset.media_type, headers=headers)


def read_assets() -> Assets:
    """The files of `static`, read once: they are few and small."""
    files = {}
    for path in sorted(_FOLDER.iterdir()):
        content = path.read_bytes()
        files[path.name] = Asset(content, _MEDIA_TYPES[path.suffix], hashlib.sha256(content).hexdigest()[:12])
    return Assets(files)
