"""Our own settings of a flow.

What it does while a connection is broken belongs to its definition, so that it travels with it: to change it is a new
version. How long things are kept is this Flowmend's own affair.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from flowmend.core.definition.own_settings import own_setting, with_own_setting
from flowmend.core.errors import AskedWrongly
from flowmend.core.json_value import Json
from flowmend.use_cases.edit_flow import change_document
from flowmend.use_cases.flows import flow_row
from flowmend.use_cases.held_days import HELD_DAYS, chosen_held_days, held_days
from flowmend.use_cases.history import HISTORY_DAYS, MOST_DAYS, chosen_days, history_days
from flowmend.use_cases.loaded_flows import FAIL, HOLD_AT_ACTION, HOLD_EVENTS
from flowmend.use_cases.ports import Services

ON_BROKEN_CONNECTION = "onBrokenConnection"
CHOICES = (HOLD_EVENTS, FAIL, HOLD_AT_ACTION)


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowSettings:
    """on_broken: what holds. on_broken_is_chosen: somebody said so; else it is what fits a flow that answers its caller, or
    one that does not. held_days, history_days: 0 for ever; *_is_chosen: for this flow alone.
    """

    on_broken: str
    on_broken_is_chosen: bool
    answers_caller: bool
    held_days: int
    held_days_is_chosen: bool
    history_days: int
    history_days_is_chosen: bool


def read_settings(services: Services, flow_id: str) -> FlowSettings:
    """Errors: NotFound; InvalidDocument for a flow that does not read."""
    loaded = services.flows.latest(flow_id)
    row = loaded.row
    is_chosen = own_setting(loaded.flow.definition.metadata, ON_BROKEN_CONNECTION) is not None
    return FlowSettings(
        on_broken=loaded.on_broken_connection,
        on_broken_is_chosen=is_chosen or ON_BROKEN_CONNECTION in (row.settings or {}),
        answers_caller=loaded.answers_caller,
        held_days=held_days(services, row),
        held_days_is_chosen=chosen_held_days(row) is not None,
        history_days=history_days(services, row),
        history_days_is_chosen=chosen_days(row) is not None,
    )


async def change_settings(services: Services, flow_id: str, settings: Mapping[str, Json], person_id: str) -> None:
    """Change these settings of a flow, each by its name; None makes it as if nothing had been chosen.

    Errors: NotFound; AskedWrongly `InvalidSetting` naming the setting, then nothing is changed; Conflict as for an edit.
    """
    row = flow_row(services, flow_id)
    for name, value in settings.items():
        _CHECKS.get(name, _refuse_unknown)(name, value)
    own = dict(settings)
    if ON_BROKEN_CONNECTION in own:
        await _choose_on_broken(services, flow_id, own.pop(ON_BROKEN_CONNECTION), person_id)
        row = flow_row(services, flow_id)
    if own:
        kept = {**(row.settings or {}), **own}
        kept = {name: value for name, value in kept.items() if value is not None}
        services.store.flows.change(flow_id, settings=kept)
        services.store.audit.note(person_id, "change_settings", flow_id, own, at=services.clock.now)
        services.changes.publish("flow", flow_id=flow_id, state=row.state.value)


async def _choose_on_broken(services: Services, flow_id: str, choice: Json, person_id: str) -> None:
    row = flow_row(services, flow_id)
    if ON_BROKEN_CONNECTION in (row.settings or {}):  # chosen when it was kept beside the definition
        kept = {name: value for name, value in row.settings.items() if name != ON_BROKEN_CONNECTION}
        services.store.flows.change(flow_id, settings=kept)
        services.changes.publish("flow", flow_id=flow_id, state=row.state.value)
    await change_document(
        services,
        flow_id,
        lambda document: with_own_setting(document, ON_BROKEN_CONNECTION, choice),
        person_id,
        verb="change_settings",
    )
    services.held.wake(flow_id)


def _check_choice(name: str, value: Json) -> None:
    if value is not None and value not in CHOICES:
        raise _invalid(name, value, "is holdEvents, fail or holdAtAction, or null for what fits the flow")


def _check_days(name: str, value: Json) -> None:
    is_number = isinstance(value, int) and not isinstance(value, bool)
    if value is not None and not (is_number and 0 <= value <= MOST_DAYS):
        raise _invalid(name, value, f"is a number of days up to {MOST_DAYS}, 0 for ever, or null for that of all flows")


def _refuse_unknown(name: str, value: Json) -> None:
    known = ", ".join(_CHECKS)
    raise _invalid(name, value, f"is no setting of a flow; there are {known}")


def _invalid(name: str, value: Json, wanted: str) -> AskedWrongly:
    return AskedWrongly(f"{name!r} takes no value {value!r}: it {wanted}.", code="InvalidSetting", target=name)


_CHECKS: Mapping[str, Callable[[str, Json], None]] = MappingProxyType(
    {ON_BROKEN_CONNECTION: _check_choice, HISTORY_DAYS: _check_days, HELD_DAYS: _check_days}
)
