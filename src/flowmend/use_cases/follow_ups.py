"""What follows a call at its own service: pieces of its content, asking how it stands, the next pages of a list.

An address in an answer is the service's word. The sign-in and the flow's headers go there only where it is the origin
the call itself went to; a page elsewhere is refused.
"""

from collections.abc import Awaitable, Callable
from urllib.parse import urljoin

import msgspec
from msgspec.structs import replace

from flowmend.core.connector import HttpRequest, UnbuildableRequest, origin_of, piece_of, refused_outcome
from flowmend.core.connector.operation import Operation
from flowmend.core.connector.policy_expressions import Steps, found_at
from flowmend.core.json_value import Json
from flowmend.core.outcome import Outcome, Status
from flowmend.core.run import FollowUp

#: Source: wdl.md §8.
_MOST_ITEMS = 100_000
_MOST_BYTES = 104_857_600

_NEXT_LINKS = ("nextLink", "@odata.nextLink", "odata.nextLink")
_OF_A_BODY = frozenset({"content-type", "content-encoding", "content-disposition", "idempotency-key"})


def follow_request(first: HttpRequest, follow: FollowUp) -> HttpRequest | UnbuildableRequest:
    """The request that asks at `follow.location`. first: the call's own request, with its sign-in."""
    url = urljoin(first.url, follow.location.strip()).partition("#")[0]
    origin = origin_of(url)
    if not origin or any(character in url for character in "\r\n\0 "):
        return UnbuildableRequest(code="InvalidUri", message="The answer names no address that can be asked.")
    if origin == first.origin:
        headers = {name: text for name, text in first.headers.items() if name.lower() not in _OF_A_BODY}
        target = replace(first, method=follow.method, url=url, headers=headers, body=None)
        return target if follow.content is None else piece_of(first, target, follow.content)
    if follow.is_page:
        message = f"The next page is at {origin}, but the call went to {first.origin}; pages are read from there alone."
        return UnbuildableRequest(code="OriginNotAllowed", message=message)
    target = HttpRequest(method=follow.method, url=url)
    return target if follow.content is None else piece_of(first, target, follow.content)


def leads_elsewhere(uri: str, location: str) -> bool:
    """Whether what follows a call of `uri` goes to another origin, where neither its sign-in nor its headers go."""
    return origin_of(urljoin(uri, location.strip())) != origin_of(uri)


async def with_all_pages(
    first: Outcome,
    minimum_items: int,
    next_page: Callable[[str], Awaitable[Outcome]],
    operation: Operation | None = None,
) -> Outcome:
    """A list's answer with the pages after it, whole, until there are `minimum_items`; its body is `{value: […]}`.

    An answer that is no list stays as it is; the first page that fails is how the call ended (wdl.md §4).
    operation: which says where the list and its link are, None where nothing does.
    """
    key = operation.page_items if operation is not None else "value"
    declared = operation.next_link if operation is not None else ()
    outputs = first.outputs
    body = outputs.get("body") if isinstance(outputs, dict) else None
    if first.status is not Status.SUCCEEDED or not isinstance(body, dict) or not isinstance(body.get(key), list):
        return first
    items: list[Json] = list(body[key])
    wanted, size, link = min(minimum_items, _MOST_ITEMS), 0, _next_link(body, declared)
    seen: set[str] = set()
    while link and link not in seen and len(items) < wanted:
        seen.add(link)
        page = await next_page(link)
        if page.status is not Status.SUCCEEDED:
            return page
        body = page.outputs.get("body") if isinstance(page.outputs, dict) else None
        if not isinstance(body, dict) or not isinstance(body.get(key), list):
            break
        size += len(msgspec.json.encode(body[key]))
        if size > _MOST_BYTES:
            return refused_outcome(
                "ActionResultsSizeLimitExceeded", f"The pages together are larger than {_MOST_BYTES} bytes."
            )
        items += body[key]
        link = _next_link(body, declared)
    return replace(first, outputs={**outputs, "body": {key: items[:_MOST_ITEMS]}})


def _next_link(body: dict[str, Json], declared: Steps) -> str:
    if declared:
        link = found_at(body, declared)
        return link if isinstance(link, str) else ""
    return next((link for name in _NEXT_LINKS if isinstance(link := body.get(name), str)), "")
