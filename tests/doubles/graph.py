"""Microsoft Graph v1.0: mail, calendars, people, teams and chats.

Source: learn.microsoft.com/graph/api, …/graph/errors, …/graph/delta-query-messages, …/graph/paging
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from doubles.service import Answer, Asked, Service, error, given

ME = {"id": "me-1", "displayName": "Ada", "mail": "ada@contoso.example", "userPrincipalName": "ada@contoso.example"}
_PAGE = 2


@dataclass(kw_only=True)
class Graph(Service):
    """sent: mails. posted: messages by channel or chat. inbox: mails, oldest first, each with a receivedDateTime."""

    sent: list[dict[str, Any]] = field(default_factory=list)
    posted: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    inbox: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.on("GET", r"/v1\.0/me", lambda _asked, _found: given(ME))
        self.on("GET", r"/v1\.0/users/([^/]+)", self._person)
        self.on("GET", r"/v1\.0/users/([^/]+)/manager", lambda _asked, _found: given({**ME, "displayName": "Manager"}))
        self.on("GET", r"/v1\.0/users/([^/]+)/photo/\$value", self._photo)
        self.on("GET", r"/v1\.0/users", lambda _asked, _found: given({"value": [ME]}))
        self.on("POST", r"/v1\.0/(?:me|users/[^/]+)/sendMail", self._send)
        self.on("GET", r"/v1\.0/me/mailFolders/([^/]+)/messages(/delta)?", self._messages)
        self.on(
            "GET", r"/v1\.0/me/calendars", lambda _asked, _found: given({"value": [{"id": "C1", "name": "Calendar"}]})
        )
        self.on("POST", r"/v1\.0/me/calendars/([^/]+)/events", self._event)
        self.on("POST", r"/v1\.0/teams/([^/]+)/channels/([^/]+)/messages", self._message)
        self.on("POST", r"/v1\.0/chats", self._chat)
        self.on("POST", r"/v1\.0/chats/([^/]+)/messages", self._message)
        self.on("GET", r"/v1\.0/me/joinedTeams", lambda _asked, _found: given({"value": [{"id": "T1"}]}))

    def _person(self, _asked: Asked, found: re.Match[str]) -> Answer:
        if found[1].startswith("nobody"):
            return error(404, "Request_ResourceNotFound", f"Resource '{found[1]}' does not exist.")
        return given({**ME, "id": found[1], "mail": found[1], "displayName": found[1].partition("@")[0].title()})

    def _photo(self, _asked: Asked, _found: object) -> Answer:
        return web.Response(body=b"\xff\xd8picture", content_type="image/jpeg")

    def _send(self, asked: Asked, _found: object) -> Answer:
        message = (asked.body or {}).get("message")
        if not message or not message.get("toRecipients"):
            return error(400, "ErrorInvalidRecipients", "At least one recipient isn't valid.")
        if any("@" not in one["emailAddress"]["address"] for one in message["toRecipients"]):
            return error(400, "ErrorInvalidRecipients", "At least one recipient isn't valid.")
        self.sent.append(message)
        return web.Response(status=202)

    def _messages(self, asked: Asked, found: re.Match[str]) -> Answer:
        since = _from(asked.query.get("$filter", ""), "receivedDateTime ge ")
        mails = [one for one in self.inbox if one["receivedDateTime"] >= since]
        token = int(asked.query.get("$deltatoken") or asked.query.get("$skiptoken") or 0)
        mails = self.inbox[token:] if token else mails
        page, rest = mails[:_PAGE], mails[_PAGE:]
        here = f"{self.origin}{asked.path}?"
        if rest:
            at = self.inbox.index(rest[0])
            return given({"value": page, "@odata.nextLink": f"{here}$skiptoken={at}"})
        if found[2]:
            return given({"value": page, "@odata.deltaLink": f"{here}$deltatoken={len(self.inbox)}"})
        return given({"value": page})

    def _event(self, asked: Asked, _found: object) -> Answer:
        if not (asked.body or {}).get("start", {}).get("dateTime"):
            return error(400, "ErrorPropertyValidationFailure", "At least one property failed validation.")
        self.events.append({"id": f"E{len(self.events) + 1}", **asked.body})
        return given(self.events[-1], 201)

    def _chat(self, asked: Asked, _found: object) -> Answer:
        if len((asked.body or {}).get("members", ())) != 2:
            return error(400, "BadRequest", "A one-on-one chat has two members.")
        return given({"id": "19:chat-1@unq.gbl.spaces", "chatType": "oneOnOne"}, 201)

    def _message(self, asked: Asked, _found: object) -> Answer:
        body = asked.body or {}
        if not body.get("body", {}).get("content"):
            return error(400, "BadRequest", "Missing body content.")
        if _dangling(body):
            return error(400, "BadRequest", "The attachments of the message do not fit its body.")
        self.posted.append({"path": asked.path, **body})
        return given({"id": str(len(self.posted)), **body}, 201)


def _dangling(body: dict[str, Any]) -> bool:
    named = re.findall(r'<attachment id="([^"]+)">', body["body"]["content"])
    held: Sequence[str] = [one["id"] for one in body.get("attachments", ())]
    return sorted(named) != sorted(held)


def _from(filtered: str, words: str) -> str:
    return filtered.partition(words)[2].partition(" ")[0].strip("()") if words in filtered else ""
