"""Whether real connectors' requests are what their definitions ask for, judged by another library than ours.

    python bench/connectors.py FOLDERS [--json FILE] [--only NAME] [--show 20]

For each runnable operation inputs are generated from its definition, its request is built and really sent to a local
server. That server finds the operation by method and path, reads form and parts with Werkzeug, and validates all of it
with bravado-core (OpenAPI 2.0). What it refuses is a fault of ours, or of the folder, and is named with its reason.
"""

import argparse
import asyncio
import json
import re
import threading
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from bravado_core.request import IncomingRequest, unmarshal_request
from bravado_core.spec import Spec
from lxml import etree
from msgspec.structs import replace
from werkzeug.serving import WSGIRequestHandler, make_server
from werkzeug.wrappers import Request, Response

from connector_inputs import Inputs
from flowmend.cli.connector_files import read_folders
from flowmend.core.connector import (
    Connector,
    HttpRequest,
    Operation,
    SignInKind,
    SignInMethod,
    SignInParts,
    build_request,
)
from flowmend.core.connector.response import HttpResponse
from flowmend.transport import HttpTransport

HEADER = "X-Bench-Expected"
SECRET = "aSecret123"  # noqa: S105  nobody's
#: Policies after which a request is meant to differ from its definition.
RESHAPING = {"setproperty", "convertarraytoobject", "convertobjecttoarray", "stringtoarray", "stringreplace"}
_METHODS = {"get", "put", "post", "delete", "options", "head", "patch"}


@dataclass
class Expected:
    """What the server should receive. operation: of bravado-core. paths: what its URL's path must look like."""

    operation: Any
    paths: list[re.Pattern[str]]
    is_reshaped: bool


@dataclass
class Counts:
    folders: int = 0
    operations: int = 0
    scripted: int = 0
    built: int = 0
    accepted: int = 0
    unbuilt: Counter[str] = field(default_factory=Counter)
    refused: dict[str, str] = field(default_factory=dict)


class Incoming(IncomingRequest):
    """A received request as bravado-core wants to see it, read by Werkzeug."""

    def __init__(self, request: Request, path: Mapping[str, str], body: Mapping[str, Any]) -> None:
        self._body = body
        self.path = dict(path)
        self.query = {name: values if len(values) > 1 else values[0] for name, values in request.args.lists()}
        # As sent: WSGI itself leaves out headers with `_` in their names.
        self.headers = request.environ["bench.headers"]
        self.form = {name: values if len(values) > 1 else values[0] for name, values in request.form.lists()}
        self.files = {name: file.read() for name, file in request.files.items()}
        self._request = request

    def json(self, **_options: Any) -> Any:
        kind = self._request.mimetype
        content = self._request.get_data()
        if "json" in kind:
            return json.loads(content)
        if "xml" in kind:
            return _plain(etree.fromstring(content, etree.XMLParser(resolve_entities=False)))
        if kind == "application/x-www-form-urlencoded" or kind.startswith("multipart/"):
            return {name: _typed(text, self._body.get(name) or {}) for name, text in self.form.items()} | self.files
        return content.decode()


def _typed(text: Any, schema: Mapping[str, Any]) -> Any:
    """A form's text as the type its schema says: forms themselves have none."""
    kind = schema.get("type")
    if isinstance(text, str) and kind in {"integer", "number", "boolean", "object"}:
        try:
            return json.loads(text)
        except ValueError:
            return text
    if kind == "array" and not isinstance(text, list):
        return [_typed(text, schema.get("items") or {})]
    return [_typed(one, schema.get("items") or {}) for one in text] if isinstance(text, list) else text


def body_schema(operation: Any) -> Mapping[str, Any]:
    """The properties of an operation's body by name."""
    deref = operation.swagger_spec.deref
    schemas = [deref(one.param_spec.get("schema") or {}) for one in operation.params.values() if one.location == "body"]
    found = deref(schemas[0]).get("properties") if schemas else None
    return {name: deref(one) for name, one in (found or {}).items()}


def _plain(element: etree._Element) -> Any:
    """An XML element as the value it was made of, as far as its form alone tells."""
    if not len(element):
        return element.text or ""
    return {child.tag.rpartition("}")[2]: _plain(child) for child in element}


class Handler(WSGIRequestHandler):
    """Quiet, and hands over the headers as they came."""

    def make_environ(self) -> Any:
        return super().make_environ() | {"bench.headers": self.headers}

    def log_request(self, *_arguments: Any) -> None:
        """Thousands of lines say nothing."""


