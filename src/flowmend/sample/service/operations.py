"""What callers can ask of the service: one table, each row a synchronous function from a call to an answer."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from msgspec import json as msgspec_json

from flowmend.sample.service.answers import Answer, refusal
from flowmend.sample.service.order_book import (
    CUSTOMERS,
    MAX_ORDERS,
    NOTE_DECODER,
    ORDER_DECODER,
    PRODUCTS,
    SHIPMENT_DECODER,
    NewNote,
    NewOrder,
    NewShipment,
    OrderBook,
)
from flowmend.sample.service.settings import Account

DEFAULT_PAGE = 50
MAX_PAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A call whose sign-in was accepted and whose body was read. item: the last path segment of `{…}` routes."""

    account: Account
    url: str
    item: str
    query: Mapping[str, str]
    idempotency_key: str
    body: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """scope: what an OAuth token needs. only_under: prefixes that offer it. decoder: of the body, None where none is read."""

    method: str
    path: str
    scope: str
    perform: Callable[[OrderBook, Call], Answer]
    only_under: tuple[str, ...] = ("basic", "key", "oauth2")
    decoder: "msgspec_json.Decoder[Any] | None" = None


def _who_am_i(_book: OrderBook, call: Call) -> Answer:
    account = call.account
    return Answer(body={"user": account.user, "displayName": account.display_name, "email": account.email})


def _list_orders(book: OrderBook, call: Call) -> Answer:
    try:
        top = int(call.query.get("top", DEFAULT_PAGE))
        skip = int(call.query.get("skip", 0))
    except ValueError:
        top = -1
    if not 1 <= top <= MAX_PAGE or skip < 0:
        return refusal(400, "InvalidQuery", f"'top' is a number from 1 to {MAX_PAGE} and 'skip' a number from 0.")
    orders = list(book.orders.values())
    page: dict[str, Any] = {"value": orders[skip : skip + top]}
    if len(orders) > skip + top:
        page["nextLink"] = f"{call.url}?top={top}&skip={skip + top}"
    return Answer(body=page)


def _get_order(book: OrderBook, call: Call) -> Answer:
    order = book.orders.get(call.item)
    if order is None:
        return refusal(404, "NotFound", f"There is no order '{call.item}'.")
    book.order_reads[order.id] += 1
    return Answer(body=order)


def _create_order(book: OrderBook, call: Call) -> Answer:
    new: NewOrder = call.body
    book.order_requests[new.number] += 1
    unknown = next((line.sku for line in new.lines if line.sku not in PRODUCTS), None)
    if unknown is not None:
        return refusal(400, "UnknownSku", f"There is no article '{unknown}'.")
    known = book.order_of_key.get(call.idempotency_key)
    if known is not None:
        book.repeated_requests += 1
        if known[0] != new:
            return refusal(422, "IdempotencyKeyReused", "This Idempotency-Key came with another order before.")
        return Answer(status=201, body=known[1], headers=((b"idempotency-replayed", b"true"),))
    if len(book.orders) >= MAX_ORDERS:
        return refusal(507, "InsufficientStorage", f"The sample keeps {MAX_ORDERS:,} orders. Reset it on its page.")
    order = book.add_order(new, placed_at=datetime.now(UTC))
    if call.idempotency_key:
        book.order_of_key[call.idempotency_key] = (new, order)
    return Answer(status=201, body=order)


def _create_note(book: OrderBook, call: Call) -> Answer:
    note: NewNote = call.body
    book.note_requests[note.subject] += 1
    return Answer(
        status=201, body={"id": f"N-{book.note_requests.total()}", "subject": note.subject, "text": note.text}
    )


def _get_stock(_book: OrderBook, call: Call) -> Answer:
    product = PRODUCTS.get(call.item.upper())
    return Answer(body=product) if product else refusal(404, "NotFound", f"There is no article '{call.item}'.")


def _create_shipment(book: OrderBook, call: Call) -> Answer:
    new: NewShipment = call.body
    number = f"T-{len(book.shipments) + 1:06d}"
    book.shipments[number] = {"trackingNumber": number, "orderNumber": new.order_number, "carrier": new.carrier}
    return Answer(status=201, body=book.shipments[number])


def _list_customers(_book: OrderBook, _call: Call) -> Answer:
    return Answer(body={"value": CUSTOMERS})


OPERATIONS = (
    Operation(method="GET", path="/me", scope="profile", perform=_who_am_i),
    Operation(method="GET", path="/orders", scope="orders.read", perform=_list_orders),
    Operation(method="GET", path="/orders/{id}", scope="orders.read", perform=_get_order),
    Operation(method="POST", path="/orders", scope="orders.write", perform=_create_order, decoder=ORDER_DECODER),
    Operation(method="POST", path="/notes", scope="orders.write", perform=_create_note, decoder=NOTE_DECODER),
    Operation(method="GET", path="/stock/{sku}", scope="orders.read", perform=_get_stock),
    Operation(
        method="POST",
        path="/shipments",
        scope="orders.write",
        perform=_create_shipment,
        only_under=("key",),
        decoder=SHIPMENT_DECODER,
    ),
    Operation(method="GET", path="/customers", scope="customers.read", perform=_list_customers, only_under=("oauth2",)),
)

SCOPES = tuple(dict.fromkeys(operation.scope for operation in OPERATIONS))
