"""What the IMAP connector does in a mailbox that is open, with the standard library's client.

A mail is named by the folder's UIDVALIDITY and its UID, `1700000000.42`: together they never mean another mail.
Source: RFC 9051 (IMAP4rev2), RFC 3501 §5.1.3 (names of folders), RFC 6851 (MOVE), RFC 4315 (UID EXPUNGE).
"""

import base64
import imaplib
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from flowmend.core.connector.protocol_call import CURSOR, FROM, ProtocolAnswer
from flowmend.core.json_value import Json
from flowmend.transport.mail_reading import read_mail, written
from flowmend.transport.operation_arguments import BadArgument, flag, needed_text, number, refuse, text
from flowmend.transport.sql_values import moment_of

#: A larger mail comes without its body, and says so.
_LARGEST_MAIL = 15 * 1024 * 1024
#: An answer that holds more ends before the next mail.
_LARGEST_ANSWER = 30 * 1024 * 1024
_MAILS_OF_A_POLL = 25
_MAILS_FOUND = 50
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_UID = re.compile(rb"\bUID (\d+)")
_FLAGS = re.compile(rb"\bFLAGS \(([^)]*)\)")
_RECEIVED = re.compile(rb'\bINTERNALDATE "([^"]+)"')
_SIZE = re.compile(rb"\bRFC822\.SIZE (\d+)")
_CODE = re.compile(r"\[([A-Z][A-Z0-9-]*)")
#: Response codes of RFC 5530 → what HTTP would say.
_STATUSES = {"NONEXISTENT": 404, "TRYCREATE": 404, "NOPERM": 403, "OVERQUOTA": 413, "LIMIT": 429, "ALREADYEXISTS": 409}
_STATUSES |= dict.fromkeys(("UNAVAILABLE", "INUSE", "SERVERBUG"), 503)


def perform_imap(client: imaplib.IMAP4, operation_id: str, arguments: Mapping[str, Json]) -> ProtocolAnswer:
    """Errors: BadArgument, Refused; what the client raises."""
    changes = operation_id in {"MoveEmail", "MarkEmail", "DeleteEmail"}
    box = _Mailbox(client, text(arguments, "folder", "INBOX"), is_read=not changes)
    if operation_id == "OnNewEmail":
        return _new_mails(box, arguments)
    if operation_id == "SearchEmails":
        return _search(box, arguments)
    uid = box.uid_of(needed_text(arguments, "id"))
    if operation_id == "GetEmail":
        return ProtocolAnswer(body=box.mail(uid, with_attachments=flag(arguments, "includeAttachments", default=True)))
    if operation_id == "MarkEmail":
        sign = "+" if flag(arguments, "isRead", default=True) else "-"
        box.tell("STORE", str(uid), f"{sign}FLAGS.SILENT", r"(\Seen)")
    elif operation_id == "MoveEmail":
        box.move(uid, needed_text(arguments, "toFolder"))
    else:
        box.tell("STORE", str(uid), "+FLAGS.SILENT", r"(\Deleted)")
        box.expunge(uid)
    return ProtocolAnswer(body={"id": box.name_of(uid)})


