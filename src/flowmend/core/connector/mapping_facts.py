"""An operation that its service knows in other words: its request and its answer, described by the connector's data.

Flows call an operation by the path and the parameters they were written with; `x-flowmend-request` says what the service's
public API is asked for that, and `x-flowmend-response` how its answer reads to the flow. Both are shapes (`shapes`).

    "x-flowmend-request": {
      "method": "POST", "path": "/v1.0/me/sendMail",     the path may hold a query
      "queries": {…}, "headers": {…},      in place of the operation's own; null leaves one out; others stay
      "body": {…},                         null sends none; without the key the body goes as the flow gave it
      "require": [{"that": "@…", "message": "…"}],       else nothing is sent, and this is the reason
      "first": {"method": "POST", "path": …, "body": …, "value": "id"},   asked before; of its answer the value there
                                           ("beneath": true: an object that the body is laid upon; "when": "@…";
                                           several in a list: the one whose "when" is true; "secret": true: the value is kept
                                           out of the history, as a token is)
      "answer": {…}                        nothing is sent: this is the answer's body
    },
    "x-flowmend-response": {
      "body": {…},                         what the flow sees; without the key the answer as it is
      "status": [200],                     of good answers, or of those with these statuses alone
      "fails": [{"that": "@…", "code": "@…", "message": "…"}]   a good status that is a failure all the same: the first true
    }

A request's expressions see `parameters('name')`, each parameter of the operation as its value whatever the spelling of the
call, null where none was given; `parameters('$connection')`, the connection's parameters; and `parameters('$key')`, a GUID
that is the call's own, the same for its every attempt. `parameters('$first')` is what was asked before, in a path or a body.
Those of a response see `triggerOutputs()`, the answer `{statusCode, headers, body}`, `triggerBody()`, and the parameters of
operation and connection. There is no clock and no chance.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flowmend.core.connector.shapes import Shape, compile_shape
from flowmend.core.json_value import Json

_READS = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstRequest:
    """A request whose answer another one needs. value: steps to it in the answer's body. is_beneath: it is an object on which
    the other request's body is laid, property by property; lists are joined. when: whether it is asked, None for always.
    is_secret: the value must not come back into the history.
    """

    method: str
    path: Shape
    body: Shape | None
    value: tuple[str | int, ...]
    is_beneath: bool = False
    is_secret: bool = False
    when: Shape | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestMapping:
    """body, queries, headers: None where the operation's own go out. answer: None where something is sent. is_read:
    None where the operation's own method says it.
    """

    method: Shape | None = None
    is_read: bool | None = None
    path: Shape | None = None
    queries: Shape | None = None
    headers: Shape | None = None
    body: Shape | None = None
    first: tuple[FirstRequest, ...] = ()
    answer: Shape | None = None
    required: tuple[tuple[Shape, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SaidFailure:
    """An answer that says in its body that it is none. code: of the failure, as the service names it."""

    that: Shape
    code: Shape
    message: Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerMapping:
    """body: None where the answer stays as it is. statuses: which answers it is for, empty for every good one."""

    body: Shape | None
    statuses: frozenset[int] = frozenset()
    fails: tuple[SaidFailure, ...] = ()

    def concerns(self, status: Json) -> bool:
        return isinstance(status, int) and (status in self.statuses if self.statuses else 200 <= status < 300)


def read_request_mapping(node: Json) -> RequestMapping | None:
    """The mapping of an operation's node, None where it has none. Errors: ExpressionError."""
    declared = node.get("x-flowmend-request") if isinstance(node, Mapping) else None
    if not isinstance(declared, Mapping):
        return None
    return RequestMapping(
        method=_shape(declared, "method"),
        is_read=_is_read(declared),
        path=_shape(declared, "path"),
        queries=_shape(declared, "queries"),
        headers=_shape(declared, "headers"),
        body=_shape(declared, "body"),
        first=tuple(_first(one) for one in _list(declared.get("first")) if isinstance(one, Mapping)),
        answer=_shape(declared, "answer"),
        required=tuple(
            (compile_shape(one.get("that")), str(one.get("message") or "The request is not complete."))
            for one in _list(declared.get("require"))
            if isinstance(one, Mapping)
        ),
    )


def read_answer_mapping(node: Json) -> AnswerMapping | None:
    """As `read_request_mapping`, of the answer."""
    declared = node.get("x-flowmend-response") if isinstance(node, Mapping) else None
    if not isinstance(declared, Mapping):
        return None
    statuses = frozenset(one for one in _list(declared.get("status")) if isinstance(one, int))
    fails = tuple(
        SaidFailure(
            that=compile_shape(one.get("that")),
            code=compile_shape(one.get("code", "")),
            message=compile_shape(one.get("message", "")),
        )
        for one in _list(declared.get("fails"))
        if isinstance(one, Mapping)
    )
    return AnswerMapping(body=_shape(declared, "body"), statuses=statuses, fails=fails)


def _shape(declared: Mapping[str, Json], name: str) -> Shape | None:
    return compile_shape(declared[name]) if name in declared else None


def _list(declared: Json) -> Sequence[Json]:
    return declared if isinstance(declared, list) else [declared]


def _first(declared: Mapping[str, Json]) -> FirstRequest:
    return FirstRequest(
        method=str(declared.get("method") or "GET").upper(),
        path=compile_shape(declared.get("path")),
        body=_shape(declared, "body"),
        value=tuple(
            int(step) if step.isdecimal() else step for step in str(declared.get("value") or "").split("/") if step
        ),
        is_beneath=declared.get("beneath") is True,
        is_secret=declared.get("secret") is True,
        when=_shape(declared, "when"),
    )


def _is_read(declared: Mapping[str, Json]) -> bool | None:
    if "answer" in declared:
        return True
    method = declared.get("method")
    return str(method).upper() in _READS if method else None
