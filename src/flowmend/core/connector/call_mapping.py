"""A call in its connector's words turned into its service's, and the answer back (`mapping_facts`)."""

from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl, quote, unquote

import msgspec

from flowmend.core.connector.body_kinds import body_of
from flowmend.core.connector.draft import RequestDraft, text_of
from flowmend.core.connector.mapping_facts import AnswerMapping, FirstRequest, RequestMapping
from flowmend.core.connector.operation import Location, Parameter
from flowmend.core.connector.request import HttpRequest, UnbuildableRequest, ValueLookup
from flowmend.core.errors import ExpressionError
from flowmend.core.expression import Budget, to_text
from flowmend.core.expression.bare_scope import BareScope
from flowmend.core.expression.content import decode_body
from flowmend.core.expression.conversion.text import LONGEST_TEXT, too_long, weigh
from flowmend.core.json_value import Json
from flowmend.core.outcome import ErrorDetail

#: The connection's parameters, as Logic Apps names its connections.
_CONNECTION = "$connection"
#: A page of five thousand rows with fifty columns takes about half a million; nothing else runs meanwhile.
_MOST_STEPS = 2_000_000
_LONGEST_CODE = 100
_URL_SAFE = "/%!$&'()*+,;=:?\\-._~"
_FIRST = "$first"
#: Stands for what is asked before, until it is known.
_FIRST_VALUE = "flowmend-first-value-7c1e"
#: The call's own key: a GUID, the same for each attempt of one call and of no other.
_KEY = "$key"


class _CallScope(BareScope):
    """What the expressions of a mapping see: arguments by name, and of an answer its outputs."""

    __slots__ = ("_arguments", "_outputs")
    what = "A connector's mapping"

    def __init__(self, arguments: Mapping[str, Json], outputs: Json = None) -> None:
        self._arguments = arguments
        self._outputs = outputs

    def parameter(self, name: str) -> Json:
        if name not in self._arguments:
            self.refuse(f"parameter '{name}'")
        return self._arguments[name]

    def trigger(self) -> dict[str, Json]:
        return {"name": "", "outputs": self._outputs}


def map_request(
    mapping: RequestMapping,
    parameters: Sequence[Parameter],
    draft: RequestDraft,
    connection_parameters: Mapping[str, Json],
) -> UnbuildableRequest | None:
    """Turn the draft with the operation's arguments in place into the service's own request."""
    try:
        given = _arguments(parameters, draft)
        draft.arguments = given
        scope = _CallScope({**given, _CONNECTION: dict(connection_parameters), _KEY: draft.key, _FIRST: _FIRST_VALUE})
        budget = _budget()
        for that, message in mapping.required:
            if that(scope, budget) is not True:
                return UnbuildableRequest(code="InvalidParameter", message=message)
        if mapping.answer is not None:
            draft.answer = msgspec.json.encode(_bounded(mapping.answer(scope, budget)))
            return None
        chosen = (one for one in mapping.first if one.when is None or one.when(scope, budget) is True)
        if (first := next(chosen, None)) is not None:
            draft.lookups.append(_lookup(first, scope, budget))
        made = {
            name: shape(scope, budget)
            for name in ("method", "path", "queries", "headers", "body")
            if (shape := getattr(mapping, name)) is not None
        }
        _bounded(made)
        _put(made, parameters, draft)
    except ExpressionError as error:
        return UnbuildableRequest(code="InvalidParameter", message=error.message)
    draft.method = str(made.get("method") or draft.method).upper()
    return None


def mapped_answer(
    mapping: AnswerMapping,
    outputs: Mapping[str, Json],
    connection_parameters: Mapping[str, Json],
    arguments: Mapping[str, Json],
) -> Json:
    """The body a flow sees of an answer's outputs. Errors: ExpressionError."""
    if mapping.body is None:
        return outputs.get("body")
    scope = _CallScope({**arguments, _CONNECTION: dict(connection_parameters)}, outputs)
    return _bounded(mapping.body(scope, _budget()))


def said_failure(
    mapping: AnswerMapping,
    outputs: Mapping[str, Json],
    connection_parameters: Mapping[str, Json],
    arguments: Mapping[str, Json],
) -> ErrorDetail | None:
    """What an answer with a good status says went wrong; None where nothing did. Errors: ExpressionError."""
    scope, budget = _CallScope({**arguments, _CONNECTION: dict(connection_parameters)}, outputs), _budget()
    for one in mapping.fails:
        if one.that(scope, budget) is True:
            code = to_text(one.code(scope, budget))[:_LONGEST_CODE] or "Failed"
            message = to_text(one.message(scope, budget))
            return ErrorDetail(code, message or f"The service answered that it failed: {code}.")
    return None


def _lookup(first: FirstRequest, scope: _CallScope, budget: Budget) -> ValueLookup:
    body, content_type = (None, None) if first.body is None else body_of(_bounded(first.body(scope, budget)), ())
    headers = {"Content-Type": content_type} if content_type else {}
    url = "/" + quote(text_of(first.path(scope, budget)).lstrip("/"), safe=_URL_SAFE)
    request = HttpRequest(method=first.method, url=url, headers=headers, body=body)
    return ValueLookup(
        request=request,
        path=first.value,
        name=_FIRST_VALUE,
        is_placeholder=True,
        is_beneath=first.is_beneath,
        is_secret=first.is_secret,
    )


def _put(made: Mapping[str, Json], parameters: Sequence[Parameter], draft: RequestDraft) -> None:
    if "body" in made:
        draft.headers = {name: text for name, text in draft.headers.items() if name.lower() != "content-type"}
        draft.body, content_type = (None, None) if made["body"] is None else body_of(made["body"], ())
        if content_type:
            draft.set_header("Content-Type", content_type)
    if "queries" in made:
        own = {one.name.lower() for one in parameters if one.location is Location.QUERY}
        draft.queries = [pair for pair in draft.queries if pair[0].lower() not in own]
        for name, value in _object(made["queries"]).items():
            draft.set_query(name, text_of(value))
    if "headers" in made:
        own = {one.name.lower() for one in parameters if one.location is Location.HEADER}
        draft.headers = {name: text for name, text in draft.headers.items() if name.lower() not in own}
        for name, value in _object(made["headers"]).items():
            draft.set_header(name, text_of(value))
    if "path" in made:
        path, _, query = text_of(made["path"]).partition("?")
        draft.path = "/" + path.lstrip("/").replace("{", "%7B").replace("}", "%7D")
        draft.path_values = {}
        for name, value in parse_qsl(query, keep_blank_values=True):
            draft.set_query(name, value)


def _arguments(parameters: Sequence[Parameter], draft: RequestDraft) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for one in parameters:
        if one.location is Location.PATH:
            text = unquote(draft.path_values.get(one.name, ""))
            found[one.name] = unquote(text) if one.is_double_encoded else text
        elif one.location is Location.QUERY:
            found[one.name] = draft.query(one.name)
        elif one.location is Location.HEADER:
            found[one.name] = draft.header(one.name)
        elif draft.body is not None:
            found[one.name] = decode_body(draft.header("content-type") or "application/json", draft.body)
    return found


def _budget() -> Budget:
    return Budget(steps=_MOST_STEPS)


def _bounded(value: Json) -> Json:
    """The value, which shares its parts, where it is not too large to be written. Errors: ExpressionError."""
    if weigh(value, LONGEST_TEXT) > LONGEST_TEXT:
        raise too_long()
    return value


def _object(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}