class _Mailbox:
    """One folder, selected."""

    def __init__(self, client: imaplib.IMAP4, folder: str, *, is_read: bool) -> None:
        self._client = client
        self.folder = folder
        # Of a folder that is not there servers mostly say so without a code.
        _checked(client.select(_quoted(client, folder), readonly=is_read), without_code=(404, "NONEXISTENT"))
        self.validity = self._said("UIDVALIDITY")
        self.next_uid = self._said("UIDNEXT")

    def _said(self, name: str) -> int:
        _, told = self._client.response(name)
        return int(told[-1]) if told and told[-1] else 0

    def name_of(self, uid: int) -> str:
        return f"{self.validity}.{uid}"

    def uid_of(self, name: str) -> int:
        """Errors: BadArgument; Refused where the mail is not there."""
        validity, _, uid = name.partition(".")
        if not validity.isdecimal() or not uid.isdecimal():
            raise BadArgument("'id' must be one that the mail connector gave.")
        if int(validity) != self.validity or not self.search("UID", uid):
            refuse("imap", 404, "EmailNotFound", f"There is no such mail in the folder {self.folder!r}.")
        return int(uid)

    def search(self, *criteria: str, literal: bytes | None = None) -> list[int]:
        if literal is not None:
            self._client.literal = literal  # type: ignore[assignment]  # the library's way to send one, declared as text
            criteria = ("CHARSET", "UTF-8", *criteria)
        found = self.tell("SEARCH", *criteria)
        return sorted(int(one) for line in found if line for one in line.split())

    def tell(self, command: str, *arguments: str) -> list[Any]:
        return _checked(self._client.uid(command, *arguments))

    def headers(self, uids: list[int]) -> dict[int, dict[str, Json]]:
        """What can be said of mails without their bodies; one that is gone meanwhile is left out."""
        if not uids:
            return {}
        fetched = self.tell("FETCH", ",".join(map(str, uids)), "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[HEADER])")
        return dict(self._described(facts, data) for facts, data in _pairs(fetched) if _UID.search(facts))

    def mail(self, uid: int, *, with_attachments: bool) -> dict[str, Json]:
        """The whole of it; of one that is too large only what its header says."""
        described = self.headers([uid]).get(uid)
        if described is None:
            refuse("imap", 404, "EmailNotFound", f"There is no such mail in the folder {self.folder!r}.")
        if described["isTruncated"]:
            return described
        parts = [data for _, data in _pairs(self.tell("FETCH", str(uid), "(UID BODY.PEEK[])"))]
        return {**described, **read_mail(parts[0], with_attachments=with_attachments)} if parts else described

    def _described(self, facts: bytes, data: bytes) -> tuple[int, dict[str, Json]]:
        uid, size = int(_found(_UID, facts, b"0")), int(_found(_SIZE, facts, b"0"))
        header = read_mail(data, with_attachments=False)
        return uid, {
            "id": self.name_of(uid),
            "folder": self.folder,
            "receivedDateTime": _received(facts),
            "isRead": rb"\Seen" in _found(_FLAGS, facts, b""),
            "size": size,
            "isTruncated": size > _LARGEST_MAIL,
            **header,
        }

    def _offers(self, capability: str) -> bool:
        """Asked anew: what a server offers before somebody signed in, which the client keeps, is less."""
        found = _checked(self._client.capability())
        return capability.encode() in b" ".join(one for one in found if one).upper().split()

    def move(self, uid: int, to: str) -> None:
        folder = _quoted(self._client, to)
        if self._offers("MOVE"):
            self.tell("MOVE", str(uid), folder)
            return
        self.tell("COPY", str(uid), folder)
        self.tell("STORE", str(uid), "+FLAGS.SILENT", r"(\Deleted)")
        self.expunge(uid)

    def expunge(self, uid: int) -> None:
        """Without UIDPLUS the mail stays marked as deleted: EXPUNGE would take what others marked along."""
        if self._offers("UIDPLUS"):
            self.tell("EXPUNGE", str(uid))


def _new_mails(box: _Mailbox, arguments: Mapping[str, Json]) -> ProtocolAnswer:
    """Mails whose UID is larger than every one before.

    At the first look, and where the folder was made anew and its UIDs say nothing any more, what came after the trigger began
    or the last mail seen is told by its time.
    cursor: {"validity", "uid": all up to it is done with, "latest": when the last one came, "floor": older ones are old}
    """
    cursor = arguments.get(CURSOR)
    if not isinstance(cursor, dict):
        cursor = _first_cursor(box, text(arguments, FROM))
    low, latest, floor = int(cursor.get("uid") or 0), str(cursor.get("latest") or ""), str(cursor.get("floor") or "")
    if cursor.get("validity") != box.validity:
        low, floor = 0, latest or text(arguments, FROM)
    most = number(arguments, "top", _MAILS_OF_A_POLL, most=250)
    beyond = [uid for uid in box.search("UID", f"{low + 1}:*") if uid > low]
    described, size, found = box.headers(beyond[:most]), 0, []
    for uid in beyond[:most]:
        one = described.get(uid)
        received = str(one["receivedDateTime"] or "") if one is not None else ""
        if one is not None and not (floor and received <= floor):
            if _is_wanted(one, arguments):
                if size and size + int(one["size"]) > _LARGEST_ANSWER:
                    break
                size += int(one["size"])
                found.append(box.mail(uid, with_attachments=flag(arguments, "includeAttachments")))
            latest = max(latest, received)
        low = uid
    has_more = bool(beyond) and low < beyond[-1]
    after = {"validity": box.validity, "uid": low, "latest": latest, "floor": floor if has_more else ""}
    return ProtocolAnswer(body={"value": found}, cursor=after, has_more=has_more)


