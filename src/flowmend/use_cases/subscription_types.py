"""The types of triggers that a service calls."""

#: Subscribed while their flow is on.
SUBSCRIBED_TYPES = frozenset({"HttpWebhook", "ApiConnectionWebhook", "OpenApiConnectionWebhook"})
