"""What a flow asks for: the inputs of an approval, read."""

import re
from enum import StrEnum
from urllib.parse import urlsplit

import msgspec

from flowmend.core.json_value import Json

#: What one approves or rejects with.
BASIC_OPTIONS = ("Approve", "Reject")
MOST_APPROVERS = 50
MOST_OPTIONS = 20
LONGEST_TITLE = 1_000
LONGEST_DETAILS = 100_000
_LONGEST_WORD = 200
_LONGEST_LINK = 4_000
_SEPARATORS = re.compile(r"[;,\r\n]+")
#: An address or another name of a person, on one line: it goes into the head of a mail.
_APPROVER = re.compile(r"[^\s<>\"\\\x00-\x1f\x7f]+(?: [^\s<>\"\\\x00-\x1f\x7f]+)*")


class ApprovalType(StrEnum):
    """How answers decide, spelled as flows write it.

    Source: learn.microsoft.com/power-automate/modern-approvals, …/all-assigned-must-approve, …/create-approval-response-options
    """

    BASIC = "Basic"  # approve or reject, the first answer decides
    BASIC_AWAIT_ALL = "BasicAwaitAll"  # everyone must approve, one rejection decides
    CUSTOM = "CustomResponse"  # the flow's own options, the first answer decides
    CUSTOM_AWAIT_ALL = "CustomResponseAwaitAll"  # the flow's own options, everyone answers

    @property
    def is_custom(self) -> bool:
        return self in {ApprovalType.CUSTOM, ApprovalType.CUSTOM_AWAIT_ALL}

    @property
    def awaits_all(self) -> bool:
        return self in {ApprovalType.BASIC_AWAIT_ALL, ApprovalType.CUSTOM_AWAIT_ALL}


class WantedApproval(msgspec.Struct, frozen=True, kw_only=True):
    """An approval as asked for. approvers: as written, each once. options: what one answers with, never empty.

    details: text with Markdown in it, as written. item_link: an http or https address, "" for none.
    """

    type: ApprovalType
    title: str
    approvers: tuple[str, ...]
    details: str = ""
    item_link: str = ""
    item_link_description: str = ""
    requestor: str = ""
    options: tuple[str, ...] = BASIC_OPTIONS
    is_notified: bool = True


class NotAskable(msgspec.Struct, frozen=True):
    """Why nobody can be asked this."""

    code: str
    message: str


def read_wanted(kind: str, body: Json) -> WantedApproval | NotAskable:
    """The approval that the type and the body of a request ask for.

    body: {`title`, `assignedTo`: addresses with `;` between, `details`, `itemLink`, `itemLinkDescription`, `requestor`,
    `responseOptions`, `enableNotifications`}, names compared ignoring case. A link that no browser should follow is left out.
    """
    known = {one.value.lower(): one for one in ApprovalType}
    approval_type = known.get(kind.strip().lower())
    if approval_type is None:
        names = ", ".join(one.value for one in ApprovalType)
        return NotAskable("UnsupportedApprovalType", f"There is no approval of type {kind!r} here. There are: {names}.")
    given = {name.lower(): value for name, value in body.items()} if isinstance(body, dict) else {}
    title = _text(given.get("title")).strip()
    if not title:
        return NotAskable("MissingTitle", "An approval needs a title.")
    approvers = _people(given.get("assignedto"))
    if not approvers:
        return NotAskable("MissingApprover", "An approval must be assigned to somebody ('assignedTo' is empty).")
    if len(approvers) > MOST_APPROVERS:
        return NotAskable("TooManyApprovers", f"An approval is assigned to {MOST_APPROVERS} people at most.")
    wrong = next((one for one in approvers if len(one) > _LONGEST_WORD or not _APPROVER.fullmatch(one)), None)
    if wrong is not None:
        return NotAskable("InvalidApprover", f"{wrong[:_LONGEST_WORD]!r} names no person.")
    options = _options(given.get("responseoptions")) if approval_type.is_custom else BASIC_OPTIONS
    if not options or len(options) > MOST_OPTIONS:
        return NotAskable(
            "InvalidResponseOptions", f"An approval with options of its own needs 1 to {MOST_OPTIONS} of them."
        )
    return WantedApproval(
        type=approval_type,
        title=title[:LONGEST_TITLE],
        approvers=approvers,
        details=_text(given.get("details"))[:LONGEST_DETAILS],
        item_link=_link(given.get("itemlink")),
        item_link_description=_text(given.get("itemlinkdescription"))[:LONGEST_TITLE],
        requestor="; ".join(_people(given.get("requestor")))[:LONGEST_TITLE],
        options=options,
        is_notified=_text(given.get("enablenotifications")).lower() != "false",
    )


def _people(value: Json) -> tuple[str, ...]:
    """Each once, whatever its case, in the order given."""
    texts = value if isinstance(value, list) else [value]
    names = (name.strip() for text in texts for name in _SEPARATORS.split(_text(text)))
    once: dict[str, str] = {}
    for name in names:
        if name:
            once.setdefault(name.lower(), name)
    return tuple(once.values())


def _options(value: Json) -> tuple[str, ...]:
    texts = value if isinstance(value, list) else _text(value).split(";")
    # An outcome that names several answers has commas between them.
    options = (_text(text).strip()[:_LONGEST_WORD] for text in texts)
    return tuple(dict.fromkeys(option for option in options if option))


def _link(value: Json) -> str:
    text = _text(value).strip()
    try:
        scheme = urlsplit(text).scheme.lower()
    except ValueError:
        return ""
    return text if scheme in {"http", "https"} and len(text) <= _LONGEST_LINK and text.isprintable() else ""


def _text(value: Json) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
