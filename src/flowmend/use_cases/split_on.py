"""splitOn: one event becomes one run for each item of a list in it (wdl.md §3)."""

from collections.abc import Mapping

from flowmend.core.definition.flow import Trigger
from flowmend.core.errors import ExpressionError
from flowmend.core.expression import compile_template, to_text
from flowmend.core.expression.conversion.kinds import kind_name
from flowmend.core.expression.scope import Scope
from flowmend.core.json_value import Json

#: Source: wdl.md §3 and §8.
MOST_ITEMS = 100_000
MOST_WITH_CONCURRENCY = 100


def split_items(trigger: Trigger, scope: Scope) -> list[Json] | None:
    """The items an event is split into, None where the expression gives null. scope: sees the whole event.

    Errors: ExpressionError where `splitOn` does not evaluate, gives no list, or one that is too long.
    """
    items = compile_template(trigger.split_on).evaluate(scope)
    if items is None:
        return None
    if not isinstance(items, list):
        raise ExpressionError(
            f"The 'splitOn' expression of trigger '{trigger.name}' gives a value of type '{kind_name(items)}', not a list.",
            code="InvalidSplitOn",
        )
    most = MOST_ITEMS if trigger.runtime.concurrent_runs is None else MOST_WITH_CONCURRENCY
    if len(items) > most:
        raise ExpressionError(
            f"The 'splitOn' list of trigger '{trigger.name}' has {len(items)} items, more than {most}.",
            code="SplitOnItemsLimitExceeded",
        )
    return items


def item_outputs(outputs: Json, item: Json) -> dict[str, Json]:
    """The trigger's outputs for one item: the item is the body, the rest of the body is lost."""
    whole = outputs if isinstance(outputs, Mapping) else {}
    return {**whole, "body": item}


def tracking_expression(trigger: Trigger) -> Json:
    """The expression that names each item's run, `splitOnConfiguration.correlation.clientTrackingId`; None for none."""
    configuration = trigger.raw.get("splitOnConfiguration")
    correlation = configuration.get("correlation") if isinstance(configuration, Mapping) else None
    return correlation.get("clientTrackingId") if isinstance(correlation, Mapping) else None


def tracking_id(expression: Json, scope: Scope) -> str:
    """The client tracking id an event gets by an expression; "" where it gives none. scope: sees the event."""
    if expression is None:
        return ""
    try:
        return to_text(compile_template(expression).evaluate(scope))[:128]
    except ExpressionError:
        return ""
