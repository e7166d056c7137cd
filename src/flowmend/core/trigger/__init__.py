"""How flows are started: when a recurrence is due, what a request brings, and who may send one."""

from flowmend.core.trigger.callback_url import (
    CallbackUrl,
    sign_callback,
    sign_content_link,
    verify_callback,
    verify_content_link,
)
from flowmend.core.trigger.conditions import are_met
from flowmend.core.trigger.recurrence import next_occurrence
from flowmend.core.trigger.request import accept_request
from flowmend.core.trigger.sample import generate_from_schema

__all__ = [
    "CallbackUrl",
    "accept_request",
    "are_met",
    "generate_from_schema",
    "next_occurrence",
    "sign_callback",
    "sign_content_link",
    "verify_callback",
    "verify_content_link",
]
