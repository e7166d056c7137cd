from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from flowmend.core.expression.context_scope import ContextScope, evaluate_case


class FixedMoment:
    now = datetime(2026, 3, 15, 13, 27, 36, 123456, tzinfo=UTC)

    def guid(self) -> UUID:
        return UUID("00112233-4455-6677-8899-aabbccddeeff")

    def draw(self) -> float:
        return 0.5


@pytest.fixture
def moment() -> FixedMoment:
    return FixedMoment()


@pytest.fixture
def evaluate(moment: FixedMoment) -> Callable[..., Any]:
    """evaluate(expression, **context): the value of a bare expression."""
    return lambda expression, **context: evaluate_case({"expr": expression, "context": context}, moment)


@pytest.fixture
def fill(moment: FixedMoment) -> Callable[..., Any]:
    """fill(value, **context): a JSON value with its templates evaluated."""
    return lambda value, **context: evaluate_case({"expr": value, "mode": "template", "context": context}, moment)


@pytest.fixture
def scope(moment: FixedMoment) -> Callable[..., ContextScope]:
    return lambda **context: ContextScope(context, moment)
