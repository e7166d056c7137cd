"""A flow as values, and how it is read from the files in which flows travel."""

from flowmend.core.definition.connection_references import connection_key, connector_name, find_reference
from flowmend.core.definition.flow import (
    Action,
    ConnectionReference,
    Definition,
    Flow,
    Limit,
    Packaging,
    Parameter,
    RuntimeConfiguration,
    Trigger,
)
from flowmend.core.definition.identity import FLOW_NAMESPACE, Identity, flow_identity
from flowmend.core.definition.opening import FileProblem, Package, PackagedFlow, open_package
from flowmend.core.definition.packages import Parts, detect_packaging, parts_of
from flowmend.core.definition.reading import Reading, read_flow
from flowmend.core.definition.retry_policy import RetryPolicy, read_retry_policy, wait_before_retry
from flowmend.core.definition.solution_files import EnvironmentVariable
from flowmend.core.definition.templates import MissingValue
from flowmend.core.definition.writing import write_definition

__all__ = [
    "FLOW_NAMESPACE",
    "Action",
    "ConnectionReference",
    "Definition",
    "EnvironmentVariable",
    "FileProblem",
    "Flow",
    "Identity",
    "Limit",
    "MissingValue",
    "Package",
    "PackagedFlow",
    "Packaging",
    "Parameter",
    "Parts",
    "Reading",
    "RetryPolicy",
    "RuntimeConfiguration",
    "Trigger",
    "connection_key",
    "connector_name",
    "detect_packaging",
    "find_reference",
    "flow_identity",
    "open_package",
    "parts_of",
    "read_flow",
    "read_retry_policy",
    "wait_before_retry",
    "write_definition",
]
