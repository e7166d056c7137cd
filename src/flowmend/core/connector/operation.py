"""A connector as values: what a service can do, where its requests go, and how one signs in to it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from flowmend.core.connector.mapping_facts import AnswerMapping, RequestMapping
from flowmend.core.connector.trigger_facts import PLAIN_POLL, PLAIN_SUBSCRIPTION, PollFacts, SubscriptionFacts
from flowmend.core.connector.xml_bodies import XmlShape
from flowmend.core.json_value import Json

READ_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
#: The type of a connection parameter that is a certificate with its key: PEM text, or a PFX file in base64.
CERTIFICATE_TYPE = "clientcertificate"


class Location(StrEnum):
    """Where a parameter goes, spelled as OpenAPI's `in`."""

    PATH = "path"
    QUERY = "query"
    HEADER = "header"
    BODY = "body"
    FORM = "formData"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter of an operation.

    collection_format: how an array is joined (`csv`, `ssv`, `pipes`, `multi`). is_double_encoded:
    `x-ms-url-encoding: double`. is_sent_by_default: its default goes out when no value is given. xml: of a body that
    its operation takes as XML alone.
    """

    name: str
    location: Location
    type: str = "string"
    is_required: bool = False
    default: Json = None
    collection_format: str = "csv"
    is_double_encoded: bool = False
    is_sent_by_default: bool = False
    xml: XmlShape | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One thing a service does. path: with `{name}` places, relative to the connector's base URL.

    honours_key: `x-flowmend-idempotent`, so repeating with the same key is safe. consumes: media types, the
    first preferred. unsupported: why Flowmend cannot perform it (`UnsupportedScript: …`), "" where it can.
    may_probe: False for `x-ms-no-generic-test`. notification_parameter: flattened, the place of a webhook's callback
    URL (`x-ms-notification-url`), "" for none. takes_chunks: it speaks the protocol of chunked transfers
    (`x-ms-capabilities.chunkTransfer`).
    scopes: what an OAuth sign-in must cover, each entry one that is enough by itself; empty where nothing is said.
    poll, subscription: how a trigger waits for news. page_items, next_link: where in an answer a list is, and the link to
    more of it, empty where the usual names are tried. request_mapping, answer_mapping: what the service calls this, None
    where it uses the operation's own words.
    """

    operation_id: str
    method: str
    path: str
    summary: str = ""
    parameters: tuple[Parameter, ...] = ()
    consumes: tuple[str, ...] = ()
    produces: tuple[str, ...] = ()
    is_trigger: bool = False
    honours_key: bool = False
    may_probe: bool = True
    takes_chunks: bool = False
    notification_parameter: str = ""
    unsupported: str = ""
    scopes: tuple[tuple[str, ...], ...] = ()
    poll: PollFacts = PLAIN_POLL
    subscription: SubscriptionFacts = PLAIN_SUBSCRIPTION
    page_items: str = "value"
    next_link: tuple[str | int, ...] = ()
    request_mapping: RequestMapping | None = None
    answer_mapping: AnswerMapping | None = None

    @property
    def is_read(self) -> bool:
        mapped = self.request_mapping.is_read if self.request_mapping is not None else None
        return self.method in READ_METHODS if mapped is None else mapped

    def at(self, location: Location) -> tuple[Parameter, ...]:
        return tuple(parameter for parameter in self.parameters if parameter.location is location)


class SignInKind(StrEnum):
    """How one signs in."""

    NONE = "none"
    BASIC = "basic"  # user name and password, RFC 7617
    API_KEY = "api_key"  # one or more secrets, in headers, queries or policies
    OAUTH2 = "oauth2"  # somebody signs in: authorization code with PKCE, or a code on another device; then refresh
    CLIENT_CREDENTIALS = "client_credentials"  # the sign-in app signs in as itself, RFC 6749 §4.4
    CLIENT_CERTIFICATE = "client_certificate"  # a certificate shown while the TLS session is made
    UNSUPPORTED = "unsupported"  # declared, but not one of these; the reading says which