class Judge:
    """The server's side: which operation a request should be, and whether it is."""

    def __init__(self) -> None:
        self.expected: dict[str, Expected] = {}
        self.verdicts: dict[str, str] = {}

    def __call__(self, environ: Any, start_response: Any) -> Any:
        request = Request(environ)
        name = request.headers.get(HEADER, "")
        self.verdicts[name] = self._verdict(request, self.expected[name])
        return Response("{}", mimetype="application/json")(environ, start_response)

    def _verdict(self, request: Request, expected: Expected) -> str:
        raw_path = request.environ["REQUEST_URI"].partition("?")[0]
        found = next((match for one in expected.paths if (match := one.fullmatch(raw_path))), None)
        if found is None:
            return f"path {raw_path} is not {expected.paths[0].pattern}"
        values = {f"p{index}": unquote(unquote(text)) for index, text in enumerate(found.groups())}
        names = [name for one in expected.paths for name in _names(one.pattern)][: len(values)]
        path = dict(zip(names, values.values(), strict=False))
        operation = expected.operation
        if operation.http_method.lower() != request.method.lower() and not expected.is_reshaped:
            return f"method {request.method} is not {operation.http_method}"
        for name, param in operation.params.items():
            if param.location == "path" and name not in path and expected.is_reshaped:
                path[name] = "5"  # a policy routes the request to a path without it
        try:
            unmarshal_request(Incoming(request, path, body_schema(operation)), operation)
        except Exception as error:  # noqa: BLE001  whatever the library finds wrong
            return f"{type(error).__name__}: {str(error).splitlines()[0][:200]}"
        return ""


_PLACES: dict[str, list[str]] = {}


def _names(pattern: str) -> list[str]:
    return _PLACES[pattern]


def path_pattern(template: str) -> re.Pattern[str]:
    """What a path must look like: a place for each `{name}` and for each expression of a policy."""
    template = re.sub(r"@\{?\w+\([^)]*\)\}?", "{}", template)
    names: list[str] = []
    pattern = ""
    for piece in re.split(r"(\{[^{}]*\})", template):
        if piece.startswith("{") and piece.endswith("}"):
            names.append(piece[1:-1])
            pattern += "([^/]*)"
        else:
            pattern += "".join(re.escape(sign) if sign.isascii() else "(?:%[0-9A-F]{2})+" for sign in piece)
    pattern = pattern.replace(r"\ ", "(?:%20| )")
    _PLACES[pattern] = names
    return re.compile(pattern)


def sign_in_of(method: SignInMethod) -> SignInParts:
    headers: dict[str, str] = {}
    queries: dict[str, str] = {}
    for placement in method.placements:
        target = queries if placement.location == "query" else headers
        target[placement.name] = SECRET
    if method.kind in {SignInKind.BASIC, SignInKind.OAUTH2, SignInKind.CLIENT_CREDENTIALS}:
        headers["Authorization"] = "Basic YTpi" if method.kind is SignInKind.BASIC else "Bearer t"
    return SignInParts(headers=headers, queries=queries)


def parameters_of(method: SignInMethod) -> dict[str, Any]:
    return {
        one.name: SECRET if one.is_secret else (one.allowed_values[0] if one.allowed_values else "acme.example.com")
        for one in method.parameters
    }


def expectations(definition: Any, connector: Connector) -> Iterator[tuple[Operation, Expected]]:
    spec = Spec.from_dict(
        without_undefined_security(definition),
        config={"validate_swagger_spec": False, "use_models": False, "validate_responses": False, "formats": []},
    )
    known: dict[tuple[str, str], Any] = {}
    for resource in spec.resources.values():
        for operation in resource.operations.values():
            known[operation.http_method.lower(), operation.path_name] = operation
    base = (definition.get("basePath") or "").rstrip("/")
    for path, item in definition["paths"].items():
        for method in [name for name in item if name in _METHODS]:
            operation_id = item[method].get("operationId") or f"{method}_{path.strip('/')}"
            ours = connector.operations.get(operation_id)
            theirs = known.get((method, path))
            if ours is None or theirs is None:
                continue
            policies = [one for one in connector.policies if one.concerns(operation_id) and not one.is_for_response]
            routed = [
                str(one.parameters.get("newpath")) for one in policies if one.template == "routerequesttoendpoint"
            ]
            hosts = [one for one in policies if one.template == "dynamichosturl"]
            prefixes = [base, ""] if hosts else [base]
            if any("/" in str(one.parameters.get("urltemplate")).replace("://", "") for one in hosts):
                prefixes.append("(?:/[^/]+)*")
            bare = [f"/{route.partition('?')[0].lstrip('/')}" for route in routed]
            templates = [f"{prefix}{route}" for route in bare for prefix in ("", base)]
            found = templates or [f"{prefix}{path}" for prefix in prefixes if not prefix.startswith("(")]
            patterns = [path_pattern(one if one.startswith("/") else f"/{one}") for one in found]
            if prefixes[-1].startswith("("):
                for inner in [path_pattern(one) for one in (bare or [path])]:
                    _PLACES[prefixes[-1] + inner.pattern] = _PLACES[inner.pattern]
                    patterns.append(re.compile(prefixes[-1] + inner.pattern))
            is_reshaped = bool(routed) or any(one.template in RESHAPING for one in policies)
            yield ours, Expected(operation=theirs, paths=patterns, is_reshaped=is_reshaped)


