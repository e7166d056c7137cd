"""What an answer says, in the form that rules are matched against: codes, headers and text."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from flowmend.core.connection.received import Phase, ReceivedAnswer
from flowmend.core.connection.sign_in_pages import signs_of_sign_in
from flowmend.core.json_value import Json

_LONGEST_BODY = 20_000
_LONGEST_TEXT = 6_000
_MOST_CODES = 60
_DEEPEST = 8
#: Fields that hold codes, without `_` and `-`, lower case.
_CODE_KEYS = frozenset(
    [
        "code",
        "error",
        "errorcode",
        "errorcodes",
        "status",
        "reason",
        "type",
        "category",
        "suberror",
        "faultcode",
        "errorsubcode",
        "subcode",
        "declinecode",
        "title",
        "detail",
        "name",
        "errorname",
        "errortype",
        "exceptioncode",
        "exception",
        "errcode",
        "errno",
        "key",
        "errorid",
        "errorkey",
        "messagecode",
        "reasoncode",
        "resultcode",
        "value",
        "extendederrorcode",
        "statustext",
        "message",
        "description",
        "errormessage",
        "cause",
        "tag",
        "errorsubtype",
        "serviceerrorcode",
        "oauthproblem",
        "errorsummary",
        "errordescription",
    ]
)
_MESSAGE_KEYS = (
    "error_description", "message", "errormessage", "errorsummary", "errmsg", "msg", "description", "detail", "details",
    "summary", "title", "error", "error_message", "faultstring", "fault", "text", "reason", "errors", "response", "data",
)  # fmt: skip
_CODE_SHAPE = re.compile(r"[\w.#:/+-]{1,120}")
_HAS_LETTER = re.compile(r"[a-z]")
_NOT_PLAIN = re.compile(r"[^0-9a-z]")
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[_.:#/\s-]+")
#: Codes within sentences: shouted or camel words, hexadecimal and prefixed numbers, SQLSTATE, enhanced status codes.
_CODE_IN_TEXT = re.compile(
    r"\b(?:[A-Z][A-Z0-9]*(?:[_-][A-Z0-9]+)+|[A-Z]{2,}-?\d{3,}[A-Z]?|0x[0-9A-Fa-f]{6,8}|[A-Z]{5,}|(?:[A-Z][a-z]+){2,}\d*"
    r"|[0-9][0-9A-Z]{4}|\d{3,8}|[245]\.\d{1,3}\.\d{1,3})\b"
)
_CODE_IN_MESSAGE = re.compile(r"\b(?:[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|AADSTS\d{5,8}|0x[0-9A-Fa-f]{8}|\w+Exception)\b")
_QUOTED = re.compile(r"\"[^\"\n]{0,200}\"|(?<!\w)'[^'\n]{0,200}'|`[^`\n]{0,200}`")
_CHALLENGE_PART = re.compile(r'\b(error|error_code|error_description)\s*=\s*(?:"([^"]*)"|([^\s,;]+))', re.IGNORECASE)
_XML_LEAF = re.compile(r"<(?:[\w.-]+:)?([\w.-]+)(?:\s[^<>]*)?>([^<>]+)</")
_XML_CODE = re.compile(r"\bcode=[\"']([\w.:-]{1,60})[\"']", re.IGNORECASE)
#: What is never closed goes to the end, as in a browser; else each of a thousand openings would be searched to the end.
_MARKUP = re.compile(
    r"<(?:script|style)\b.*?(?:</(?:script|style)>|\Z)|<!--.*?(?:-->|\Z)|<[^<>]*>", re.DOTALL | re.IGNORECASE
)
#: Headers that hold a code of the service.
_CODE_HEADERS = ("x-ms-error-code", "x-amzn-errortype", "x-seraph-loginreason", "x-error-code", "grpc-status-details")
#: The fields of an answer that is nothing but an error, whatever its status says.
_ERROR_KEYS = frozenset(
    [
        "error",
        "errordescription",
        "erroruri",
        "errorcode",
        "errorcodes",
        "errormessage",
        "errors",
        "message",
        "msg",
        "code",
        "status",
        "statuscode",
        "detail",
        "details",
        "success",
        "ok",
        "timestamp",
        "path",
        "requestid",
        "traceid",
        "correlationid",
        "data",
        "jsonrpc",
        "id",
        "type",
        "title",
        "info",
        "errcode",
        "errmsg",
        "result",
        "reason",
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """codes: plain, the outer and earlier first. shown_code, message: as received. text: all sentences, lower case.

    headers: names in lower case. is_fault: a SOAP fault, the one refusal that comes as a 500.
    """

    codes: tuple[str, ...] = ()
    shown_code: str = ""
    message: str = ""
    text: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    is_fault: bool = False


def plain_code(code: str) -> str:
    """A code as it is compared: case, namespaces and separators do not count (`wsse:Token_Expired` is `tokenexpired`)."""
    lowered = code.rpartition("#")[2].rpartition(":")[2].rstrip("/").rpartition("/")[2].lower()
    return _NOT_PLAIN.sub("", lowered) if _HAS_LETTER.search(lowered) else lowered.strip("._-+ ")


def evidence_of(answer: ReceivedAnswer) -> Evidence:
    """What the answer says. A success that names no failure of its own says nothing but what sort of page it is."""
    body = answer.body[:_LONGEST_BODY]
    if answer.status is None:
        return _text_evidence(answer, body)
    headers = {name.lower(): value for name, value in answer.headers.items()}
    document = _read(body, headers, answer.phase)
    signs = signs_of_sign_in(answer.status, headers, body)
    if answer.status < 300 and not may_hide_a_refusal(document, answer.phase):
        return Evidence(codes=tuple(map(plain_code, signs)), headers=headers)
    is_markup = document is None and body.lstrip().startswith("<")
    is_page = is_markup and "<html" in body[:2000].lower()
    leaves = [(name, text.strip()) for name, text in _XML_LEAF.findall(body)] if is_markup and not is_page else []
    found = [headers[name] for name in _CODE_HEADERS if name in headers]
    found += _codes(document)
    found += [text for name, text in leaves if _is_code(name, text)]
    found += _XML_CODE.findall(body) if leaves else []
    sentences = list(_sentences(document)) if document is not None else [text for _, text in leaves]
    if not sentences and document is None:
        sentences = [" ".join(_MARKUP.sub(" ", body).split())]
    for name, quoted, bare in _CHALLENGE_PART.findall(headers.get("www-authenticate", "")):
        (sentences if name.lower() == "error_description" else found).append(quoted or bare)
    found += (code for sentence in sentences for code in _CODE_IN_MESSAGE.findall(sentence))
    found = [code for code in dict.fromkeys(found) if _CODE_SHAPE.fullmatch(code)][:_MOST_CODES]
    message = _message(document) if document is not None else ""
    if not message and not is_page:
        message = next((text for text in sentences if " " in text), sentences[0] if sentences else "")
    return Evidence(
        codes=tuple(dict.fromkeys(map(plain_code, (*found, *signs)))),
        shown_code=next((code for code in found if not code.isdecimal()), ""),
        message=" ".join(message.split()),
        text=_as_text((*sentences, *map(_words, found))),
        headers=headers,
        is_fault=any(mark in body for mark in ("faultcode>", ":Fault>", "<Fault>", ":Fault ", "<Fault ")),
    )


def may_hide_a_refusal(document: Json, phase: Phase = Phase.API_CALL) -> bool:
    """Whether a document that came with a good status says in its own error field that the call failed.

    A word within a payload is no failure: the error must be the document's own, with nothing else delivered.
    """
    if not isinstance(document, dict):
        return False
    if phase is Phase.TOKEN_ENDPOINT:
        return "error" in document and not document.get("access_token")
    fields = {_plain_key(name): value for name, value in document.items() if isinstance(name, str)}
    if fields.get("ok") is False or fields.get("success") is False:
        return True
    if fields.get("errors") and isinstance(fields["errors"], list):
        return not fields.get("data") or not any(fields["data"].values() if isinstance(fields["data"], dict) else ())
    names_one = fields.get("error") or fields.get("errcode") or fields.get("errorcode")
    return bool(names_one) and isinstance(names_one, str | dict | int) and fields.keys() <= _ERROR_KEYS


def _text_evidence(answer: ReceivedAnswer, body: str) -> Evidence:
    unquoted = _QUOTED.sub(" ", body)
    found = list(dict.fromkeys(filter(None, (answer.failure_code, *_CODE_IN_TEXT.findall(unquoted)))))[:_MOST_CODES]
    return Evidence(
        codes=tuple(dict.fromkeys(map(plain_code, found))),
        shown_code=next((code for code in found if not code.isalpha() or not code.isupper()), ""),
        message=" ".join(body.split()),
        text=_as_text((body,)),
    )


def _read(body: str, headers: Mapping[str, str], phase: Phase) -> Json:
    start = body.lstrip()[:1]
    if start in {"{", "["}:
        try:
            return msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError):
            return None
    is_form = "x-www-form-urlencoded" in headers.get("content-type", "") or phase is Phase.TOKEN_ENDPOINT
    if (is_form and "error=" in body and "<" not in body) or body.startswith("oauth_problem="):
        return dict(parse_qsl(body.strip(), max_num_fields=100)) if body.count("&") < 100 else None
    return None


def _plain_key(name: str) -> str:
    return _NOT_PLAIN.sub("", name.lower())


def _is_code(name: str, value: str) -> bool:
    return _plain_key(name) in _CODE_KEYS and bool(_CODE_SHAPE.fullmatch(value))


def _codes(document: Json, depth: int = 0) -> Iterator[str]:
    """Code-like values, outer and earlier ones first."""
    if depth > _DEEPEST:
        return
    if isinstance(document, list):
        for item in document[:20]:
            yield from _codes(item, depth + 1)
        return
    if not isinstance(document, dict):
        return
    for name, value in document.items():
        if _plain_key(name) not in _CODE_KEYS:
            continue
        for one in value[:5] if isinstance(value, list) else (value,):
            if isinstance(one, str) and _CODE_SHAPE.fullmatch(one):
                yield one
            elif isinstance(one, int) and not isinstance(one, bool):
                yield str(one)
    for value in document.values():
        yield from _codes(value, depth + 1)


def _sentences(document: Json, depth: int = 0) -> Iterator[str]:
    """Everything an error says, but addresses of documentation."""
    if isinstance(document, str):
        if document and not document.startswith(("http://", "https://")):
            yield document
    elif depth <= _DEEPEST and isinstance(document, dict | list):
        for value in document.values() if isinstance(document, dict) else document[:20]:
            yield from _sentences(value, depth + 1)


def _message(document: Json, depth: int = 0) -> str:
    """The sentence an answer gives, however deep: the first of the usual fields."""
    if isinstance(document, str):
        return document
    if isinstance(document, list):
        return next((text for item in document[:5] if (text := _message(item, depth + 1))), "")
    if not isinstance(document, dict) or depth > _DEEPEST:
        return ""
    by_name: dict[str, Any] = {str(name).lower(): value for name, value in document.items()}
    for name in _MESSAGE_KEYS:
        if name in by_name and (text := _message(by_name[name], depth + 1)):
            return text
    return ""


def _words(code: str) -> str:
    """A code as words, so that phrases hold for codes nobody listed: `apiKeyExpired` is `api key expired`."""
    return " ".join(_WORD_START.sub(" ", code).split())


def _as_text(sentences: tuple[str, ...]) -> bytes:
    """One line per sentence, lower case, plain apostrophes."""
    lines = (" ".join(sentence.split()) for sentence in sentences)
    text = "\n".join(dict.fromkeys(lines))[:_LONGEST_TEXT]
    return text.lower().replace("’", "'").encode("utf-8", "replace")
