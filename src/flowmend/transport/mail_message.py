"""A mail of an operation's arguments: its header, body and attachments as bytes, and whom it goes to.

Source: RFC 5322 (messages), RFC 6531 and 6532 (addresses and headers beyond ASCII), RFC 5890 (names of hosts).
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Mapping, Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from email.parser import BytesHeaderParser
from email.policy import SMTP, SMTPUTF8, compat32
from email.utils import formatdate, getaddresses

import msgspec

from flowmend.core.expression.content import is_envelope, media_type
from flowmend.core.json_value import Json
from flowmend.transport.operation_arguments import BadArgument, content, flag, needed_text, text

_MOST_RECIPIENTS = 500
_LARGEST_BYTES = 35 * 1024 * 1024
_LONGEST_ADDRESS = 254  # RFC 3696, erratum 1690
#: What ends a line somewhere, U+2028 and U+2029 among it: the library takes those for line breaks of a header.
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LOCAL_PART = re.compile(r"[^\s@<>()\[\],;:\\\"\x00-\x20\x7f]{1,64}")
_MEDIA_TYPE = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")
_PRIORITIES = {"low": "5", "normal": "3", "high": "1"}


class OutgoingMail(msgspec.Struct, frozen=True, kw_only=True):
    """sender, recipients: addresses for the envelope. is_utf8: one of them needs SMTPUTF8. data: header and body."""

    sender: str
    recipients: tuple[str, ...]
    message_id: str
    is_utf8: bool
    data: bytes


def outgoing_mail(asked: Mapping[str, Json], *, user: str, key: str) -> OutgoingMail:
    """The mail these arguments mean. user: whose mailbox it is sent from, the sender where none is named.

    key: of the call; the Message-ID is made of it, so a mail that is sent again is recognised as the same one.
    Beside what flows give: `PlainBody`, the text of an HTML mail; `InReplyToKey`, the key of an earlier mail of this sender;
    `IsAutomatic`, which keeps programs from answering (RFC 3834 §5). Errors: BadArgument.
    """
    sender = _sender(asked, user)
    people = {field: _addresses(asked, field) for field in ("To", "CC", "BCC", "ReplyTo")}
    recipients = tuple(dict.fromkeys(one.addr_spec for field in ("To", "CC", "BCC") for one in people[field]))
    if not recipients:
        raise BadArgument("The mail has no recipient: 'To', 'CC' and 'BCC' are empty.", "MissingParameter")
    if len(recipients) > _MOST_RECIPIENTS:
        raise BadArgument(f"A mail may go to {_MOST_RECIPIENTS} recipients at most, not {len(recipients)}.")
    every = (sender, *(one for group in people.values() for one in group))
    is_utf8 = not all(one.addr_spec.isascii() for one in every)
    policy = SMTPUTF8 if is_utf8 else SMTP
    message_id = _message_id(key, sender)
    message = EmailMessage(policy=policy)
    answered = text(asked, "InReplyToKey")
    if answered:
        message["In-Reply-To"] = message["References"] = _message_id(answered, sender)
    try:
        data = _written(asked, sender, people, message_id, message)
    except BadArgument:
        raise
    except ValueError as error:  # of the library: a lone surrogate, say
        raise BadArgument("The mail holds characters that no mail can carry.") from error
    if len(data) > _LARGEST_BYTES:
        raise BadArgument(f"The mail is larger than {_LARGEST_BYTES} bytes.", "RequestEntityTooLarge")
    return OutgoingMail(
        sender=sender.addr_spec, recipients=recipients, message_id=message_id, is_utf8=is_utf8, data=data
    )


def is_mail_address(written: str) -> bool:
    """Whether it is one address that mail can go to, and nothing besides."""
    try:
        found = _addresses({"To": written}, "To") if len(written) <= _LONGEST_ADDRESS else ()
    except BadArgument:
        return False
    # A group (`name: a@b;`) or a comment would be read as the address within.
    return len(found) == 1 and not found[0].display_name and found[0].username == written.rpartition("@")[0]


def _message_id(key: str, sender: Address) -> str:
    return f"<{hashlib.sha256(key.encode()).hexdigest()[:40]}@{sender.domain}>"


def _written(
    asked: Mapping[str, Json],
    sender: Address,
    people: Mapping[str, Sequence[Address]],
    message_id: str,
    message: EmailMessage,
) -> bytes:
    """Header and body. message: without body. Errors: BadArgument, ValueError."""
    message["From"] = sender
    for header, field in (("To", "To"), ("Cc", "CC"), ("Reply-To", "ReplyTo")):
        if people[field]:
            message[header] = people[field]
    message["Subject"] = _one_line(asked, "Subject")
    message["Date"] = formatdate(usegmt=True)
    message["Message-ID"] = message_id
    _set_importance(message, text(asked, "Importance"))
    if flag(asked, "IsAutomatic"):
        message["Auto-Submitted"] = "auto-generated"
    subtype = "html" if flag(asked, "IsHtml", default=True) else "plain"
    plain = text(asked, "PlainBody")
    if plain:
        message.set_content(plain, charset="utf-8")
        message.add_alternative(text(asked, "Body"), subtype=subtype, charset="utf-8")
    else:
        message.set_content(text(asked, "Body"), subtype=subtype, charset="utf-8")
    for one in _attachments(asked):
        _attach(message, one)
    data = message.as_bytes(policy=message.policy)
    _refuse_hidden_lines(message, data)
    return data


def _refuse_hidden_lines(message: EmailMessage, data: bytes) -> None:
    """The library reads `=?utf-8?q?a=0ABcc:_b?=` as what it means, and writes its line break as one, also where the header's
    text does not show it. data: as it would be sent. Errors: BadArgument.
    """
    written = BytesHeaderParser(policy=compat32).parsebytes(data.partition(b"\r\n\r\n")[0])
    values = (str(value) for part in message.walk() for value in part.values())
    if written.keys() != message.keys() or any(_CONTROL.search(value) for value in values):
        raise BadArgument("A header of the mail must not hold line breaks or control characters.")


def _sender(asked: Mapping[str, Json], user: str) -> Address:
    named = _addresses(asked, "From")
    if len(named) > 1:
        raise BadArgument("'From' must be one address.")
    if named:
        return named[0]
    if "@" not in user:
        raise BadArgument("'From' has no value, and the connection's user name is no mail address.", "MissingParameter")
    return _address("", user, "From")


def _addresses(asked: Mapping[str, Json], field: str) -> tuple[Address, ...]:
    """Addresses parted by `;` or `,`, or a list of them."""
    value = asked.get(field)
    parts: Sequence[Json] = value if isinstance(value, list) else text(asked, field).split(";")
    found = []
    for part in parts:
        if not isinstance(part, str):
            raise BadArgument(f"'{field}' must hold mail addresses.")
        if _CONTROL.search(part.strip()):
            raise BadArgument(f"'{field}' must not hold line breaks or control characters.")
        if part.strip():
            found += [_address(name, address, field) for name, address in getaddresses([part.strip(" ,")])]
    return tuple(found)


def _address(name: str, address: str, field: str) -> Address:
    local, at, domain = address.strip().rpartition("@")
    try:
        ascii_domain = domain.encode("idna").decode() if not domain.isascii() else domain
    except UnicodeError:
        ascii_domain = ""
    if not at or not _LOCAL_PART.fullmatch(local) or not re.fullmatch(r"[A-Za-z0-9.\-\[\]:]{1,253}", ascii_domain):
        raise BadArgument(f"'{field}' holds something that is no mail address.", "InvalidAddress")
    return Address(display_name=name, username=local, domain=ascii_domain)


def _one_line(asked: Mapping[str, Json], name: str) -> str:
    found = text(asked, name).strip()  # an expression's text often ends in a line break
    if _CONTROL.search(found):
        raise BadArgument(f"'{name}' must be one line.")
    return found


def _set_importance(message: EmailMessage, importance: str) -> None:
    if not importance:
        return
    priority = _PRIORITIES.get(importance.lower())
    if priority is None:
        raise BadArgument(f"'Importance' must be Low, Normal or High, not {importance!r}.")
    message["Importance"] = importance.capitalize()
    message["X-Priority"] = priority


def _attachments(asked: Mapping[str, Json]) -> list[Mapping[str, Json]]:
    value = asked.get("Attachments")
    if value is None or value == "":
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise BadArgument("'Attachments' must be a list of objects with 'Name' and 'ContentBytes'.")
    return value


def _attach(message: EmailMessage, asked: Mapping[str, Json]) -> None:
    """One attachment, named as either of the mail connectors that flows use names its fields."""
    name_field = "Name" if "Name" in asked else "FileName"
    name = _one_line(asked, name_field) or needed_text(asked, name_field)
    data, kind = _attached_bytes(
        next((asked[field] for field in ("ContentBytes", "ContentData") if field in asked), "")
    )
    kind = media_type(text(asked, "ContentType")) or kind
    if not _MEDIA_TYPE.fullmatch(kind):
        raise BadArgument(f"'ContentType' of the attachment {name!r} is no media type.")
    main, _, sub = kind.partition("/")
    if main in {"multipart", "message"}:  # those would be read as parts of this message
        main, sub = "application", "octet-stream"
    message.add_attachment(data, maintype=main, subtype=sub, filename=name)


def _attached_bytes(value: Json) -> tuple[bytes, str]:
    """A content's bytes, or those of base64 text, and their media type."""
    if is_envelope(value):
        data, kind = content(value, "ContentBytes")
        return data, media_type(kind)
    try:
        return base64.b64decode(str(value), validate=True), "application/octet-stream"
    except (binascii.Error, ValueError) as error:
        raise BadArgument("'ContentBytes' of an attachment must be base64.") from error
