"""The service's own records: orders, notes, shipments, stock and customers."""

from collections import Counter
from datetime import UTC, datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

MAX_ORDERS = 250_000

Word = Annotated[str, Meta(min_length=1, max_length=100)]


class Product(Struct, frozen=True, kw_only=True, rename="camel"):
    """A row of the stock list. available: never changes, so that a demonstration can be repeated."""

    sku: str
    name: str
    price: float
    available: int


class Customer(Struct, frozen=True, kw_only=True, rename="camel"):
    """A customer of the shop."""

    id: str
    name: str
    email: str
    country: str
    is_active: bool


class Line(Struct, frozen=True, kw_only=True, rename="camel"):
    """One line of an order."""

    sku: Word
    quantity: Annotated[int, Meta(ge=1, le=10_000)]


class NewOrder(Struct, frozen=True, kw_only=True, rename="camel"):
    """What a caller sends to place an order."""

    number: Word
    customer: Word
    lines: Annotated[tuple[Line, ...], Meta(min_length=1, max_length=100)]


class Order(Struct, frozen=True, kw_only=True, rename="camel"):
    """An order as kept. id: the service's, number: the caller's."""

    id: str
    number: str
    customer: str
    status: str
    lines: tuple[Line, ...]
    total: float
    placed_at: datetime


class NewNote(Struct, frozen=True, kw_only=True, rename="camel"):
    """A remark. subject: what it is about, such as an order's number."""

    subject: Word
    text: Annotated[str, Meta(max_length=4000)]


class NewShipment(Struct, frozen=True, kw_only=True, rename="camel"):
    """What a caller sends to have an order shipped."""

    order_number: Word
    carrier: Word = "Parcel post"


PRODUCTS = {
    product.sku: product
    for product in (
        Product(sku="BIKE-200", name="City bicycle", price=549.0, available=12),
        Product(sku="HELM-010", name="Helmet", price=39.5, available=140),
        Product(sku="LAMP-030", name="Front lamp", price=24.9, available=0),
        Product(sku="LOCK-020", name="Folding lock", price=59.0, available=35),
        Product(sku="BOX-001", name="Shipping box", price=0.0, available=5000),
    )
}

CUSTOMERS = (
    Customer(id="C-1", name="Harbour Cycles", email="buy@harbour.example", country="DK", is_active=True),
    Customer(id="C-2", name="Forest Rides", email="office@forest.example", country="NO", is_active=True),
    Customer(id="C-3", name="Old Town Wheels", email="hello@oldtown.example", country="DE", is_active=False),
    Customer(id="C-4", name="臺北單車行", email="order@taipeibike.example", country="TW", is_active=True),
)

_SEEDED_AT = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
_SEED = (
    NewOrder(
        number="S-1001", customer="C-1", lines=(Line(sku="BIKE-200", quantity=2), Line(sku="HELM-010", quantity=4))
    ),
    NewOrder(number="S-1002", customer="C-2", lines=(Line(sku="LOCK-020", quantity=3),)),
    NewOrder(
        number="S-1003", customer="C-4", lines=(Line(sku="HELM-010", quantity=10), Line(sku="BOX-001", quantity=1))
    ),
)


class OrderBook:
    """Everything placed since the start, and how often each thing was asked for."""

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}
        for seed in _SEED:
            self.add_order(seed, placed_at=_SEEDED_AT)
        self.seeded = len(self.orders)
        self.order_of_key: dict[str, tuple[NewOrder, Order]] = {}
        self.order_requests: Counter[str] = Counter()
        self.order_reads: Counter[str] = Counter()
        self.repeated_requests = 0
        self.note_requests: Counter[str] = Counter()
        self.shipments: dict[str, dict[str, Any]] = {}

    def add_order(self, new: NewOrder, *, placed_at: datetime) -> Order:
        """The order as kept. The caller has checked its SKUs."""
        order = Order(
            id=str(len(self.orders) + 1),
            number=new.number,
            customer=new.customer,
            status="open",
            lines=new.lines,
            total=round(sum(PRODUCTS[line.sku].price * line.quantity for line in new.lines), 2),
            placed_at=placed_at,
        )
        self.orders[order.id] = order
        return order

    def counts(self) -> dict[str, Any]:
        """The exact counts since the start or the last reset, by the callers' own names of things."""
        created = list(self.orders.values())[self.seeded :]
        return {
            "orders": {
                "created": len(created),
                "distinct_numbers": len({order.number for order in created}),
                "requests_by_number": dict(self.order_requests),
                "reads_by_id": dict(self.order_reads),
            },
            "idempotency": {"distinct_keys": len(self.order_of_key), "repeated_requests": self.repeated_requests},
            "notes": {"requests": self.note_requests.total(), "requests_by_subject": dict(self.note_requests)},
            "shipments": {"created": len(self.shipments)},
        }


ORDER_DECODER = msgspec.json.Decoder(NewOrder)
NOTE_DECODER = msgspec.json.Decoder(NewNote)
SHIPMENT_DECODER = msgspec.json.Decoder(NewShipment)
