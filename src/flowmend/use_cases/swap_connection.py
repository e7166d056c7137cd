"""Use another connection instead: many flows' references come to mean it in one go, and no definition is edited."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from flowmend.core.errors import AskedWrongly, Conflict, NotFound
from flowmend.store.rows import ConnectionMappingRow, ConnectionRow
from flowmend.use_cases.account_check import CONFIRMATION_NEEDED
from flowmend.use_cases.begin_subscriptions import follow_connection
from flowmend.use_cases.connections import connection_row
from flowmend.use_cases.known_health import needs_repair
from flowmend.use_cases.ports import Services

#: A warning: the flows would act as somebody else, or nobody knows as whom.
ANOTHER_ACCOUNT = "AnotherAccount"


@dataclass(frozen=True, slots=True, kw_only=True)
class SwappedReference:
    """A flow's reference that means another connection from the next run on."""

    flow_id: str
    flow_name: str
    reference: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionSwap:
    """A swap, planned or made. warnings: what to think of before, as `AnotherAccount` and `NeedsRepair`."""

    old: ConnectionRow
    new: ConnectionRow
    references: tuple[SwappedReference, ...]
    warnings: tuple[str, ...]

    @property
    def flow_ids(self) -> tuple[str, ...]:
        """The flows it changes."""
        return tuple(dict.fromkeys(one.flow_id for one in self.references))


def alternatives(services: Services, row: ConnectionRow) -> list[ConnectionRow]:
    """The other connections to the same connector, those that work first, then by name."""
    others = [
        one
        for one in services.store.connections.list(connector_id=row.connector_id)
        if one.connection_id != row.connection_id
    ]
    return sorted(others, key=lambda one: (needs_repair(one.health), one.display_name.casefold()))


async def plan_swap(
    services: Services, old_id: str, new_id: str, flow_ids: Collection[str] | None = None
) -> ConnectionSwap:
    """What a swap would change. flow_ids: only these flows, None for all that use the old one.

    Errors: NotFound for a connection, or for a flow that does not use it; AskedWrongly `WrongConnector`, `SameConnection`.
    """
    old, new = connection_row(services, old_id), connection_row(services, new_id)
    if old_id == new_id:
        raise AskedWrongly("Choose another connection than the present one.", code="SameConnection", target=new_id)
    if old.connector_id != new.connector_id:
        raise AskedWrongly(
            f"{old.display_name!r} is a connection to {old.connector_id}, {new.display_name!r} one to {new.connector_id}.",
            code="WrongConnector",
            target=new_id,
        )
    mappings = _mappings(services, old, flow_ids)
    names = {flow.flow_id: flow.name for flow in services.store.flows.using(old_id)}
    warnings = []
    if old.account_name.casefold() != new.account_name.casefold() or not new.account_name:
        warnings.append(ANOTHER_ACCOUNT)
    if needs_repair(new.health):
        warnings.append("NeedsRepair")
    return ConnectionSwap(
        old=old,
        new=new,
        references=tuple(
            SwappedReference(
                flow_id=one.flow_id, flow_name=names.get(one.flow_id, one.flow_id), reference=one.reference
            )
            for one in mappings
        ),
        warnings=tuple(warnings),
    )


async def swap_connection(
    services: Services,
    old_id: str,
    new_id: str,
    *,
    person_id: str,
    flow_ids: Collection[str] | None = None,
    references: Collection[tuple[str, str]] | None = None,
    confirmed: bool = False,
) -> ConnectionSwap:
    """Let the flows use the new connection from their next run on; what waited for the old one goes on with it.

    references: exactly these, as (flow id, reference): the way back of an earlier swap. A run under way takes the new one
    with its next call. confirmed: whoever asks knows that the flows may act as another account.
    Errors: as `plan_swap`; Conflict `ConfirmationNeeded` where it is another account's or nobody knows, `MappingChanged`
    where somebody chose another meanwhile.
    """
    plan = await plan_swap(services, old_id, new_id, flow_ids)
    chosen = [one for one in plan.references if references is None or (one.flow_id, one.reference) in references]
    if not chosen:
        raise AskedWrongly(f"No flow chosen uses {plan.old.display_name!r}.", code="NothingToSwap", target=old_id)
    if ANOTHER_ACCOUNT in plan.warnings and not confirmed:
        raise Conflict(
            f"{plan.new.display_name!r} is signed in as {plan.new.account_name or 'an account not known'}, "
            f"{plan.old.display_name!r} as {plan.old.account_name or 'an account not known'}. Confirm that the flows may "
            "act as the other.",
            code=CONFIRMATION_NEEDED,
            target=new_id,
        )
    rows = [ConnectionMappingRow(flow_id=one.flow_id, reference=one.reference, connection_id=old_id) for one in chosen]
    services.store.flows.swap_mappings(rows, new_id)
    swapped = ConnectionSwap(old=plan.old, new=plan.new, references=tuple(chosen), warnings=plan.warnings)
    details = {"to": new_id, "references": [[one.flow_id, one.reference] for one in chosen]}
    services.store.audit.note(person_id, "swap_connection", old_id, details, at=services.clock.now)
    for flow_id in swapped.flow_ids:
        flow = services.store.flows.get(flow_id)
        services.changes.publish("flow", flow_id=flow_id, state=flow.state.value if flow is not None else "Off")
        await follow_connection(services, flow_id)
        services.held.wake(flow_id)
    for connection in (plan.old, plan.new):
        services.changes.publish("connection", connection_id=connection.connection_id)
    return swapped


def _mappings(
    services: Services, old: ConnectionRow, flow_ids: Collection[str] | None
) -> Sequence[ConnectionMappingRow]:
    mappings = services.store.flows.mappings_to(old.connection_id)
    if flow_ids is None:
        return mappings
    using = {one.flow_id for one in mappings}
    missing = next((flow_id for flow_id in flow_ids if flow_id not in using), None)
    if missing is not None:
        raise NotFound(f"The flow {missing} does not use {old.display_name!r}.", code="FlowNotFound", target=missing)
    return [one for one in mappings if one.flow_id in flow_ids]
