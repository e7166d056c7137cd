"""The `authentication` that HTTP steps write out themselves, from which a connection is made when a flow comes in.

Where its values are fixed before any run, by texts and parameters, it is one: a flow's mapping names the connection by
a key made of what is written. Where they come with a run, such as a password fetched by an earlier action, there is
nothing to keep, and the step signs in by what its run computes.

Source: wdl.md §4, row Http; learn.microsoft.com/azure/connectors/connectors-native-http
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from flowmend.core.checking.declared_addresses import declared_address
from flowmend.core.checking.expressions import is_template_expression
from flowmend.core.connector.http_action import called_url
from flowmend.core.connector.request import origin_of
from flowmend.core.definition.flow import Action, Flow, Packaging, Trigger
from flowmend.core.definition.json_pointer import pointer_to
from flowmend.core.definition.parameters_alone import MissingValue, ParametersAlone
from flowmend.core.errors import ExpressionError
from flowmend.core.expression import FUNCTIONS, Template, compile_template, to_text
from flowmend.core.expression.functions.function import Kind, Refers
from flowmend.core.expression.interpolation import ExpressionText, read_template
from flowmend.core.expression.parsing import parse
from flowmend.core.expression.syntax import Call, Literal
from flowmend.core.json_value import Json

#: What the keys begin with by which a flow's mapping names the connection of an authentication written in it.
EMBEDDED = "embedded:"
#: Fields of an authentication that are secret.
SECRET_FIELDS = frozenset({"password", "value", "secret", "pfx"})
#: The steps that call an address and may sign in there by themselves, in canonical spelling.
HTTP_TYPES = frozenset({"Http", "HttpWebhook", "Function", "ApiManagement"})

_WHO = "A connection"
_PARTS = ("", "subscribe", "unsubscribe")
_DIGITS = 16
_TO_ITS_PATH = re.compile(r"[A-Za-z]+://[^/?#]+[/?#]")
# By kind in lower case: its own spelling, and its fields.
_KINDS: Mapping[str, tuple[str, tuple[str, ...]]] = MappingProxyType(
    {
        "basic": ("Basic", ("username", "password")),
        "raw": ("Raw", ("value",)),
        "clientcertificate": ("ClientCertificate", ("pfx", "password")),
        "activedirectoryoauth": (
            "ActiveDirectoryOAuth",
            ("authority", "tenant", "audience", "clientId", "secret", "pfx", "password"),
        ),
        "managedserviceidentity": ("ManagedServiceIdentity", ("audience", "identity")),
    }
)
#: The kinds of authentication that Flowmend signs in by, in lower case.
KNOWN_KINDS = frozenset(_KINDS) | {"none"}


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineAuthentication:
    """An authentication as a step writes it. part: `subscribe` or `unsubscribe` of a webhook, else "".

    kind: as written, "" where an expression gives it. uri: where the step calls, as written. key: under which a flow's
    mapping names its connection, "" where its values come with a run.
    """

    step: str
    part: str
    pointer: str
    kind: str
    key: str
    written: Json = field(repr=False)
    uri: Json = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledAuthentication:
    """What an authentication comes to by a flow's parameters. kind: in its own spelling. fields: those that are written.

    missing: `{field: parameter}` of those whose parameter has no value. hidden: the fields that are not to be shown, by
    what they are or because the flow keeps their parameter secret.
    """

    kind: str
    fields: Mapping[str, str] = field(repr=False)
    missing: Mapping[str, str]
    hidden: frozenset[str]

    @property
    def shown(self) -> dict[str, str]:
        """The fields that are no secrets."""
        return {name: text for name, text in self.fields.items() if name not in self.hidden}


def inline_authentications(flow: Flow) -> Iterator[InlineAuthentication]:
    """Each authentication that a step of the flow writes out, in document order; those of type None are none."""
    steps: tuple[Action | Trigger, ...] = (*flow.definition.triggers.values(), *flow.definition.walk())
    for step in steps:
        if step.type not in HTTP_TYPES or not isinstance(step.inputs, Mapping):
            continue
        declared = declared_address(flow, step)
        for part in _PARTS:
            holder = step.inputs.get(part) if part else step.inputs
            written = holder.get("authentication") if isinstance(holder, Mapping) else None
            named = _named(written, "type")
            kind = named if isinstance(named, str) and "@" not in named else ""
            if not isinstance(holder, Mapping) or not written or kind.lower() == "none":
                continue
            place = pointer_to(step.pointer, "inputs", *((part,) if part else ()))
            yield InlineAuthentication(
                step=step.name,
                part=part,
                pointer=pointer_to(place, "authentication"),
                kind=kind,
                key="" if awaits_template(flow, written) else embedded_key(written),
                written=written,
                uri=holder.get("uri") if declared is None else declared.address,
            )


def embedded_key(written: Json) -> str:
    """The key for an authentication as it is written, "" where its values come with a run."""
    try:
        template = compile_template(written)
    except ExpressionError:
        return ""
    if not _is_settled(template):
        return ""
    text = json.dumps(_canonical(written), sort_keys=True, separators=(",", ":"))
    return EMBEDDED + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]


def settled_authentication(flow: Flow, inline: InlineAuthentication) -> SettledAuthentication | None:
    """What an authentication comes to; None where it is of no kind Flowmend knows, or does not compute.

    flow: with its values, secret ones too.
    """
    scope = _scope(flow)
    secret = {name.lower() for name, one in flow.definition.parameters.items() if one.is_secret}

    def is_secret(template: Template) -> bool:
        return any(name.lower() in secret for name in template.references.parameters)

    fields: dict[str, str] = {}
    missing: dict[str, str] = {}
    hidden = set(SECRET_FIELDS)
    try:
        whole = compile_template(inline.written) if isinstance(inline.written, str) else None
        written = whole.evaluate(scope) if whole is not None else inline.written
        named = _named(written, "type")
        kind = _KINDS.get(to_text(named if whole else compile_template(named).evaluate(scope)).lower())
        if kind is None:
            return None
        for name in kind[1]:
            value = _named(written, name)
            template = whole or compile_template(value)
            if is_secret(template):
                hidden.add(name)
            try:
                # What a parameter holds is never evaluated, as in a run.
                text = to_text(value if whole else template.evaluate(scope)) if value is not None else ""
            except MissingValue as error:
                missing[name] = error.name
            else:
                if text:
                    fields[name] = text
    except ExpressionError:
        return None
    return SettledAuthentication(kind=kind[0], fields=fields, missing=missing, hidden=frozenset(hidden))


def evaluated_authentication(authentication: Json) -> SettledAuthentication | None:
    """What an authentication comes to that a run has evaluated; None where it is of no kind Flowmend knows."""
    kind = _KINDS.get(to_text(_named(authentication, "type")).lower())
    if kind is None:
        return None
    values = {name: to_text(_named(authentication, name)) for name in kind[1]}
    fields = {name: text for name, text in values.items() if text}
    return SettledAuthentication(kind=kind[0], fields=fields, missing={}, hidden=SECRET_FIELDS)


def parameters_of(inline: InlineAuthentication) -> frozenset[str]:
    """The names, in lower case, of the parameters that the secrets of an authentication are read from."""
    secret = [value for name in SECRET_FIELDS if (value := _named(inline.written, name)) is not None]
    try:
        template = compile_template(secret if isinstance(inline.written, Mapping) else inline.written)
    except ExpressionError:
        return frozenset()
    return frozenset(name.lower() for name in template.references.parameters)


def origin_called(flow: Flow, uri: Json) -> str:
    """The origin of an address as it is written, as far as it is fixed before any run; "" where a run decides."""
    if not isinstance(uri, str):
        return ""
    scope = _scope(flow)
    try:
        template = read_template(uri)
        pieces = (template,) if isinstance(template, str | ExpressionText) else template.pieces
        begin = ""
        for piece in _joined(pieces):
            if isinstance(piece, str):
                begin += piece
                continue
            part = compile_template(f"@{piece.text}")
            if not _is_settled(part):
                found = _TO_ITS_PATH.match(begin)
                return _origin(found[0]) if found else ""
            begin += to_text(part.evaluate(scope))
    except ExpressionError:
        return ""
    return _origin(begin)


def _joined(pieces: Iterable[str | ExpressionText]) -> Iterator[str | ExpressionText]:
    """The pieces with what `concat` joins in the place of each call of it. Errors: ExpressionError."""
    for piece in pieces:
        node = parse(piece.text) if isinstance(piece, ExpressionText) else None
        if isinstance(piece, str) or not isinstance(node, Call) or node.name.lower() != "concat" or node.hops:
            yield piece
            continue
        for one in node.arguments:
            if isinstance(one, Literal) and isinstance(one.value, str):
                yield one.value
            else:
                yield from _joined([ExpressionText(piece.text[one.start : one.end])])


def _origin(address: str) -> str:
    url = called_url(address, {})
    return origin_of(url) if isinstance(url, str) else ""


def _is_settled(template: Template) -> bool:
    """Whether a value is the same in every run: made of texts, parameters, and what functions make of them alone."""
    for name in template.references.functions:
        function = FUNCTIONS.get(name.lower())
        if function is None or (function.kind is Kind.SCOPED and function.refers is not Refers.PARAMETER):
            return False
    return True


def awaits_template(flow: Flow, written: Json) -> bool:
    """Whether a deployment template is still to fill in a part of an authentication."""
    texts = written.values() if isinstance(written, Mapping) else (written,)
    is_template = flow.packaging is Packaging.ARM
    return is_template and any(isinstance(text, str) and is_template_expression(text) for text in texts)


def _scope(flow: Flow) -> ParametersAlone:
    declared = flow.definition.parameters
    have = {name.lower() for name in flow.parameter_values}
    values = {name: parameter.default for name, parameter in declared.items()} | dict(flow.parameter_values)
    unknown = [name for name, one in declared.items() if not one.has_default and name.lower() not in have]
    return ParametersAlone(_WHO, values, unknown)


def _canonical(written: Json) -> Json:
    if not isinstance(written, Mapping):
        return written
    folded = {str(name).lower(): value for name, value in written.items()}
    return {**folded, "type": str(folded["type"]).lower()} if "type" in folded else folded


def _named(written: Json, name: str) -> Json:
    """A field, by its name ignoring case."""
    if not isinstance(written, Mapping):
        return None
    if name in written:
        return written[name]
    return next((value for key, value in written.items() if str(key).lower() == name.lower()), None)
