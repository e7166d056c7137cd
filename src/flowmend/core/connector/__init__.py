"""Connectors: what a service can do, as data, and how a call to it is made and judged. No credentials live here."""

from flowmend.core.connector.building import (
    NO_SIGN_IN,
    SignInParts,
    allowed_origins,
    build_path_request,
    build_request,
    fill_url,
)
from flowmend.core.connector.chunked_transfer import TransferPiece, after_transfer, opening_of, piece_of
from flowmend.core.connector.http_action import build_http_action
from flowmend.core.connector.judging import outcome_of, refused_outcome, status_name
from flowmend.core.connector.lenient_json import parse_lenient_json
from flowmend.core.connector.matching import OperationMatch, match_operation
from flowmend.core.connector.openapi import ConnectorReading, read_connector
from flowmend.core.connector.operation import (
    ConnectionParameter,
    Connector,
    KeyPlacement,
    Location,
    OAuthSettings,
    Operation,
    Parameter,
    Policy,
    ProbeOperation,
    SignInKind,
    SignInMethod,
    TokenEndpointAuth,
)
from flowmend.core.connector.request import ClientCertificate, HttpRequest, UnbuildableRequest, origin_of
from flowmend.core.connector.response import HttpResponse, TransportFailure
from flowmend.core.connector.server import PROTOCOLS, ProtocolRefusal, Server, SignedIn, server_of

__all__ = [
    "NO_SIGN_IN",
    "PROTOCOLS",
    "ClientCertificate",
    "ConnectionParameter",
    "Connector",
    "ConnectorReading",
    "HttpRequest",
    "HttpResponse",
    "KeyPlacement",
    "Location",
    "OAuthSettings",
    "Operation",
    "OperationMatch",
    "Parameter",
    "Policy",
    "ProbeOperation",
    "ProtocolRefusal",
    "Server",
    "SignInKind",
    "SignInMethod",
    "SignInParts",
    "SignedIn",
    "TokenEndpointAuth",
    "TransferPiece",
    "TransportFailure",
    "UnbuildableRequest",
    "after_transfer",
    "allowed_origins",
    "build_http_action",
    "build_path_request",
    "build_request",
    "fill_url",
    "match_operation",
    "opening_of",
    "origin_of",
    "outcome_of",
    "parse_lenient_json",
    "piece_of",
    "read_connector",
    "refused_outcome",
    "server_of",
    "status_name",
]
