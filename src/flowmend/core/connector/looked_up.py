"""Values that a service is asked for before the request that needs them: the policy `setvaluefromurl`.

The caller makes `lookup.request` for each of a request's lookups, and puts what came back into the request here.
"""

from urllib.parse import quote, urlsplit

import msgspec
from msgspec.structs import replace

from flowmend.core.connector.draft import check_header, check_path, text_of
from flowmend.core.connector.policy_expressions import found_at
from flowmend.core.connector.request import HttpRequest, UnbuildableRequest, ValueLookup
from flowmend.core.connector.response import HttpResponse
from flowmend.core.errors import ExpressionError
from flowmend.core.expression.content import decode_body
from flowmend.core.json_value import Json


def looked_up_value(lookup: ValueLookup, answer: HttpResponse) -> str:
    """The value an answer holds; "" where it holds none."""
    try:
        body = decode_body(answer.header("content-type") or "application/json", answer.body)
    except ExpressionError:
        return ""
    value = found_at(body, lookup.path)
    if lookup.is_beneath:
        return msgspec.json.encode(value).decode() if isinstance(value, dict) else ""
    return "" if value is None or isinstance(value, dict | list) else text_of(value)


def with_value(request: HttpRequest, lookup: ValueLookup, value: str) -> HttpRequest | UnbuildableRequest:
    """The request with a looked-up value in its place; a value of that name is replaced."""
    if not value:
        return UnbuildableRequest(
            code="MissingLookedUpValue",
            message=f"The service was asked for '{lookup.name}', which this operation needs, and gave none.",
        )
    if lookup.is_beneath:
        laid = _laid_upon(msgspec.json.decode(value), msgspec.json.decode(request.body or b"{}"))
        return replace(request, body=msgspec.json.encode(laid))
    if lookup.is_placeholder:
        url = request.url.replace(lookup.name, quote(value, safe=""))
        within = msgspec.json.encode(value)[1:-1]
        body = request.body.replace(lookup.name.encode(), within) if request.body is not None else None
        return check_path(urlsplit(url).path) or replace(request, url=url, body=body)
    if lookup.is_query:
        path, _, query = request.url.partition("?")
        name = quote(lookup.name, safe="$")
        kept = [pair for pair in query.split("&") if pair and pair.partition("=")[0].lower() != name.lower()]
        kept.append(f"{name}={quote(value, safe='')}")
        return replace(request, url=f"{path}?{'&'.join(kept)}")
    refusal = check_header(lookup.name, value)
    if refusal is not None:
        return refusal
    headers = {name: text for name, text in request.headers.items() if name.lower() != lookup.name.lower()}
    return replace(request, headers={**headers, lookup.name: value})


def _laid_upon(below: Json, above: Json) -> Json:
    """Two values as one: objects property by property, lists joined without repeats, else what lies above."""
    if isinstance(below, dict) and isinstance(above, dict):
        return {**below, **{name: _laid_upon(below.get(name), value) for name, value in above.items()}}
    if isinstance(below, list) and isinstance(above, list):
        return [*below, *(item for item in above if item not in below)]
    return above
