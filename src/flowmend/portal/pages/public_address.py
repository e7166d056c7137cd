"""Settings → Reachable from outside: asks the public address, and lists what depends on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from starlette.requests import Request
from starlette.responses import Response

from flowmend.portal.language import marked
from flowmend.portal.portal import Portal, person_id
from flowmend.use_cases.public_address import (
    AddressCheck,
    OutsideTrigger,
    Verdict,
    check_public_address,
    outside_triggers,
)

#: {what came of it: (its name, what to do)}
WORDS: Mapping[Verdict, tuple[str, str]] = MappingProxyType(
    {
        Verdict.REACHABLE: (marked("It leads back to this Flowmend"), marked("Services outside can call it.")),
        Verdict.HOST_CHANGED: (
            marked("It leads back to this Flowmend, under another host name"),
            marked("What stands between does not pass on the host name. Let your proxy pass on Host."),
        ),
        Verdict.NOT_SET: (
            marked("No public address is set"),
            marked("Set FLOWMEND_PUBLIC_URL to the address at which services reach this server, then start it again."),
        ),
        Verdict.NAME_UNKNOWN: (marked("Its name is not known"), marked("Look at the DNS record of the name.")),
        Verdict.PRIVATE: (
            marked("Its name leads into a private network"),
            marked("Services outside do not reach it. Let the name lead to a public address."),
        ),
        Verdict.TLS_FAILED: (
            marked("No secure connection can be made"),
            marked("Look at the certificate: the names it holds, when it ends, and whether its chain is whole."),
        ),
        Verdict.NO_ANSWER: (
            marked("Nobody answers there"),
            marked("Look at the firewall, the proxy and the port. Some routers let nobody inside use the outer address: then ask it from elsewhere."),
        ),
        Verdict.REDIRECTED: (
            marked("It leads elsewhere"),
            marked("Services that call do not follow. Set FLOWMEND_PUBLIC_URL to where it leads, often https instead of http."),
        ),
        Verdict.HOST_REFUSED: (
            marked("It leads here, under a host name Flowmend does not answer to"),
            marked("Let your proxy pass on the host name it was asked by."),
        ),
        Verdict.OTHER_SERVER: (
            marked("Another server answers there"),
            marked("Let the name, or the path in your proxy, lead to this Flowmend."),
        ),
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicAddressPage:
    """check: None before it was asked. title, advice: what came of it. needy: triggers that cannot work without it;
    called: those that whoever has their URL calls.
    """

    address: str
    is_set: bool
    needy: tuple[OutsideTrigger, ...]
    called: tuple[OutsideTrigger, ...]
    check: AddressCheck | None = None
    title: str = ""
    advice: str = ""


async def show_public_address(portal: Portal, request: Request) -> Response:
    """GET /settings/reachable"""
    return _page(portal, request, None)


async def take_check(portal: Portal, request: Request) -> Response:
    """POST /settings/reachable: asks now, and shows what came of it."""
    return _page(portal, request, await check_public_address(portal.services, person_id(request)))


def _page(portal: Portal, request: Request, check: AddressCheck | None) -> Response:
    settings, triggers = portal.services.settings, outside_triggers(portal.services)
    title, advice = WORDS[check.verdict] if check is not None else ("", "")
    page = PublicAddressPage(
        address=settings.base_url,
        is_set=bool(settings.public_url),
        needy=tuple(one for one in triggers if one.is_subscribed),
        called=tuple(one for one in triggers if not one.is_subscribed),
        check=check,
        title=title,
        advice=advice,
    )
    return portal.answer(request, "public_address.html", place="settings", page=page)
