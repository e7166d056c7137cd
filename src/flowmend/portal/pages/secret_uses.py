"""Each time a connection's secret was used: when, what for, which run and action, where to, and how it ended."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from flowmend.portal.language import marked
from flowmend.portal.portal import Portal, segment
from flowmend.store.rows import ConnectionRow, SecretUseRow
from flowmend.use_cases.connections import connection_row
from flowmend.use_cases.secret_uses import Purpose, list_uses

_SHOWN = 50

PURPOSE_WORDS: Mapping[str, str] = {
    Purpose.CALL: marked("Call of a flow"),
    Purpose.REFRESH: marked("Renewal of tokens"),
    Purpose.PROBE: marked("Test"),
    Purpose.VERIFY: marked("Verification"),
    Purpose.REPAIR_LINK: marked("Repair link"),
    Purpose.CONSENT: marked("Sign-in at the provider"),
    Purpose.REVOKE: marked("Tokens given back"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UsesPage:
    """chips: (address, purpose or "" for all, whether it is current). older: address of the next page, "" at the end."""

    row: ConnectionRow
    uses: tuple[SecretUseRow, ...]
    chips: tuple[tuple[str, str, bool], ...]
    older: str
    newest: str
    is_later_page: bool
    kept_days: int


async def show_uses(portal: Portal, request: Request) -> Response:
    """GET /connections/{connection_id}/uses?purpose=&cursor="""
    services, connection_id = portal.services, request.path_params["connection_id"]
    row = connection_row(services, connection_id)
    purpose = request.query_params.get("purpose", "")
    purpose = purpose if purpose in set(Purpose) else ""
    cursor = request.query_params.get("cursor", "")
    found = await list_uses(
        services, connection_id, purpose=purpose, limit=_SHOWN, cursor=int(cursor) if _is_number(cursor) else 0
    )
    address = f"/connections/{segment(connection_id)}/uses"
    page = UsesPage(
        row=row,
        uses=tuple(found.rows),
        chips=tuple((_address(address, one), one, one == purpose) for one in ("", *(one.value for one in Purpose))),
        older=_address(address, purpose, found.cursor) if found.cursor else "",
        newest=_address(address, purpose),
        is_later_page=bool(cursor),
        kept_days=services.settings.secret_uses_days,
    )
    return portal.answer(request, "secret_uses.html", place="connections", page=page, purpose_words=PURPOSE_WORDS)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 19


def _address(address: str, purpose: str, cursor: int = 0) -> str:
    query = {"purpose": purpose, "cursor": str(cursor) if cursor else ""}
    chosen = urlencode({name: value for name, value in query.items() if value})
    return f"{address}?{chosen}" if chosen else address
