"""What steps call that is not there: a function or API without an address, a sign-in nobody built yet."""

from collections.abc import Collection

from flowmend.core.checking.declared_addresses import declared_address
from flowmend.core.checking.inline_authentication import KNOWN_KINDS, awaits_template, inline_authentications
from flowmend.core.definition.action_types import action_type
from flowmend.core.definition.findings import Findings
from flowmend.core.definition.flow import Action, Flow
from flowmend.core.definition.json_pointer import pointer_to


def check_missing_hosts(flow: Flow, findings: Findings, *, signed_in: Collection[str] = ()) -> None:
    """Report calls whose address is nowhere, and inline sign-ins that need something or are of no kind Flowmend knows.

    signed_in: the keys of those that a connection was made of.
    """
    for action in flow.definition.walk():
        _check_address(flow, action, findings)
    for inline in inline_authentications(flow):
        if inline.kind and inline.kind.lower() not in KNOWN_KINDS:
            findings.warning(
                "MissingSignIn",
                inline.pointer,
                f"'{inline.step}' signs in by {inline.kind}, which Flowmend cannot do; its calls will fail.",
                "Use Basic, ClientCertificate, ActiveDirectoryOAuth, ManagedServiceIdentity or Raw.",
            )
        elif inline.kind.lower() == "managedserviceidentity" and inline.key not in signed_in:
            findings.warning(
                "MissingSignIn",
                inline.pointer,
                f"'{inline.step}' signs in as the managed identity of the place it came from, which is not here.",
                "Register a sign-in app with the same permissions, and keep it as the one for managed identities.",
            )
        elif inline.kind and not inline.key and not awaits_template(flow, inline.written):
            findings.info(
                "InlineAuthenticationKept",
                inline.pointer,
                f"What '{inline.step}' signs in with comes with each run, so no connection is made of it.",
                "To have it watched and mended as a connection, write it with parameters.",
            )


def _check_address(flow: Flow, action: Action, findings: Findings) -> None:
    known, declared = action_type(action.type), declared_address(flow, action)
    if known is None or declared is None or declared.address:
        return
    findings.warning(
        known.missing_code,
        pointer_to(action.pointer, "inputs"),
        f"'{action.name}' of type {action.type} calls '{declared.called.rpartition('/')[2] or '?'}', whose address is nowhere in the file.",
        f"Give '{declared.field}' in the connections of the app the flow comes from, or call it with an Http action.",
    )
