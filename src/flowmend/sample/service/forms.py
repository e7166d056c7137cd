"""Reading what an HTML form or a JSON caller posts, and serving the service's own pages."""

from collections.abc import Mapping
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qsl

import msgspec
from jinja2 import Environment, FunctionLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from flowmend.sample.service.answers import Answer, read_body, refusal

_PAGES = files("flowmend.sample.service").joinpath("pages")


def _load(name: str) -> str:
    return _PAGES.joinpath(name).read_text(encoding="utf-8")


_TEMPLATES = Environment(loader=FunctionLoader(_load), autoescape=True, undefined=StrictUndefined)


def style_sheet() -> str:
    """The one style sheet of the pages."""
    return _load("style.css")


def page(name: str, *, status: int = 200, form_targets: str = "'self'", **values: Any) -> HTMLResponse:
    """A page that runs no script and is shown in no frame. form_targets: where its forms may lead, redirects included."""
    return HTMLResponse(
        _TEMPLATES.get_template(name).render(**values),
        status_code=status,
        headers={
            "Content-Security-Policy": "default-src 'none'; style-src 'self'; base-uri 'none'; "
            f"frame-ancestors 'none'; form-action {form_targets}",
            "X-Content-Type-Options": "nosniff",
            "X-Frame-Options": "DENY",
            # Not no-referrer: with that a browser says `Origin: null` in the pages' own forms.
            "Referrer-Policy": "same-origin",
            "Cache-Control": "no-store",
        },
    )


def is_form(request: Request) -> bool:
    """Whether the body is what an HTML form sends."""
    return request.headers.get("content-type", "").lower().startswith("application/x-www-form-urlencoded")


async def read_form(request: Request) -> Mapping[str, str] | Answer:
    """The posted fields of a form; one that comes twice is refused (RFC 6749 §3.2)."""
    if not is_form(request):
        return refusal(415, "UnsupportedMediaType", "Send the fields as application/x-www-form-urlencoded.")
    raw = await read_body(request.receive)
    if isinstance(raw, Answer):
        return raw
    pairs = parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True)
    fields = dict(pairs)
    return fields if len(fields) == len(pairs) else refusal(400, "InvalidBody", "A field comes twice.")


async def read_fields(request: Request) -> Mapping[str, Any] | Answer:
    """The posted fields of a form or of a JSON object; an empty body has none."""
    if is_form(request):
        return await read_form(request)
    raw = await read_body(request.receive)
    if isinstance(raw, Answer):
        return raw
    try:
        return msgspec.json.decode(raw or b"{}", type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return refusal(400, "InvalidBody", str(error))
