"""Every action type Flowmend knows by name: how it is spelled, what it may contain and whether it runs.

The one table that reading, checking and the run engine share.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from flowmend.core.definition.expression_kinds import EXPRESSIONS


class Effect(StrEnum):
    """What leaves the engine when an action of the type runs."""

    NONE = "none"  # finishes inside the engine
    CONTAINER = "container"  # its children decide
    CALL = "call"  # a request to a service
    WAIT = "wait"  # time passes
    CALLBACK = "callback"  # subscribes, then waits to be called
    RESPONSE = "response"  # answers the caller


@dataclass(frozen=True, slots=True, kw_only=True)
class ActionType:
    """One type. name: canonical spelling.

    branches: the keys under which it holds actions, of `actions`, `else`, `default`, `cases`. condition: the
    key of what decides (`expression`, `foreach`), else "". required_inputs: keys without which `inputs`
    mean nothing. is_supported: Flowmend runs it. missing_code: of a supported call that needs a host of its own,
    the code with which it fails where there is none.
    """

    name: str
    effect: Effect
    is_supported: bool = True
    missing_code: str = ""
    branches: tuple[str, ...] = ()
    condition: str = ""
    required_inputs: tuple[str, ...] = ()

    @property
    def is_loop(self) -> bool:
        return self.name in {"Foreach", "Until"}


def _container(name: str, *branches: str, condition: str = "") -> ActionType:
    return ActionType(name=name, effect=Effect.CONTAINER, branches=branches, condition=condition)


def _inline(name: str, *required_inputs: str) -> ActionType:
    return ActionType(name=name, effect=Effect.NONE, required_inputs=required_inputs)


def _call(name: str, *required_inputs: str, missing_code: str = "") -> ActionType:
    return ActionType(name=name, effect=Effect.CALL, required_inputs=required_inputs, missing_code=missing_code)


def _webhook(name: str, *required_inputs: str) -> ActionType:
    return ActionType(name=name, effect=Effect.CALLBACK, required_inputs=required_inputs)


def _unsupported(effect: Effect, *names: str) -> tuple[ActionType, ...]:
    return tuple(ActionType(name=name, effect=effect, is_supported=False) for name in names)


_ALL = (
    _container("If", "actions", "else", condition="expression"),
    _container("Switch", "cases", "default", condition="expression"),
    _container("Scope", "actions"),
    _container("Foreach", "actions", condition="foreach"),
    _container("Until", "actions", condition="expression"),
    _inline("Compose"),
    _inline("ParseJson", "content", "schema"),
    _inline("Query", "from", "where"),
    _inline("Select", "from", "select"),
    _inline("Join", "from", "joinWith"),
    _inline("Table", "from", "format"),
    _inline("InitializeVariable", "variables"),
    _inline("SetVariable", "name"),
    _inline("IncrementVariable", "name"),
    _inline("DecrementVariable", "name"),
    _inline("AppendToArrayVariable", "name", "value"),
    _inline("AppendToStringVariable", "name", "value"),
    _inline("Terminate", "runStatus"),
    _call("Http", "method", "uri"),
    _call("ApiConnection", "host", "method", "path"),
    _call("OpenApiConnection", "host"),
    ActionType(name="Wait", effect=Effect.WAIT),
    ActionType(name="Response", effect=Effect.RESPONSE),
    _inline("Expression"),
    _webhook("HttpWebhook", "subscribe"),
    _webhook("ApiConnectionWebhook", "host", "path"),
    _webhook("OpenApiConnectionWebhook", "host"),
    _call("Workflow", "host", missing_code="MissingChildFlow"),
    _call("SendToBatch", "host", missing_code="MissingChildFlow"),
    _call("ServiceProvider", "serviceProviderConfiguration", missing_code="MissingServiceProvider"),
    _call("Function", "function", missing_code="MissingFunction"),
    _call("ApiManagement", missing_code="MissingApiManagement"),
    *_unsupported(Effect.CALL, "InvokeFunction", "Changeset", "Agent", "McpClientTool"),
    *_unsupported(Effect.NONE, "JavaScriptCode", "CSharpScriptCode", "PowerShellCode"),
    *_unsupported(Effect.NONE, "Xslt", "XmlValidation", "XmlParse", "XmlCompose", "Liquid"),
    *_unsupported(Effect.NONE, "FlatFileEncoding", "FlatFileDecoding", "IntegrationAccountArtifactLookup"),
    *_unsupported(Effect.NONE, "SwiftMTEncode", "SwiftMTDecode", "RosettaNetEncode", "RosettaNetDecode"),
    *_unsupported(Effect.CALLBACK, "RosettaNetWaitForResponse"),
    *_unsupported(Effect.NONE, "ParseDocument", "ParseDocumentWithMetadata", "ChunkText", "ChunkTextWithMetadata"),
)

#: {type in lower case: ActionType}
ACTION_TYPES: Mapping[str, ActionType] = MappingProxyType({entry.name.lower(): entry for entry in _ALL})

#: The spellings of `kind` an action may have, {kind in lower case: canonical}.
ACTION_KINDS: Mapping[str, str] = MappingProxyType(
    {
        kind.lower(): kind
        for kind in (
            *("Http", "PowerApp", "Skills", "VirtualAgent", "PowerPages", "Agent"),
            *EXPRESSIONS,
            *("JsonToJson", "JsonToText", "XmlToJson", "XmlToText", "DataMapper"),
        )
    }
)


def action_type(name: str) -> ActionType | None:
    """The table's entry, looked up ignoring case; None for a type Flowmend has never heard of."""
    return ACTION_TYPES.get(name.lower())


def is_runnable(name: str, kind: str) -> bool:
    """Whether Flowmend runs actions of that type and kind."""
    known = action_type(name)
    if known is None or not known.is_supported:
        return False
    return known.name != "Expression" or kind in EXPRESSIONS
