"""Policies: what a connector changes about a request before it goes out, and about its answer.

One function per template; a new template is one function and one line in the table. Those that change a JSON body are
the same on both ways (`body_policies`).
Source: learn.microsoft.com/connectors/custom-connectors/policy-templates
"""

import re
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from flowmend.core.connector.body_policies import changed_body, changes_body
from flowmend.core.connector.draft import RequestDraft, text_of
from flowmend.core.connector.operation import Connector, Policy
from flowmend.core.connector.policy_expressions import (
    PolicyScope,
    depends_on_call,
    fill,
    is_understood,
    path_of,
    says_nothing,
)
from flowmend.core.connector.request import HttpRequest, UnbuildableRequest, ValueLookup, origin_of
from flowmend.core.json_value import Json

_ORIGINAL_METHOD = "@request.originalhttpmethod"
_DOUBLED_SCHEME = re.compile(r"^https?://(?=https?://)", re.IGNORECASE)
_LOOKED_UP = re.compile(r"^\s*@(?P<kind>headers?|queryParameters)\(\s*'(?P<name>[^']+)'\s*\)\s*$", re.IGNORECASE)
#: Say how to ask again, or what an answer means; nothing of a request is changed by them.
_PASSIVE = frozenset({"updatenextlink", "pollingtrigger", "setconnectionstatustounauthenticated"})
#: Whose values are evaluated over the last answer, by the polling of triggers.
_EVALUATED_ELSEWHERE = frozenset({"pollingtrigger"})
_HOST_TEMPLATES = frozenset({"dynamichosturl", "dynamicsubdomain"})

Refusal = UnbuildableRequest | None


def is_supported(policy: Policy) -> bool:
    """Whether a policy does what it says here."""
    if policy.template in _PASSIVE:
        return policy.template in _EVALUATED_ELSEWHERE or all(is_understood(one) for one in policy.parameters.values())
    is_known = policy.template in _TEMPLATES or changes_body(policy.template)
    if policy.is_for_response:
        is_known = policy.template == "setheader" or changes_body(policy.template)
    if policy.template == "setvaluefromurl" and not _LOOKED_UP.match(str(policy.parameters.get("parametertemplate"))):
        return False
    return is_known and all(is_understood(one) for one in policy.parameters.values())


def apply_policies(
    connector: Connector, operation_id: str, draft: RequestDraft, connection_parameters: Mapping[str, Json]
) -> Refusal:
    """Let every request policy that concerns the operation change the draft, in the order declared.

    connection_parameters: secrets among them, since real connectors build headers from those.
    """
    draft.original_method = draft.method
    for policy in connector.policies:
        if policy.is_for_response or not policy.concerns(operation_id):
            continue
        if changes_body(policy.template):
            content = draft.content()
            changed = changed_body(policy, content, _scope(draft, connection_parameters, content))
            if changed != content:
                draft.set_content(changed)
            continue
        change = _TEMPLATES.get(policy.template)
        refusal = change(policy, draft, connection_parameters) if change is not None else None
        if refusal is not None:
            return refusal
    return None


def hosts_of(connector: Connector, connection_parameters: Mapping[str, Json]) -> list[str]:
    """The base URLs a connector's requests go to with these parameters, as far as the single call decides nothing."""
    policies = [policy for policy in connector.policies if not policy.is_for_response]
    hosts = [policy for policy in policies if policy.template in _HOST_TEMPLATES]
    found = [_host_of(policy, connection_parameters, connector.base_url) for policy in hosts]
    found += [_lookup_host(policy) for policy in policies if policy.template == "setvaluefromurl"]
    if not any(not policy.operations for policy in hosts):
        found.append(connector.base_url)
    return found


def _host_of(policy: Policy, connection_parameters: Mapping[str, Json], base_url: str) -> str:
    template = _host_template(policy, base_url)
    if depends_on_call(template):
        return ""
    return _checked_base(fill(template, PolicyScope(connection_parameters=connection_parameters)))


