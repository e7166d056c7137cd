"""A trigger operation's node to what it says about waiting for news (`trigger_facts`)."""

from collections.abc import Mapping, Sequence

from flowmend.core.connector.operation import Policy
from flowmend.core.connector.trigger_facts import PLAIN_SUBSCRIPTION, FollowingRequest, PollFacts, SubscriptionFacts
from flowmend.core.json_value import Json


def read_poll_facts(node: Mapping[str, Json], operation_id: str, policies: Sequence[Policy]) -> PollFacts:
    """How the trigger of an operation's node is polled. What does not read is left out: the status still counts."""
    is_single = str(node.get("x-ms-trigger") or "").lower() == "single"
    declared = node.get("x-flowmend-poll")
    if isinstance(declared, dict):
        return _declared(declared, is_single=is_single)
    policy = next((one for one in policies if one.template == "pollingtrigger" and one.concerns(operation_id)), None)
    if policy is None:
        return PollFacts(is_single=is_single)
    config = _templates(policy.parameters.get("triggerconfig"))
    return PollFacts(
        is_single=is_single,
        # A policy that reads the place off the first item means a list that begins with the newest.
        is_descending=any("[0]" in template or "first(" in template for template in config.values()),
        config=config,
        list_expression=policy.parameters.get("triggerdatapath"),
    )


def read_subscription_facts(node: Mapping[str, Json]) -> SubscriptionFacts:
    """How the subscription of an operation's node is kept up and ended."""
    declared = node.get("x-flowmend-subscription")
    if not isinstance(declared, dict):
        return PLAIN_SUBSCRIPTION
    return SubscriptionFacts(
        subscription_id=_steps(declared.get("id")),
        expires=_steps(declared.get("expires")),
        lifetime_seconds=_seconds(declared.get("lifetimeSeconds")),
        arguments=_templates(declared.get("arguments")),
        unsubscribe=_request(declared.get("unsubscribe")),
        renew=_request(declared.get("renew")),
    )


def _declared(declared: Mapping[str, Json], *, is_single: bool) -> PollFacts:
    items, names = declared.get("items"), declared.get("id")
    return PollFacts(
        is_single=is_single,
        items=_steps(items) if isinstance(items, str) else None,
        item_id=tuple(steps for path in (names if isinstance(names, list) else [names]) if (steps := _steps(path))),
        item_time=_steps(declared.get("time")),
        since=_templates(declared.get("since")),
        start=_templates(declared.get("start")),
        next_link=_steps(declared.get("next")),
        delta_link=_steps(declared.get("delta")),
        is_descending=str(declared.get("order") or "").lower() == "descending",
        overlap_seconds=_seconds(declared.get("overlapSeconds")) or 0.0,
        uses_etag=declared.get("etag") is True,
    )


def _steps(path: Json) -> tuple[str, ...]:
    return tuple(step for step in path.split("/") if step) if isinstance(path, str) else ()


def _templates(value: Json) -> dict[str, str]:
    found = value.items() if isinstance(value, dict) else ()
    return {name: text for name, text in found if isinstance(text, str)}


def _seconds(value: Json) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None


def _request(value: Json) -> FollowingRequest | None:
    if not isinstance(value, dict) or not isinstance(value.get("path"), str):
        return None
    queries = value.get("queries")
    return FollowingRequest(
        method=str(value.get("method") or "DELETE").upper(),
        path=value["path"],
        queries=dict(queries) if isinstance(queries, dict) else {},
        body=value.get("body"),
    )
