"""A connector folder's two documents to a `Connector`: OpenAPI with its extensions, and apiProperties.

Real files mix the case of keys and policy ids and are half-finished in many ways; what cannot be understood
becomes a problem and the rest is read. Only local `$ref`s are followed: nothing is ever fetched.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from flowmend.core.connector.body_kinds import BodyKind, body_kind
from flowmend.core.connector.draft import check_header
from flowmend.core.connector.folders import EVERY_OPERATION
from flowmend.core.connector.local_references import resolved
from flowmend.core.connector.mapping_facts import (
    AnswerMapping,
    RequestMapping,
    read_answer_mapping,
    read_request_mapping,
)
from flowmend.core.connector.openapi3 import as_openapi2, is_openapi3, placed_at
from flowmend.core.connector.openapi3_sign_in import read_openapi3_sign_in
from flowmend.core.connector.operation import (
    Connector,
    Location,
    Operation,
    Parameter,
    Policy,
    ProbeOperation,
    SignInMethod,
)
from flowmend.core.connector.policies import is_supported
from flowmend.core.connector.policy_expressions import Steps, path_of
from flowmend.core.connector.server import PROTOCOLS
from flowmend.core.connector.sign_in_methods import read_sign_in_methods
from flowmend.core.connector.trigger_reading import read_poll_facts, read_subscription_facts
from flowmend.core.connector.xml_bodies import read_xml_shape
from flowmend.core.errors import ExpressionError, InvalidDocument
from flowmend.core.json_value import Json
from flowmend.core.problem import Problem, Severity

METHODS = ("get", "put", "post", "delete", "options", "head", "patch")
_PREFIX = "x-ms-apimtemplateparameter."
_POLICY_PREFIX = "x-ms-apimtemplate-"
_AFTER_THE_CALL = frozenset({"response", "failure"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectorReading:
    """connector: None where the documents describe none. problems: all of them, pointers into either document."""

    connector: Connector | None
    problems: tuple[Problem, ...]


def read_connector(definition: Json, properties: Json, *, connector_id: str) -> ConnectorReading:
    """The connector two documents describe.

    definition: apiDefinition.swagger.json, or an OpenAPI 3 document. properties: apiProperties.json, or its inner
    `properties`; None is bare.
    """
    declared = definition
    try:
        definition = as_openapi2(definition)
    except InvalidDocument as error:
        problem = Problem(severity=Severity.ERROR, code=error.code, pointer="/paths", message=error.message)
        return ConnectorReading(connector=None, problems=(problem,))
    reader = _Reader(definition)
    if not isinstance(definition, dict) or not isinstance(definition.get("paths"), dict):
        reader.error("InvalidConnector", "", "The document is no OpenAPI definition: it has no 'paths' object.")
        return ConnectorReading(connector=None, problems=tuple(reader.problems))
    if str(definition.get("swagger", "2.0")) != "2.0" or "openapi" in definition:
        reader.error("UnsupportedOpenApiVersion", "", "Only definitions of OpenAPI 2.0, 3.0 and 3.1 are read.")
        return ConnectorReading(connector=None, problems=tuple(reader.problems))
    outer = _mapping(properties)
    inner = _mapping(outer.get("properties")) or outer
    policies = tuple(reader.policies(inner))
    own_sign_in: tuple[SignInMethod, ...] = ()
    if is_openapi3(declared):
        placed = placed_at(declared)
        own_sign_in, more, found = read_openapi3_sign_in(declared, placed.base, placed.parameters)
        policies = (*placed.policies, *more, *policies)
        reader.problems.extend(found)
    scripted = frozenset(str(name).lower() for name in _texts(inner.get("scriptOperations")))
    operations = {operation.operation_id: operation for operation in reader.operations(policies, scripted)}
    sign_in, problems = read_sign_in_methods(inner, _security_in_force(definition))
    if own_sign_in and not _mapping(inner.get("connectionParameters")) and "connectionParameterSets" not in inner:
        sign_in = own_sign_in
    reader.problems.extend(problems)
    base_url = _base_url(definition)
    protocol = reader.protocol()
    # A connector that says its protocol has its host from its connections' parameters, or from the calls.
    is_placed_elsewhere = "x-flowmend-protocol" in definition
    if not base_url and not is_placed_elsewhere and not any(policy.template == "dynamichosturl" for policy in policies):
        reader.error("InvalidConnector", "/host", "The definition names no host, and no policy supplies one.")
    connector = Connector(
        connector_id=connector_id,
        display_name=str(_mapping(definition.get("info")).get("title") or connector_id),
        base_url=base_url,
        operations=operations,
        sign_in=sign_in,
        policies=policies,
        test_operation=reader.test_operation(operations),
        protocol=protocol,
    )
    return ConnectorReading(connector=connector, problems=tuple(reader.problems))


class _Reader:
    def __init__(self, definition: Json) -> None:
        self._definition = definition
        self.problems: list[Problem] = []

    def error(self, code: str, pointer: str, message: str) -> None:
        self.problems.append(Problem(severity=Severity.ERROR, code=code, pointer=pointer, message=message))

    def warning(self, code: str, pointer: str, message: str) -> None:
        self.problems.append(Problem(severity=Severity.WARNING, code=code, pointer=pointer, message=message))

    def operations(self, policies: tuple[Policy, ...], scripted: frozenset[str]) -> Iterator[Operation]:
        seen: set[str] = set()
        for path, item in self._definition["paths"].items():
            item = _mapping(item)
            shared = item.get("parameters")
            for method in METHODS:
                node = item.get(method)
                if not isinstance(node, dict):
                    continue
                pointer = f"/paths/{_escaped(path)}/{method}"
                operation_id = str(node.get("operationId") or f"{method}_{path.strip('/')}")
                if operation_id in seen:
                    self.warning("DuplicateOperation", pointer, f"The operation '{operation_id}' is declared twice.")
                    continue
                seen.add(operation_id)
                yield self._operation(
                    node,
                    shared,
                    operation_id=operation_id,
                    method=method.upper(),
                    path=path if path.startswith("/") else f"/{path}",
                    pointer=pointer,
                    unsupported=self._unsupported(operation_id, pointer, policies, scripted),
                    policies=policies,
                )

    def _unsupported(
        self, operation_id: str, pointer: str, policies: tuple[Policy, ...], scripted: frozenset[str]
    ) -> str:
        if operation_id.lower() in scripted or EVERY_OPERATION in scripted:
            self.warning("UnsupportedScript", pointer, f"The operation '{operation_id}' needs the connector's script.")
            return f"UnsupportedScript: the operation '{operation_id}' needs the connector's C# script."
        for policy in policies:
            if not is_supported(policy) and policy.concerns(operation_id):
                return (
                    f"UnsupportedPolicy: the operation '{operation_id}' needs the policy '{policy.template}', "
                    "which is not supported."
                )
        return ""

    def _operation(
        self,
        node: Mapping[str, Json],
        shared: Json,
        *,
        operation_id: str,
        method: str,
        path: str,
        pointer: str,
        unsupported: str,
        policies: tuple[Policy, ...],
    ) -> Operation:
        request_mapping, answer_mapping, problem = self._mappings(node, pointer)
        parameters: dict[tuple[str, Location], Parameter] = {}
        consumes = _texts(node.get("consumes", self._definition.get("consumes")))
        for group in (shared, node.get("parameters")):
            for index, declared in enumerate(group if isinstance(group, list) else ()):
                parameter = self._parameter(declared, f"{pointer}/parameters/{index}", consumes)
                if parameter is not None:
                    parameters[parameter.name, parameter.location] = parameter
        return Operation(
            operation_id=operation_id,
            method=method,
            path=path,
            summary=str(node.get("summary") or operation_id),
            parameters=tuple(parameters.values()),
            consumes=consumes,
            produces=_texts(node.get("produces", self._definition.get("produces"))),
            is_trigger=node.get("x-ms-trigger") is not None,
            honours_key=node.get("x-flowmend-idempotent", self._definition.get("x-flowmend-idempotent")) is True,
            may_probe=node.get("x-ms-no-generic-test") is not True,
            takes_chunks=_mapping(node.get("x-ms-capabilities")).get("chunkTransfer") is True,
            notification_parameter=self._notification_parameter(node.get("parameters")),
            unsupported=unsupported or problem or _unsendable(parameters.values()),
            scopes=self._scopes(node.get("security", self._definition.get("security"))),
            poll=read_poll_facts(node, operation_id, policies),
            subscription=read_subscription_facts(node),
            page_items=str(_mapping(node.get("x-ms-pageable")).get("itemName") or "value"),
            next_link=_next_link(node, operation_id, policies),
            request_mapping=request_mapping,
            answer_mapping=answer_mapping,
        )

    def _mappings(
        self, node: Mapping[str, Json], pointer: str
    ) -> tuple[RequestMapping | None, AnswerMapping | None, str]:
        """(of the request, of the answer, why they do not read)."""
        try:
            return read_request_mapping(node), read_answer_mapping(node), ""
        except ExpressionError as error:
            self.error("InvalidMapping", pointer, f"The operation's mapping does not read: {error.message}")
            return None, None, f"InvalidMapping: its mapping does not read: {error.message}"

    def _scopes(self, declared: Json) -> tuple[tuple[str, ...], ...]:
        """The scopes of each way to sign in that an operation takes; none where one of them is no OAuth."""
        definitions = _mapping(self._definition.get("securityDefinitions"))
        found: list[tuple[str, ...]] = []
        for one in declared if isinstance(declared, list) else ():
            scopes: list[str] = []
            for name, wanted in _mapping(one).items():
                if _mapping(definitions.get(name)).get("type") == "oauth2":
                    scopes += _texts(wanted)
            if not scopes:
                return ()
            found.append(tuple(scopes))
        return tuple(found)

    def _notification_parameter(self, declared: Json) -> str:
        """`name`, or `body/name` of a property of the body, that is marked as the place of a callback URL."""
        for raw in declared if isinstance(declared, list) else ():
            node = _mapping(self._resolved(raw))
            name = str(node.get("name") or "body")
            if node.get("x-ms-notification-url") is True:
                return name
            properties = _mapping(_mapping(self._resolved(node.get("schema"))).get("properties"))
            for key, schema in properties.items():
                if _mapping(schema).get("x-ms-notification-url") is True:
                    return f"{name}/{key}"
        return ""

    def _parameter(self, node: Json, pointer: str, consumes: Sequence[str]) -> Parameter | None:
        node = self._resolved(node)
        if not isinstance(node, dict):
            self.warning("InvalidParameter", pointer, "The parameter is no object, or its $ref leads nowhere.")
            return None
        try:
            location = Location(str(node.get("in")))
        except ValueError:
            self.warning("InvalidParameter", pointer, f"The parameter is in '{node.get('in')}', which is nowhere.")
            return None
        schema = _mapping(self._resolved(node.get("schema")))
        is_required = node.get("required") is True
        refusal = check_header(str(node.get("name")), "") if location is Location.HEADER else None
        if refusal is not None:
            self.warning(refusal.code, pointer, refusal.message)
        default = node.get("default", schema.get("default"))
        return Parameter(
            name=str(node.get("name") or "body"),
            location=location,
            type=str(node.get("type") or schema.get("type") or "string"),
            is_required=is_required,
            default=default,
            collection_format=str(node.get("collectionFormat") or "csv"),
            is_double_encoded=node.get("x-ms-url-encoding") == "double",
            is_sent_by_default=default is not None and (is_required or node.get("x-ms-visibility") == "internal"),
            xml=read_xml_shape(node.get("schema"), self._resolved)
            if location is Location.BODY and body_kind(consumes) is BodyKind.XML
            else None,
        )

    def _resolved(self, node: Json) -> Json:
        return resolved(self._definition, node)

    def policies(self, properties: Mapping[str, Json]) -> Iterator[Policy]:
        for index, node in enumerate(_list(properties.get("policyTemplateInstances"))):
            node = _mapping(node)
            parameters = {str(name).lower(): value for name, value in _mapping(node.get("parameters")).items()}
            limited = parameters.get(f"{_POLICY_PREFIX}operationname")
            names = limited if isinstance(limited, list) else [limited] if limited else []
            policy = Policy(
                template=str(node.get("templateId", "")).lower(),
                parameters={
                    name.removeprefix(_PREFIX): value
                    for name, value in parameters.items()
                    if not name.startswith(_POLICY_PREFIX)
                },
                operations=frozenset(str(name).lower() for name in names),
                is_for_response=str(parameters.get(f"{_POLICY_PREFIX}policysection", "")).lower() in _AFTER_THE_CALL,
            )
            if not is_supported(policy):
                self.warning(
                    "UnsupportedPolicy",
                    f"/properties/policyTemplateInstances/{index}",
                    f"The policy '{node.get('templateId')}' is not supported, or holds an expression that is not.",
                )
            yield policy

    def protocol(self) -> str:
        """What `x-flowmend-protocol` names; HTTP where it names nothing that is spoken here."""
        named = str(self._definition.get("x-flowmend-protocol") or "http").lower()
        if named == "http" or named in PROTOCOLS:
            return named
        known = ", ".join(sorted(PROTOCOLS))
        self.error(
            "UnsupportedProtocol",
            "/x-flowmend-protocol",
            f"The protocol '{named}' is not spoken here; besides http these are: {known}.",
        )
        return "http"

    def test_operation(self, operations: Mapping[str, Operation]) -> ProbeOperation | None:
        declared = _mapping(_mapping(self._definition.get("x-ms-capabilities")).get("testConnection"))
        if not declared:
            return None
        wanted = str(declared.get("operationId", ""))
        if wanted not in operations:
            self.warning(
                "InvalidTestOperation",
                "/x-ms-capabilities/testConnection",
                f"The test operation '{wanted}' does not exist.",
            )
            return None
        return ProbeOperation(operation_id=wanted, arguments=dict(_mapping(declared.get("parameters"))))


def _unsendable(parameters: Iterable[Parameter]) -> str:
    """Why no request of these parameters can be sent: it would need a header that HTTP has no way to write."""
    for one in parameters:
        refusal = check_header(one.name, "") if one.location is Location.HEADER and one.is_required else None
        if refusal is not None:
            return f"{refusal.code}: {refusal.message}"
    return ""


def _security_in_force(definition: Mapping[str, Json]) -> Mapping[str, Json]:
    """`securityDefinitions` without keys in queries that a key in a header stands in for: those end up in logs."""
    definitions = _mapping(definition.get("securityDefinitions"))
    declared = definition.get("security")
    ways = [tuple(_mapping(one)) for one in declared] if isinstance(declared, list) else []
    keys = {name: str(_mapping(definitions.get(way[0])).get("in")) for way in ways if len(way) == 1 for name in way}
    if len(keys) != len(ways) or "header" not in keys.values():
        return definitions
    spare = {name for name, place in keys.items() if place == "query"}
    return {name: node for name, node in definitions.items() if name not in spare}


def _next_link(node: Mapping[str, Json], operation_id: str, policies: tuple[Policy, ...]) -> Steps:
    """Where an answer's link to its next page is: by the policy `updatenextlink`, else by `x-ms-pageable`."""
    for policy in policies:
        name = policy.parameters.get("nextlinkpropertyname")
        if policy.template == "updatenextlink" and isinstance(name, str) and policy.concerns(operation_id):
            return (*path_of(policy.parameters.get("nextlinkparentpropertypath"))[1], name)
    declared = _mapping(node.get("x-ms-pageable")).get("nextLinkName")
    return (declared,) if isinstance(declared, str) and declared else ()


def _base_url(definition: Mapping[str, Json]) -> str:
    host = str(definition.get("host") or "").strip().rpartition("://")[2].strip("/")
    if not host:
        return ""
    schemes = [scheme.lower() for scheme in _texts(definition.get("schemes"))]
    scheme = "http" if schemes and "https" not in schemes else "https"
    base_path = str(definition.get("basePath") or "").strip("/")
    return f"{scheme}://{host}/{base_path}".rstrip("/")


def _texts(value: Json) -> tuple[str, ...]:
    return tuple(str(item) for item in value) if isinstance(value, list) else ()


def _list(value: Json) -> Sequence[Json]:
    return value if isinstance(value, list) else ()


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, dict) else {}


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")
