"""What a connector says about waiting for news: how a trigger is polled, and how a service is subscribed to.

Power Platform's own words are `x-ms-trigger` and the policy `pollingtrigger`. What they cannot say, ours does, on the
trigger's operation:

    "x-flowmend-poll": {
      "items": "value",                    where in the answer the list is, steps parted by "/"; "" is the answer itself
      "id": "id", "time": "createdDateTime",   what tells items apart (a list: all of it together, so that a changed
                                           item counts as new); what orders them, ISO 8601 or a number
      "since": {"$filter": "createdDateTime ge {cursor}"},   query values of every poll; {cursor} is the last time seen
      "start": {"$deltatoken": "latest"},  query values of the first poll alone, where no date was chosen
      "next": "@odata.nextLink", "delta": "@odata.deltaLink",   more of this answer; where the next poll asks
      "order": "descending", "overlapSeconds": 120, "etag": true
    }
    "x-flowmend-subscription": {
      "id": "body/id", "expires": "body/expirationDateTime",   where in the answer to the subscribing
      "lifetimeSeconds": 3600,             how long one is asked to last, and lasts where the answer does not say
      "arguments": {"body/expirationDateTime": "{expires}", "body/clientState": "{key}"},   what the request says besides
      "unsubscribe": {"method": "DELETE", "path": "/subscriptions/{id}"},
      "renew": {"method": "PATCH", "path": "/subscriptions/{id}", "body": {"expirationDateTime": "{expires}"}}
    }
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from flowmend.core.json_value import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class PollFacts:
    """How a trigger is polled.

    is_single: each item is an event of its own, with the item as its body; else an answer is one event with all that is
    new. items: steps to the list, None where nothing is said of one. item_id: the paths that together tell an item. since, start: query values with `{cursor}` in place.
    overlap_seconds: how much later than its time an item may appear. config, list_expression: of the policy
    `pollingtrigger`, templates over the last answer as `triggerBody()`.
    """

    is_single: bool = False
    items: tuple[str, ...] | None = None
    item_id: tuple[tuple[str, ...], ...] = ()
    item_time: tuple[str, ...] = ()
    since: Mapping[str, str] = field(default_factory=dict)
    start: Mapping[str, str] = field(default_factory=dict)
    next_link: tuple[str, ...] = ()
    delta_link: tuple[str, ...] = ()
    is_descending: bool = False
    overlap_seconds: float = 0.0
    uses_etag: bool = False
    config: Mapping[str, Json] = field(default_factory=dict)
    list_expression: Json = None

    @property
    def tells_items(self) -> bool:
        """Whether items are looked at one by one, so that those seen before are left out."""
        return self.items is not None or self.list_expression is not None


#: Of a trigger that says nothing: the status alone tells whether there is news.
PLAIN_POLL = PollFacts()


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowingRequest:
    """A request to a subscription that is there: its texts may hold `{id}`, `{expires}`, `{key}` and `{callback}`."""

    method: str
    path: str
    queries: Mapping[str, Json] = field(default_factory=dict)
    body: Json = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SubscriptionFacts:
    """How a service is subscribed to beyond the request itself.

    subscription_id, expires: steps into the outputs of the subscribing call. lifetime_seconds: None for one without end.
    arguments: flattened, added to the subscribing call. unsubscribe: None where the `Location` of the answer is deleted.
    renew: None where one subscribes anew instead.
    """

    subscription_id: tuple[str, ...] = ()
    expires: tuple[str, ...] = ()
    lifetime_seconds: float | None = None
    arguments: Mapping[str, str] = field(default_factory=dict)
    unsubscribe: FollowingRequest | None = None
    renew: FollowingRequest | None = None


#: Of an operation that says nothing.
PLAIN_SUBSCRIPTION = SubscriptionFacts()
