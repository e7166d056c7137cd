"""The inline authentications of several flows, each distinct one once: from each a connection is made, or found again.

Two are the same where they come to the same kind and values. One whose parameter has no value yet is the same as
another that reads the same parameter: who imports both is asked for it once.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from flowmend.core.checking.inline_authentication import (
    SettledAuthentication,
    inline_authentications,
    origin_called,
    parameters_of,
    settled_authentication,
)
from flowmend.core.connector.request import ANY_ORIGIN
from flowmend.core.definition.flow import EMPTY, Flow


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuedFlow:
    """A flow with the values it is about to have, secret ones too. kept: names, lower case, of the parameters whose
    values come from an earlier version, so that nobody who gives this one has shown to know them.

    before: the version it follows, with its values; None for a new flow. mapped: the mapping it has.
    """

    flow: Flow = field(repr=False)
    kept: frozenset[str] = frozenset()
    before: Flow | None = field(default=None, repr=False)
    mapped: Mapping[str, str] = field(default_factory=lambda: EMPTY)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInUse:
    """One step that signs in so. origin: where it calls, "*" where its runs compute that. is_known: who gives the flow
    gives the secret too. standing: the connection that the flow means by it already. outdated: the one it meant while its
    values were others; "" for none.
    """

    flow_id: str
    flow_name: str
    key: str
    step: str
    pointer: str
    origin: str
    is_known: bool
    standing: str
    outdated: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DistinctSignIn:
    """sign_in_id: by which a choice of an import means it; the same for the same files."""

    sign_in_id: str
    settled: SettledAuthentication
    uses: tuple[SignInUse, ...]

    @property
    def origins(self) -> tuple[str, ...]:
        """Where its steps call, sorted; `*` where runs compute that."""
        return tuple(sorted({use.origin for use in self.uses}))

    @property
    def is_known(self) -> bool:
        return all(use.is_known for use in self.uses)

    @property
    def standing(self) -> str:
        return next((use.standing for use in self.uses if use.standing), "")


def distinct_sign_ins(flows: Iterable[ValuedFlow]) -> tuple[DistinctSignIn, ...]:
    """Each distinct authentication of the flows that is fixed before any run, in the order they are met."""
    met: dict[str, tuple[SettledAuthentication, list[SignInUse]]] = {}
    for one in flows:
        before = _settled_by_key(one.before) if one.before is not None else {}
        for inline in inline_authentications(one.flow):
            settled = settled_authentication(one.flow, inline) if inline.key else None
            if settled is None:
                continue
            mapped, is_same = one.mapped.get(inline.key, ""), _says(before.get(inline.key), settled)
            use = SignInUse(
                flow_id=one.flow.flow_id,
                flow_name=one.flow.name,
                key=inline.key,
                step=inline.step,
                pointer=inline.pointer,
                origin=origin_called(one.flow, inline.uri) or ANY_ORIGIN,
                is_known=one.kept.isdisjoint(parameters_of(inline)),
                standing=mapped if is_same else "",
                outdated="" if is_same else mapped,
            )
            met.setdefault(_identity(settled), (settled, []))[1].append(use)
    return tuple(
        DistinctSignIn(sign_in_id=f"{uses[0].key}@{uses[0].flow_id}", settled=settled, uses=tuple(uses))
        for settled, uses in met.values()
    )


def _settled_by_key(flow: Flow) -> dict[str, SettledAuthentication]:
    found = {one.key: settled_authentication(flow, one) for one in inline_authentications(flow) if one.key}
    return {key: settled for key, settled in found.items() if settled is not None}


def _says(before: SettledAuthentication | None, now: SettledAuthentication) -> bool:
    """Whether an authentication says what it said, or says what was missing then."""
    if before is None or before == now:
        return True
    is_same = before.kind == now.kind and all(now.fields.get(name) == text for name, text in before.fields.items())
    return is_same and bool(before.missing)


def _identity(settled: SettledAuthentication) -> str:
    return json.dumps([settled.kind, dict(settled.fields), dict(settled.missing)], sort_keys=True)