def _host_template(policy: Policy, base_url: str) -> str:
    """Of `dynamicsubdomain`, which is published nowhere: a host where it reads as one, else the host's first label."""
    template = text_of(policy.parameters.get("urltemplate") or "")
    if template or policy.template != "dynamicsubdomain":
        return template
    label = next((text for text in policy.parameters.values() if isinstance(text, str) and text), "")
    scheme, _, host = base_url.partition("://")
    return label if "://" in label else f"{scheme}://{label}.{host.partition('.')[2]}"


def _lookup_host(policy: Policy) -> str:
    url = text_of(policy.parameters.get("parametervalueurl") or "")
    return "" if depends_on_call(url) or "://" not in url else url.partition("?")[0]


def _set_host(policy: Policy, draft: RequestDraft, connection_parameters: Mapping[str, Json]) -> Refusal:
    template = _host_template(policy, draft.base_url)
    base_url = _checked_base(fill(template, _scope(draft, connection_parameters)))
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
    name = unquote(text_of(policy.parameters.get("name", "")))  # `%24top` is meant as `$top`
    template = text_of(policy.parameters.get("value", ""))
    scope = _scope(draft, connection_parameters, draft.content())
    value = fill(template, scope)
    if not name or not value or says_nothing(template, scope):
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
        scope = _scope(draft, connection_parameters, draft.content())
        path, _, query = template.partition("?")
        draft_path = fill(path, scope, encode=_encoded)
        draft.path = draft_path if draft_path.startswith("/") else f"/{draft_path}"
        for name, value in parse_qsl(fill(query, scope, encode=_encoded), keep_blank_values=True):
            draft.set_query(name, value)
    method = text_of(policy.parameters.get("httpmethod", ""))
    if method and method.lower() != _ORIGINAL_METHOD:
        draft.method = method.upper()
    return None


def _look_up(policy: Policy, draft: RequestDraft, connection_parameters: Mapping[str, Json]) -> Refusal:
    """Note that a value is to be asked for. Its URL is relative to the host, or another of the same kind."""
    wanted = _LOOKED_UP.match(text_of(policy.parameters.get("parametertemplate", "")))
    template = text_of(policy.parameters.get("parametervalueurl", ""))
    url = fill(template, _scope(draft, connection_parameters, draft.content()), encode=_encoded)
    for name, value in draft.path_values.items():
        url = url.replace("{" + name + "}", value)
    if "://" not in url:
        url = f"{draft.base_url}/{url.lstrip('/')}"
    if wanted is None or not origin_of(url) or "{" in url:
        return UnbuildableRequest(code="InvalidHost", message="The address to ask for a value at is not valid.")
    _, path = path_of(policy.parameters.get("parametervaluepathtemplate"))
    method = text_of(policy.parameters.get("httpmethod") or "GET").upper()
    request = HttpRequest(method=method, url=url, headers=_without_body(draft.headers))
    is_query = wanted["kind"].lower() == "queryparameters"
    is_of_call = depends_on_call(template) or "{" in template or wanted["name"].lower().startswith("if-")
    draft.lookups.append(
        ValueLookup(request=request, path=path, name=wanted["name"], is_query=is_query, is_reusable=not is_of_call)
    )
    return None


_TEMPLATES: Mapping[str, Callable[[Policy, RequestDraft, Mapping[str, Json]], Refusal]] = {
    "dynamichosturl": _set_host,
    "dynamicsubdomain": _set_host,
    "setheader": _set_header,
    "setqueryparameter": _set_query,
    "routerequesttoendpoint": _route,
    "setvaluefromurl": _look_up,
}


def _scope(draft: RequestDraft, connection_parameters: Mapping[str, Json], body: Json = None) -> PolicyScope:
    return PolicyScope(
        connection_parameters=connection_parameters,
        header=draft.header,
        query=draft.query,
        method=draft.original_method,
        body=body,
    )


def _encoded(value: str) -> str:
    return quote(value, safe="")


def _without_body(headers: Mapping[str, str]) -> dict[str, str]:
    return {name: text for name, text in headers.items() if not name.lower().startswith("content-")}


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