class TokenEndpointAuth(StrEnum):
    """How a sign-in app sends its secret to the token endpoint, spelled as OpenID Connect Core §9."""

    BODY = "client_secret_post"
    BASIC = "client_secret_basic"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionParameter:
    """A value asked for when a connection is made. type: as declared, lower case (`securestring`, …).

    allowed_titles: words for each of the allowed values. connection_of: the value is the id of a connection to that
    connector (`x-flowmend-connection-of`). is_hidden: `constraints.hidden`, so its default is used and nobody is asked.
    is_multiline: `x-flowmend-multiline`, as a private key is.
    """

    name: str
    type: str = "string"
    title: str = ""
    description: str = ""
    hint: str = ""
    is_secret: bool = False
    is_required: bool = True
    default: Json = None
    allowed_values: tuple[str, ...] = ()
    allowed_titles: tuple[str, ...] = ()
    connection_of: str = ""
    is_hidden: bool = False
    is_multiline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPlacement:
    """Where a secret parameter goes in every request: the header or query `name`."""

    parameter: str
    location: Location
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OAuthSettings:
    """A provider's endpoints; URLs may hold `{name}` places filled from connection parameters.

    client_id: "" where the owner must register an app of their own. resource: AAD's v1 audience.
    tenant: Microsoft's, for the place `{tenantid}` where neither the connection nor its sign-in app names one.
    issuer: what `iss` must be (RFC 9207); may hold places, "" where unknown. authorization_queries: further names and
    values of the authorization URL. device_authorization_url, revocation_url: "" where there is none (RFC 8628, 7009).
    app_parameters: which connection parameter holds what of the sign-in app, {`client_id`, `client_secret`, `tenant`,
    `certificate`, `certificate_password`: parameter's name}; what is missing is asked for under the key itself.
    wants_certificate: the app proves itself by a certificate (RFC 7523) rather than a secret.
    is_managed_identity: nothing is asked; the sign-in app kept for managed identities signs in.
    """

    identity_provider: str
    authorization_url: str
    token_url: str
    refresh_url: str
    scopes: tuple[str, ...] = ()
    scope_delimiter: str = " "
    client_id: str = ""
    resource: str = ""
    tenant: str = ""
    issuer: str = ""
    authorization_queries: tuple[tuple[str, str], ...] = ()
    device_authorization_url: str = ""
    revocation_url: str = ""
    token_endpoint_auth: TokenEndpointAuth = TokenEndpointAuth.BODY
    app_parameters: Mapping[str, str] = field(default_factory=dict)
    wants_certificate: bool = False
    is_managed_identity: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInMethod:
    """One way to sign in. name: the parameter set's, "" for the only way. parameters: all values asked for.

    user_parameter: also the user name of other protocols. certificate_parameter: of a client certificate, as PEM or as
    base64 of a PFX file whose password is in password_parameter. oauth: of OAUTH2 and CLIENT_CREDENTIALS. signature: how
    requests are signed with the secret (`request_signing`), "" where it is sent.
    """

    kind: SignInKind
    name: str = ""
    title: str = ""
    parameters: tuple[ConnectionParameter, ...] = ()
    placements: tuple[KeyPlacement, ...] = ()
    user_parameter: str = ""
    password_parameter: str = ""
    certificate_parameter: str = ""
    oauth: OAuthSettings | None = None
    signature: str = ""

    @property
    def secret_names(self) -> frozenset[str]:
        return frozenset(parameter.name for parameter in self.parameters if parameter.is_secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """One policy template instance. template: lower case. parameters: without the APIM prefix.

    operations: lower-case operation ids it is limited to, empty for all. is_for_response: `-policySection`.
    """

    template: str
    parameters: Mapping[str, Json] = field(default_factory=dict)
    operations: frozenset[str] = frozenset()
    is_for_response: bool = False

    def concerns(self, operation_id: str) -> bool:
        return not self.operations or operation_id.lower() in self.operations


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeOperation:
    """The declared `testConnection`. arguments: its parameters by name."""

    operation_id: str
    arguments: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Connector:
    """What a service can do. base_url: scheme, host and base path, no trailing slash; "" where only a policy knows.

    operations: by operation id as declared. sign_in: the ways to sign in, never empty. protocol: what is spoken; one
    other than `http` says where it goes by the connection's parameters (`server.server_of`).
    """

    connector_id: str
    display_name: str
    base_url: str
    operations: Mapping[str, Operation]
    sign_in: tuple[SignInMethod, ...]
    policies: tuple[Policy, ...] = ()
    test_operation: ProbeOperation | None = None
    protocol: str = "http"

    def operation(self, operation_id: str) -> Operation | None:
        """The operation of that id, compared ignoring case where no id is exactly so."""
        exact = self.operations.get(operation_id)
        if exact is not None:
            return exact
        wanted = operation_id.lower()
        return next((operation for key, operation in self.operations.items() if key.lower() == wanted), None)

    def method_named(self, parameter_set: str) -> SignInMethod:
        """The way to sign in of that parameter set, the first where there is none of that name."""
        return next((method for method in self.sign_in if method.name == parameter_set), self.sign_in[0])
