"""Takes secrets out of texts and answers before anybody reads or keeps them.

Known secrets go in every form a service may echo them in: plain, percent-encoded, base64, escaped for JSON or
HTML. Secret-looking fields go from messages, whatever they hold; answers keep theirs, because a flow may need
the token it asked for.
"""

import base64
import contextlib
import html
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

import msgspec

from flowmend.core.connector import HttpResponse
from flowmend.core.json_value import Json

MARK = "*sanitized*"
#: Of an answer, in what a verification, test or repair link shows.
MOST_CHARACTERS = 300
_OTHER_MARKS = ("***", "…", "[…]", "")
_MOST_PASSES = 20
_SENSITIVE = (
    r"(?:pass(?:word|wd)?|pwd|secret|client[_-]?secret|(?:access|refresh|id|auth)[_-]?token|token|api[_-]?key|"
    r"subscription[_-]?key|authorization|assertion|code_verifier|signature|sig|cookie|set-cookie)"
)
#: Each with a sign that every text holds which it matches: most texts need no search.
_FIELDS = (
    ('"', re.compile(rf'("{_SENSITIVE}"\s*:\s*")(?:[^"\\]|\\.)*"?', re.IGNORECASE)),
    ("=", re.compile(rf"(\b{_SENSITIVE}=)[^&\s;,\"']+", re.IGNORECASE)),
    (":", re.compile(r"(\b(?:authorization|cookie|set-cookie)\s*:\s*)[^\r\n]+", re.IGNORECASE)),
    # A word alone is none: "Basic authentication is off" is to be read.
    ("", re.compile(r"(\b(?:basic|bearer)\s+)(?=[A-Za-z.-]*[0-9+/_~=])[A-Za-z0-9+/._~=-]{8,}", re.IGNORECASE)),
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """The text without these secrets and without the values of secret-looking fields, for messages."""
    for sign, field in _FIELDS:
        if sign in text:
            text = field.sub(lambda found: found[1] + MARK, text)
    return Redactor(secrets).text(text)


def shortened(text: str) -> str:
    """A service's own words as far as people need them: one that tests a credential must not become a way to read pages."""
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - 1] + "…"


class Redactor:
    """Knows some secrets in all their forms; made once per credential, used for every call."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = tuple(secrets)
        forms = {form for secret in self._secrets if secret for form in _forms(secret)}
        self._forms = tuple(sorted(forms, key=len, reverse=True))
        self._bytes = tuple(form.encode("utf-8", "surrogatepass") for form in self._forms)
        self._mark = next((mark for mark in (MARK, *_OTHER_MARKS) if not self._is_in(mark)), "")

    def __repr__(self) -> str:
        return f"Redactor({len(self._forms)} forms)"

    def also(self, secrets: Iterable[str]) -> "Redactor":
        """One that knows these secrets besides."""
        return Redactor((*self._secrets, *secrets))

    def text(self, text: str) -> str:
        """The text without any of the secrets."""
        for _ in range(_MOST_PASSES):  # what stood before and after a secret may form one anew
            if not self._is_in(text):
                return text
            for form in self._forms:
                text = text.replace(form, self._mark)
        return self._mark

    def json(self, value: Json) -> Json:
        """The value without any of the secrets, in keys and numbers too; the same object where there are none."""
        if not self._forms or not self._is_in_json(value):
            return value
        return self._cleaned(value)

    def answer(self, answer: HttpResponse) -> HttpResponse:
        """The answer without any of the secrets in headers or body bytes; the same object where there are none."""
        if not self._forms:
            return answer
        # One look through all of them: no secret in the joined text is none in any value.
        headers_hold = self._is_in("\n".join(answer.headers.values()))
        body_holds = any(form in answer.body for form in self._bytes)
        if not headers_hold and not body_holds:
            return answer
        body = answer.body
        if body_holds:
            for form in self._bytes:
                body = body.replace(form, self._mark.encode())
        return HttpResponse(
            status=answer.status,
            headers={name: self.text(text) for name, text in answer.headers.items()},
            body=body,
        )

    def _is_in(self, text: str) -> bool:
        return any(form in text for form in self._forms)

    def _is_in_json(self, value: Json) -> bool:
        """Whether the value's JSON text holds a form, or an escape that could hide one."""
        try:
            encoded = msgspec.json.encode(value)
        except (UnicodeEncodeError, TypeError, ValueError):
            return True
        return any(form in encoded for form in self._bytes)

    def _cleaned(self, value: Json) -> Json:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(name): self._cleaned(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self._cleaned(item) for item in value]
        if isinstance(value, int | float) and not isinstance(value, bool) and self._is_in(str(value)):
            return self._mark
        return value


def _forms(secret: str) -> set[str]:
    escaped = secret.encode("utf-8", "surrogatepass")
    forms = {
        secret,
        quote(escaped, safe=""),
        quote(escaped, safe="/"),
        quote_plus(escaped),
        html.escape(secret),
        html.escape(secret, quote=False),
        base64.b64encode(escaped).decode("ascii"),
        base64.urlsafe_b64encode(escaped).decode("ascii").rstrip("="),
    }
    with contextlib.suppress(UnicodeEncodeError):  # a lone surrogate has no JSON form
        forms.add(msgspec.json.encode(secret).decode()[1:-1])
    forms.update({form.lower() for form in forms if "%" in form and form != secret})
    return {form for form in forms if form}
