"""Policies: what a connector changes about a request before it goes out.

One function per template; a new template is one function and one line in the table.
Source: learn.microsoft.com/connectors/custom-connectors/policy-templates
"""

import re
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, quote, urlsplit

from flowmend.core.connector.draft import RequestDraft, text_of
from flowmend.core.connector.operation import Connector, Policy
from flowmend.core.connector.request import UnbuildableRequest, origin_of
from flowmend.core.json_value import Json

_REFERENCE = re.compile(
    r"@(?P<source>connectionParameters|queryParameters|headers?)"
    r"\(\s*'(?P<name>[^']*)'\s*(?:,\s*'(?P<default>[^']*)'\s*)?\)",
    re.IGNORECASE,
)
_UNKNOWN_REFERENCE = re.compile(r"@(body|item|triggerBody|lower|\w+)\(", re.IGNORECASE)
_ORIGINAL_METHOD = "@request.originalhttpmethod"
_DOUBLED_SCHEME = re.compile(r"^https?://(?=https?://)", re.IGNORECASE)
#: Do nothing to the single call: they say how to ask again.
_PASSIVE = frozenset({"updatenextlink", "pollingtrigger"})

Refusal = UnbuildableRequest | None


def is_supported(template: str) -> bool:
    """Whether a template (lower case) does what it says here."""
    return template in _TEMPLATES


def blocks(template: str) -> bool:
    """Whether an operation under this unsupported template would send or give something else than meant."""
    return template not in _TEMPLATES and template not in _PASSIVE


def apply_policies(
    connector: Connector, operation_id: str, draft: RequestDraft, connection_parameters: Mapping[str, Json]
) -> Refusal:
    """Let every request policy that concerns the operation change the draft, in the order declared.

    connection_parameters: secrets among them, since real connectors build headers from those.
    """
    for policy in connector.policies:
        if policy.is_for_response or not policy.concerns(operation_id):
            continue
        change = _TEMPLATES.get(policy.template)
        if change is None:
            continue
        refusal = change(policy, draft, connection_parameters)
        if refusal is not None:
            return refusal
    return None


def host_of(policy: Policy, connection_parameters: Mapping[str, Json]) -> str:
    """The base URL a `dynamichosturl` policy gives these parameters; "" where that depends on the single request."""
    template = text_of(policy.parameters.get("urltemplate", ""))
    draft = RequestDraft(method="", base_url="", path="")
    if any(found["source"].lower() != "connectionparameters" for found in _REFERENCE.finditer(template)):
        return ""
    return _checked_base(_expand(template, draft, connection_parameters))


def _set_host(policy: Policy, draft: RequestDraft, connection_parameters: Mapping[str, Json]) -> Refusal:
    template = text_of(policy.parameters.get("urltemplate", ""))
    base_url = _checked_base(_expand(template, draft, connection_parameters))
    if not base_url:
        return UnbuildableRequest(
            code="InvalidHost",
            message="The connection's parameters give no valid host for this connector. Check the address they hold.",
        )
    draft.base_url = base_url
    return None


def _set_header(policy: Policy, draft: RequestDraft, connection_parameters: Mapping[str, Json]) -> Refusal:
    return _set(policy, draft, connection_parameters, current=draft.header, put=draft.set_header)


def _set_query(policy: Policy, draft: RequestDraft, connection_parameters: Mapping[str, Json]) -> Refusal:
    return _set(policy, draft, connection_parameters, current=draft.query, put=draft.set_query)


def _set(
    policy: Policy,
    draft: RequestDraft,
    connection_parameters: Mapping[str, Json],
    *,
    current: Callable[[str], str | None],
    put: Callable[[str, str], None],
) -> Refusal:
    name = text_of(policy.parameters.get("name", ""))
    template = text_of(policy.parameters.get("value", ""))
    if _UNKNOWN_REFERENCE.search(_REFERENCE.sub("", template)):
        return UnbuildableRequest(
            code="UnsupportedPolicy",
            message=f"The policy that sets '{name}' holds an expression that is not supported.",
        )
    value = _expand(template, draft, connection_parameters)
    if not name or not value:
        return None
    action = str(policy.parameters.get("existsaction", "override")).lower()
    existing = current(name)
    if existing is None or action == "override":
        put(name, value)
    elif action == "append":
        put(name, f"{existing},{value}")
    return None


def _route(policy: Policy, draft: RequestDraft, connection_parameters: Mapping[str, Json]) -> Refusal:
    template = text_of(policy.parameters.get("newpath", ""))
    if template:
        path, _, query = template.partition("?")
        draft_path = _expand(path, draft, connection_parameters, encode=lambda value: quote(value, safe=""))
        extra = parse_qsl(
            _expand(query, draft, connection_parameters, encode=lambda value: quote(value, safe="")),
            keep_blank_values=True,
        )
        draft.path = draft_path if draft_path.startswith("/") else f"/{draft_path}"
        for name, value in extra:
            draft.set_query(name, value)
    method = text_of(policy.parameters.get("httpmethod", ""))
    if method and method.lower() != _ORIGINAL_METHOD:
        draft.method = method.upper()
    return None


_TEMPLATES: Mapping[str, Callable[[Policy, RequestDraft, Mapping[str, Json]], Refusal]] = {
    "dynamichosturl": _set_host,
    "setheader": _set_header,
    "setqueryparameter": _set_query,
    "routerequesttoendpoint": _route,
}


def _expand(
    template: str,
    draft: RequestDraft,
    connection_parameters: Mapping[str, Json],
    *,
    encode: Callable[[str], str] = str,
) -> str:
    """The template with its references replaced; one without value or default becomes nothing."""

    def value_of(found: re.Match[str]) -> str:
        source, name = found["source"].lower(), found["name"]
        value: Json
        if source == "connectionparameters":
            value = _parameter(connection_parameters, name)
        elif source == "queryparameters":
            value = draft.query(name)
        else:
            value = draft.header(name)
        if value is None or value == "":
            value = found["default"] or ""
        return encode(text_of(value))

    return _REFERENCE.sub(value_of, template)


def _parameter(parameters: Mapping[str, Json], name: str) -> Json:
    if name in parameters:
        return parameters[name]
    wanted = name.lower()
    return next((value for key, value in parameters.items() if key.lower() == wanted), None)


def _checked_base(url: str) -> str:
    url = _DOUBLED_SCHEME.sub("", url.strip())
    if "://" not in url:
        url = f"https://{url}"
    url = url.rstrip("/")
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    if not origin_of(url) or parts.query or parts.fragment or "@" in parts.netloc:
        return ""
    if any(character in url for character in '\\ \r\n\t\0<>"{}|^`'):
        return ""
    return url
