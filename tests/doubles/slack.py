"""Slack's Web API, which says no with status 200. Source: api.slack.com/web"""

from dataclasses import dataclass, field
from typing import Any

from doubles.service import Answer, Asked, Service, given


@dataclass(kw_only=True)
class Slack(Service):
    messages: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.on("GET", r"/api/auth\.test", lambda _asked, _found: given({"ok": True, "user": "ada", "user_id": "U1"}))
        self.on("POST", r"/api/chat\.postMessage", self._post)

    def unauthorized(self, asked: Asked) -> Answer:
        sent = "authorization" in asked.headers
        return given({"ok": False, "error": "invalid_auth" if sent else "not_authed"})

    def _post(self, asked: Asked, _found: object) -> Answer:
        if not (asked.body or {}).get("channel"):
            return given({"ok": False, "error": "channel_not_found"})
        self.messages.append(asked.body)
        return given({"ok": True, "channel": asked.body["channel"], "ts": "1503435956.000247"})