def without_undefined_security(definition: Any) -> Any:
    """A copy whose `security` names only what `securityDefinitions` defines: the library refuses the whole document else."""
    copied = json.loads(json.dumps(definition))
    for item in copied["paths"].values():
        for name, node in item.items():
            if name in _METHODS:
                node["tags"] = ["all"]  # it names operations by their paths else, and "/" has no name
    defined = set(copied.get("securityDefinitions") or {})
    holders = [copied, *(node for item in copied["paths"].values() for node in item.values() if isinstance(node, dict))]
    for holder in holders:
        if isinstance(holder.get("security"), list):
            holder["security"] = [one for one in holder["security"] if set(one) <= defined - taken_names(copied)]
    return copied


def taken_names(definition: Any) -> set[str]:
    """Security definitions whose key is also declared as a parameter, which the library refuses to read."""
    nodes = [node for item in definition["paths"].values() for node in item.values() if isinstance(node, dict)]
    named = {one.get("name") for node in nodes for one in node.get("parameters") or () if isinstance(one, dict)}
    return {name for name, one in (definition.get("securityDefinitions") or {}).items() if one.get("name") in named}


async def run(folder: Path, only: str) -> Counts:
    judge, counts = Judge(), Counts()
    server = make_server("127.0.0.1", 0, judge, threaded=True, request_handler=Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    origin = f"http://127.0.0.1:{server.server_port}"
    http = HttpTransport([f"127.0.0.1:{server.server_port}"])
    await http.start()
    try:
        for read in read_folders([folder]):
            if read.connector is None or only.lower() not in read.name.lower():
                continue
            counts.folders += 1
            try:
                await one_connector(read.documents.definition, read.connector, judge, counts, http=http, origin=origin)
            except Exception as error:  # noqa: BLE001  the library's word on a whole document
                reason = f"the definition is not accepted: {type(error).__name__}: {str(error)[:200]}"
                counts.refused |= {f"{read.name}/{one}": reason for one in read.connector.operations}
    finally:
        await http.close()
        server.shutdown()
    return counts


async def one_connector(
    definition: Any, connector: Connector, judge: Judge, counts: Counts, *, http: HttpTransport, origin: str
) -> None:
    counts.operations += len(connector.operations)
    counts.scripted += sum(bool(one.unsupported) for one in connector.operations.values())
    method = connector.sign_in[0]
    inputs = Inputs(definition)
    seen: set[str] = set()
    for ours, expected in expectations(definition, connector):
        seen.add(ours.operation_id)
        if ours.unsupported:
            continue
        name = f"{connector.connector_id}/{ours.operation_id}"
        made = build_request(connector, ours, inputs.arguments(ours), parameters_of(method), sign_in=sign_in_of(method))
        if not isinstance(made, HttpRequest):
            counts.unbuilt[f"{made.code}: {made.message[:90]}"] += 1
            counts.refused[name] = f"not built: {made.code}: {made.message}"
            continue
        counts.built += 1
        judge.expected[name] = expected
        parts = urlsplit(made.url)
        url = f"{origin}{parts.path or '/'}" + (f"?{parts.query}" if parts.query else "")
        headers = {**made.headers, HEADER: name.encode("ascii", "replace").decode()}
        judge.expected[headers[HEADER]] = expected
        answer = await http.send(replace(made, url=url, headers=headers), timeout=timedelta(seconds=20))
        verdict = judge.verdicts.get(headers[HEADER], "nothing arrived")
        if not isinstance(answer, HttpResponse):
            verdict = f"not sent: {answer.code} {answer.message[:100]}"
        if verdict:
            counts.refused[name] = verdict
        else:
            counts.accepted += 1
    for missing in set(connector.operations) - seen:
        counts.refused[f"{connector.connector_id}/{missing}"] = "the validator's library does not know the operation"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("folders", type=Path)
    asked.add_argument("--json", type=Path)
    asked.add_argument("--only", default="")
    asked.add_argument("--show", type=int, default=1000)
    chosen = asked.parse_args()
    warnings.simplefilter("ignore")
    counts = asyncio.run(run(chosen.folders, chosen.only))
    runnable = counts.operations - counts.scripted
    print(
        f"{counts.folders} connectors, {counts.operations} operations, {counts.scripted} do not run: their script, or a header that HTTP lacks"
    )
    print(f"{counts.built} of {runnable} requests built, {counts.accepted} accepted, {len(counts.refused)} refused")
    for name, reason in list(counts.refused.items())[: chosen.show]:
        print(f"  {name}: {reason}")
    if chosen.json:
        facts = {
            "operations": counts.operations,
            "runnable": runnable,
            "built": counts.built,
            "accepted": counts.accepted,
            "refused": counts.refused,
        }
        chosen.json.write_text(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
