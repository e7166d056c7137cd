"""The running service's state as one value, so that a reset is one assignment per part."""

import time
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from flowmend.sample.service.accounts import Accounts
from flowmend.sample.service.grants import Grants
from flowmend.sample.service.operations import OPERATIONS
from flowmend.sample.service.order_book import OrderBook
from flowmend.sample.service.settings import ServiceSettings

PREFIXES = ("basic", "key", "oauth2")

#: Every route under sign-in, as the counts and the permissions name it: `POST /basic/orders`.
ROUTES = tuple(
    f"{operation.method} /{prefix}{operation.path}"
    for prefix in PREFIXES
    for operation in OPERATIONS
    if prefix in operation.only_under
)


class OrderService:
    """Accounts, grants, orders, counts and what is broken on purpose. Used by one event loop only."""

    def __init__(self, settings: ServiceSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self._clock = clock
        self.reset()

    def reset(self) -> None:
        """Everything as at the start; all tokens are gone."""
        self.accounts = Accounts(self.settings.accounts)
        self.grants = Grants(clock=self._clock, access_token_seconds=self.settings.access_token_seconds)
        self.book = OrderBook()
        self.forbidden_routes: set[str] = set()
        self.latency_seconds = 0.0
        self.answers: dict[str, Counter[int]] = defaultdict(Counter)
        self.refused_sign_ins: Counter[str] = Counter()
        self.token_requests: Counter[str] = Counter()

    def counts(self) -> dict[str, Any]:
        """What came, what was answered and what came of it, exactly.

        `{"requests": {route: n}, "answers": {route: {status: n}}, "refused_sign_ins": {where: n},
        "token_requests": {grant type: n}, "orders": …, "idempotency": …, "notes": …, "shipments": …}`
        """
        return {
            "requests": {route: answers.total() for route, answers in self.answers.items()},
            "answers": {
                route: {str(status): count for status, count in answers.items()}
                for route, answers in self.answers.items()
            },
            "refused_sign_ins": {where: self.refused_sign_ins[where] for where in (*PREFIXES, "consent", "token")},
            "token_requests": dict(self.token_requests),
            **self.book.counts(),
        }