def _first_cursor(box: _Mailbox, start: str) -> dict[str, Json]:
    """From the first mail of that day on; the days of servers have zones of their own."""
    uid = max(box.next_uid - 1, 0)
    if start:
        day = _search_date(moment_of(start, FROM) - timedelta(days=1))
        uid = min((one - 1 for one in box.search("SINCE", day)), default=uid)
    return {"validity": box.validity, "uid": uid, "floor": start}


def _is_wanted(mail: Mapping[str, Json], arguments: Mapping[str, Json]) -> bool:
    if flag(arguments, "unreadOnly") and mail["isRead"]:
        return False
    wanted = ((name, text(arguments, name).lower()) for name in ("subject", "from", "to"))
    return all(part in str(mail[name]).lower() for name, part in wanted)


def _search(box: _Mailbox, arguments: Mapping[str, Json]) -> ProtocolAnswer:
    """The newest first."""
    criteria, literal = ["UNSEEN"] if flag(arguments, "unreadOnly") else ["ALL"], None
    for name, key in (("since", "SINCE"), ("before", "BEFORE")):
        if text(arguments, name):
            criteria += [key, _search_date(moment_of(arguments[name], name))]
    last: list[str] = []
    for name, key in (("subject", "SUBJECT"), ("from", "FROM"), ("to", "TO"), ("text", "TEXT")):
        part = text(arguments, name)
        if _CONTROL.search(part):
            raise BadArgument(f"'{name}' must be one line.")
        if part and part.isascii():
            criteria += [key, '"' + part.replace("\\", "\\\\").replace('"', '\\"') + '"']
        elif part and last:
            raise BadArgument("Only one of the texts sought may hold characters beyond ASCII.")
        elif part:
            last, literal = [key], part.encode()
    most = number(arguments, "top", _MAILS_FOUND, most=500)
    found = box.search(*criteria, *last, literal=literal)
    newest = found[-most:]
    described = box.headers(newest)
    mails = [described[uid] for uid in reversed(newest) if uid in described]
    return ProtocolAnswer(body={"value": mails, "isTruncated": len(found) > len(newest)})


_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _search_date(moment: datetime) -> str:
    return f"{moment.day}-{_MONTHS[moment.month - 1]}-{moment.year}"


def _quoted(client: imaplib.IMAP4, folder: str) -> str:
    """A folder's name in modified UTF-7, as a quoted string. Errors: BadArgument."""
    if not folder or _CONTROL.search(folder):
        raise BadArgument("The name of a folder must be one line.")
    pieces = []
    for piece in re.findall(r"[\x20-\x7e]+|[^\x20-\x7e]+", folder):
        if piece.isascii():
            pieces.append(piece.replace("&", "&-"))
        else:
            encoded = base64.b64encode(piece.encode("utf-16-be", "replace")).decode().rstrip("=").replace("/", ",")
            pieces.append(f"&{encoded}-")
    return str(client._quote("".join(pieces)))  # noqa: SLF001


def _checked(answer: tuple[str, list[Any]], without_code: tuple[int, str] = (400, "NO")) -> list[Any]:
    """What was answered. without_code: (status, code) of a refusal that gives none. Errors: Refused."""
    kind, data = answer
    if kind != "OK":
        said = b" ".join(one for one in data if isinstance(one, bytes)).decode("utf-8", "replace")
        code = _CODE.search(said)
        status = _STATUSES.get(code[1], 400) if code is not None else without_code[0]
        refuse("imap", status, code[1] if code is not None else without_code[1], said)
    return data


def _pairs(fetched: list[Any]) -> list[tuple[bytes, bytes]]:
    """(what is said of it, its literal) for each mail; some servers say a part of it after the literal."""
    found: list[tuple[bytes, bytes]] = []
    for item in fetched:
        if isinstance(item, tuple):
            found.append((item[0], item[1]))
        elif isinstance(item, bytes) and found:
            found[-1] = (found[-1][0] + b" " + item, found[-1][1])
    return found


def _found(pattern: re.Pattern[bytes], facts: bytes, default: bytes) -> bytes:
    found = pattern.search(facts)
    return found[1] if found is not None else default


def _received(facts: bytes) -> str | None:
    said = _found(_RECEIVED, facts, b"").decode("ascii", "replace").strip().replace("-", " ", 2)
    try:
        return written(parsedate_to_datetime(said))
    except (ValueError, TypeError):
        return None
