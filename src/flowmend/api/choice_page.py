"""The link of a choice in a message: a page with the choice as its one button, and what pressing it tells the flow.

A connector that asks people by mail or in a chat puts one link for each choice into its message: the callback URL with
`flowmend-choice`, and `flowmend-data` for what goes with it, JSON as base64. Following the link chooses nothing: mail
scanners and previews follow links too. The page has no words but the choice itself, so it needs no language.
"""

import base64
import binascii
from collections.abc import Mapping
from html import escape

import msgspec

from flowmend.core.json_value import Json
from flowmend.core.run import SendResponse

#: The names in the URL's query.
CHOICE, DATA = "flowmend-choice", "flowmend-data"
_STYLE = (
    "body{font:1.1rem system-ui,sans-serif;display:grid;place-items:center;min-height:90vh;color-scheme:light dark}"
    "button{font:inherit;padding:.7em 2em;border-radius:.4em;cursor:pointer}"
)
_HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def choice_page(choice: str, *, is_made: bool = False) -> SendResponse:
    """The page of a choice: to be pressed, or made."""
    shown = escape(choice[:200])
    inner = f"<p>✓ {shown}</p>" if is_made else f'<form method="post"><button>{shown}</button></form>'
    page = f'<!doctype html><html><meta name="viewport" content="width=device-width"><title>{shown}</title>'
    page += f"<style>{_STYLE}</style><body>{inner}"
    return SendResponse(status_code=200, headers=dict(_HEADERS), body=page)


def chosen_body(queries: Mapping[str, str]) -> Json:
    """What the flow is told, by the names its connectors use: mail's `SelectedOption`, a card's `submitActionId` and `data`."""
    choice = queries[CHOICE]
    try:
        data = msgspec.json.decode(base64.b64decode(queries.get(DATA, ""), validate=True))
    except (binascii.Error, ValueError):  # msgspec's DecodeError is a ValueError
        data = {}
    return {"SelectedOption": choice, "submitActionId": choice, "data": data}
