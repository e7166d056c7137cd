"""Where nothing proves whose a credential is, somebody confirms it: by the API's field or the page's box."""

from urllib.parse import urlencode

import pytest

from .conftest import Flowmend

_MUTE = {
    "swagger": "2.0",
    "info": {"title": "Mute"},
    "host": "mute.example",
    "schemes": ["https"],
    "securityDefinitions": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}},
    "paths": {"/orders": {"post": {"operationId": "Create"}}},
}
_KEY = {"properties": {"connectionParameters": {"api_key": {"type": "securestring"}}}}


@pytest.fixture
def connection_id(flowmend: Flowmend) -> str:
    """A connection whose connector has no call that could test a key."""
    installed = flowmend.api("POST", "/connectors", {"name": "mute", "definition": _MUTE, "properties": _KEY})
    assert installed.status == 201, installed.content
    made = flowmend.api(
        "POST", "/connections", {"connector": "mute", "display_name": "Mute", "parameters": {"api_key": "first-key"}}
    )
    assert made.status == 201, made.content
    return str(made.json["id"])


def test_the_api_says_what_to_confirm_and_takes_it_confirmed(flowmend: Flowmend, connection_id: str) -> None:
    path, new = f"/connections/{connection_id}/verify", {"parameters": {"api_key": "second-key"}}

    asked = flowmend.api("POST", path, new).json
    taken = flowmend.api("POST", path, {**new, "confirmed": True}).json

    assert (asked["code"], asked["is_kept"], asked["also_mended"]) == ("ConfirmationNeeded", False, [])
    assert "Confirm that it belongs to" in asked["message"]
    assert (taken["is_kept"], taken["code"]) == (True, "NotTestable")


def test_the_page_has_a_box_for_it_and_changes_nothing_without(flowmend: Flowmend, connection_id: str) -> None:
    signed_in = {
        "Accept": "text/html",
        "Cookie": f"flowmend_session={flowmend.cookie}",
        "Origin": flowmend.origin,
        "Content-Type": "application/x-www-form-urlencoded",
    }
    address = f"/connections/{connection_id}/verify"
    asked = flowmend.ask("GET", address, headers=signed_in)
    assert b'name="confirmed"' in asked.content

    values = {"p.api_key": "second-key"}
    without = flowmend.ask("POST", address, headers=signed_in, content=urlencode(values).encode())
    ticked = flowmend.ask(
        "POST", address, headers=signed_in, content=urlencode({**values, "confirmed": "true"}).encode()
    )

    assert without.status == 422
    assert b"Nothing could test it. Confirm whose it is" in without.content
    assert ticked.status == 200
    assert b"Replaced, and not proven yet" in ticked.content
    assert b"second-key" not in without.content + ticked.content
