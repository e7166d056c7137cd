"""A mail as it lies in a mailbox to JSON: whom it is from, its body, and its attachments as contents.

Anybody can send anything: what does not read is shown as it stands, and all of it is bounded.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from email.message import EmailMessage, Message
from email.parser import BytesHeaderParser, BytesParser
from email.policy import EmailPolicy
from email.utils import getaddresses, parsedate_to_datetime

from flowmend.core.expression.content import envelope
from flowmend.core.json_value import Json

_MOST_PARTS = 200
_LONGEST_BODY = 1024 * 1024
_LONGEST_HEADER = 20_000
#: Of a header that says what a part is. Each part has some, and they are read several times.
_LONGEST_CONTENT_HEADER = 2_000
#: The parser looks at each line once for every multipart around it.
_MOST_MULTIPARTS = 100
_LONGEST_PREVIEW = 255
#: RecursionError: parts in parts and comments in comments, some hundred deep.
_UNREADABLE = (ValueError, LookupError, AttributeError, TypeError, IndexError, AssertionError, RecursionError)


class _Bounded(EmailPolicy):
    """Cuts a header before it is read, which takes the library the square of its length: minutes, for one of a megabyte."""

    def header_fetch_parse(self, name: str, value: str) -> str:
        is_of_content = name.lower().startswith("content-")
        longest = _LONGEST_CONTENT_HEADER if is_of_content else _LONGEST_HEADER
        return str(super().header_fetch_parse(name, value[:longest]))


_POLICY = _Bounded()


def read_mail(data: bytes, *, with_attachments: bool) -> dict[str, Json]:
    """data: header and body, or the header alone. with_attachments: their contents too, not only their names.

    Of a mail whose body does not read there is what its header says.
    """
    message: Message = BytesHeaderParser(EmailMessage, policy=_POLICY).parsebytes(data)
    body, is_html, attachments = "", False, list[Json]()
    try:
        if data.lower().count(b"boundary=") <= _MOST_MULTIPARTS:
            message = BytesParser(EmailMessage, policy=_POLICY).parsebytes(data)
            body, is_html, attachments = _parts(message, with_attachments=with_attachments)
    except _UNREADABLE:
        attachments = []
    return {
        "internetMessageId": _header(message, "Message-ID").strip(),
        "subject": _header(message, "Subject"),
        "from": _people(message, "From"),
        "to": _people(message, "To"),
        "cc": _people(message, "Cc"),
        "replyTo": _people(message, "Reply-To"),
        "sentDateTime": _sent_at(message),
        "importance": _importance(message),
        "body": body,
        "isHtml": is_html,
        "bodyPreview": "" if is_html else " ".join(body[: _LONGEST_PREVIEW * 4].split())[:_LONGEST_PREVIEW],
        "hasAttachments": bool(attachments),
        "attachments": attachments,
    }


def _parts(message: Message, *, with_attachments: bool) -> tuple[str, bool, list[Json]]:
    """(body, whether it is HTML, attachments)."""
    body, is_html, attachments = "", False, list[Json]()
    for at, part in enumerate(_leaves(message)):
        if at >= _MOST_PARTS:
            break
        kind = part.get_content_type()
        is_text = kind in {"text/plain", "text/html"} and not _file_name(part)
        if (
            is_text
            and part.get_content_disposition() != "attachment"
            and (not body or (kind == "text/html" and not is_html))
        ):
            body, is_html = _text_of(part)[:_LONGEST_BODY], kind == "text/html"
        elif not is_text or part.get_content_disposition() == "attachment":
            attachments.append(_attachment(part, with_content=with_attachments))
    return body, is_html, attachments


def _leaves(message: Message) -> Iterator[Message]:
    """Every part that holds something itself; a forwarded mail is one."""
    if message.get_content_maintype() == "multipart" and isinstance(message.get_payload(), list):
        for part in message.get_payload():
            if isinstance(part, Message):
                yield from _leaves(part)
    else:
        yield message


def _text_of(part: Message) -> str:
    data = part.get_payload(decode=True)
    if not isinstance(data, bytes):
        return str(part.get_payload())
    data = data.replace(b"\r\n", b"\n")
    try:
        return data.decode(part.get_content_charset("utf-8"), "replace")
    except (LookupError, ValueError):
        return data.decode("latin-1")


def _attachment(part: Message, *, with_content: bool) -> dict[str, Json]:
    kind = part.get_content_type()
    if kind == "message/rfc822" and isinstance(part.get_payload(), list):
        inner = part.get_payload()
        data = inner[0].as_bytes() if isinstance(inner, list) and isinstance(inner[0], Message) else b""
    else:
        payload = part.get_payload(decode=True)
        data = payload if isinstance(payload, bytes) else b""
    found: dict[str, Json] = {
        "name": _file_name(part),
        "contentType": kind,
        "size": len(data),
        "isInline": part.get_content_disposition() == "inline",
        "contentId": _header(part, "Content-ID").strip("<> "),
    }
    if with_content:
        found["contentBytes"] = envelope(kind, data)
    return found


def _file_name(part: Message) -> str:
    try:
        return " ".join(str(part.get_filename() or "").split())
    except _UNREADABLE:
        return ""


def _header(message: Message, name: str) -> str:
    try:
        return str(message.get(name, ""))[:_LONGEST_HEADER]
    except _UNREADABLE:  # the header does not read; as it stands it is better than nothing
        return next(
            (str(text)[:_LONGEST_HEADER] for key, text in message.raw_items() if key.lower() == name.lower()), ""
        )


def _people(message: Message, name: str) -> str:
    """Addresses parted by `; `, as flows write them to a mail's recipients."""
    try:
        found = getaddresses([_header(message, name)])
    except RecursionError:
        return ""
    return "; ".join(address for _, address in found if address)


def _sent_at(message: Message) -> str | None:
    try:
        sent = parsedate_to_datetime(_header(message, "Date"))
    except _UNREADABLE:
        return None
    return written(sent if sent.tzinfo is not None else sent.replace(tzinfo=UTC))


def written(moment: datetime) -> str:
    """An aware time as ISO 8601 in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _importance(message: Message) -> str:
    said = (_header(message, "Importance") or _header(message, "X-Priority")).strip().lower()
    if said.startswith(("high", "1", "2")):
        return "high"
    return "low" if said.startswith(("low", "4", "5")) else "normal"
