"""A backup of a Flowmend at work, restored: consistent, standing still, and then going on as after a crash."""

import asyncio
from pathlib import Path

import pytest

from flowmend.assembly import database_url
from flowmend.core.outcome import Status
from flowmend.core.run.transitions import fold
from flowmend.store import open_store
from flowmend.store.after_restore import RESTORED_CODE
from flowmend.store.backup import check_backup, make_backup, restore_backup
from flowmend.store.rows import FlowState
from flowmend.use_cases.after_restore import backup_state, go_on_after_restore
from flowmend.use_cases.approvals import tell_untold
from flowmend.use_cases.cancel_run import cancel_run
from flowmend.use_cases.flows import turn_off
from flowmend.use_cases.journal_pages import decode_pages, decode_start
from flowmend.use_cases.reseal import reseal
from flowmend.use_cases.sealed_credentials import open_credential
from flowmend.use_cases.sealed_places import count_by_key
from flowmend.vault import open_vault
from running import LocalServer, Open, Running, after
from worker import test_approvals, test_webhook_actions
from worker.signed_urls import ask

STEPS = {
    "One": {"type": "Compose", "inputs": "@triggerBody()"},
    "Rest": {"type": "Wait", "inputs": {"interval": {"count": 1, "unit": "Day"}}, "runAfter": {"One": ["Succeeded"]}},
    "Two": {"type": "Compose", "inputs": "@outputs('One')", "runAfter": {"Rest": ["Succeeded"]}},
}
both_databases = pytest.mark.parametrize("database", ["sqlite", "postgresql"], indirect=True)
QUICK = {"One": {"type": "Compose", "inputs": "@triggerBody()"}}


def backed_up(running: Running, folder: Path) -> Path:
    now = running.clock.now
    url = database_url(running.services.settings)
    return make_backup(url, folder / "a.backup", made_at=now).path


@both_databases
async def test_a_backup_under_load_holds_what_was_accepted_before_and_every_journal_folds(
    open_flowmend: Open, tmp_path: Path
) -> None:
    running = await open_flowmend()
    flow_id = await running.add_flow(QUICK)
    accepted = {(await running.call(flow_id, {"n": number})).run_name for number in range(40)}
    making = asyncio.create_task(asyncio.to_thread(backed_up, running, tmp_path))
    while not making.done():
        await running.call(flow_id, {"n": -1})
    path = await making

    url = f"sqlite:///{tmp_path / 'restored.db'}"
    restore_backup(url, check_backup(path), at=running.clock.now, replace=False, go_on=True)
    store, vault = open_store(url), running.services.vault
    loaded = running.services.flows.latest(flow_id)
    kept, _ = store.runs.list(limit=100_000)
    assert accepted <= {row.run_name for row in kept}
    for head in kept:
        row = store.runs.get(head.run_name)
        assert row is not None
        entries = decode_pages(row.run_name, (page for _, page in store.runs.pages(row.run_name)), vault)
        state = fold(loaded.compiled, decode_start(row.start, vault, loaded.parameters), entries)
        assert (state.end is not None) == Status(row.status).is_terminal
        assert store.trigger_events.get(row.run_name) is not None
    store.close()


@both_databases
async def test_what_was_restored_waits_and_goes_on_when_told(open_flowmend: Open, tmp_path: Path) -> None:
    running = await open_flowmend()
    flow_id = await running.add_flow(STEPS)
    off = await running.add_flow(QUICK, name="off", is_on=False)
    run_name = (await running.call(flow_id, {"order": 1})).run_name
    await running.reached(run_name, lambda row: row.wake_at is not None)
    path = backed_up(running, tmp_path)
    await running.stop()

    url = database_url(running.services.settings)
    restore_backup(url, check_backup(path), at=running.clock.now, replace=True, go_on=False)
    again = await open_flowmend()
    again.clock.move(days=2)
    await again.settled()

    assert again.run(run_name).code == RESTORED_CODE  # its delay is over, and still it waits
    state = backup_state(again.services)
    assert ([name for _, name in state.flows], state.runs, state.stands_still) == (["flow"], 1, True)
    went_on = await go_on_after_restore(again.services, again.owner)
    assert (went_on.flows, went_on.runs, went_on.stay_off) == (1, 1, [])
    ended = await again.ended(run_name)
    assert (ended.status, ended.code) == ("Succeeded", "")
    assert not backup_state(again.services).stands_still
    states = {row.flow_id: row.state for row in again.services.store.flows.list()}
    assert states == {flow_id: FlowState.ON, off: FlowState.OFF}
    await turn_off(again.services, flow_id, again.owner)  # this is a decision of today's
    assert not backup_state(again.services).stands_still
    again_went_on = await go_on_after_restore(again.services, again.owner)
    assert (again_went_on.flows, again_went_on.runs) == (0, 0)


async def test_nobody_wakes_a_restored_run_before_it_is_let_go_on(
    open_flowmend: Open, local_server: LocalServer, tmp_path: Path
) -> None:
    hooks = test_webhook_actions.Hooks()
    origin = await local_server(hooks.answer)
    running = await test_webhook_actions.opened(open_flowmend, origin)
    run_name, url = await test_webhook_actions.started(running, origin, hooks)
    path = backed_up(running, tmp_path)
    await running.stop()
    restore_backup(
        database_url(running.services.settings), check_backup(path), at=running.clock.now, replace=True, go_on=False
    )
    again = await test_webhook_actions.opened(open_flowmend, origin)

    status, headers, _ = await ask(again, "POST", url, {"n": 1})

    assert (status, headers["retry-after"]) == (503, "300")
    assert again.run(run_name).code == RESTORED_CODE
    await go_on_after_restore(again.services, again.owner)
    assert (await ask(again, "POST", url, {"n": 1}))[0] == 200
    assert (await again.ended(run_name)).status == "Succeeded"


async def test_an_approval_of_a_restored_run_is_kept_and_told_when_it_goes_on(
    open_flowmend: Open, tmp_path: Path
) -> None:
    running = await open_flowmend()
    actions = {"Ask": test_approvals.ask(), "Read": after(test_approvals.READ, "Ask")}
    flow_id = await test_approvals.asking(running, actions)
    run_name = (await running.call(flow_id)).run_name
    (row,) = await test_approvals.asked(running)
    await running.at_rest()
    path = backed_up(running, tmp_path)
    await running.stop()
    restore_backup(
        database_url(running.services.settings), check_backup(path), at=running.clock.now, replace=True, go_on=False
    )
    again = await open_flowmend()

    await test_approvals.answer(again, row)

    assert again.run(run_name).code == RESTORED_CODE
    await go_on_after_restore(again.services, again.owner)
    await tell_untold(again.services)
    assert (await again.ended(run_name)).status == "Succeeded"


@both_databases
async def test_a_restored_run_can_be_cancelled_instead(open_flowmend: Open, tmp_path: Path) -> None:
    running = await open_flowmend()
    flow_id = await running.add_flow(STEPS)
    run_name = (await running.call(flow_id)).run_name
    await running.reached(run_name, lambda row: row.wake_at is not None)
    path = backed_up(running, tmp_path)
    await running.stop()
    url = database_url(running.services.settings)
    restore_backup(url, check_backup(path), at=running.clock.now, replace=True, go_on=False)
    again = await open_flowmend()
    await cancel_run(again.services, run_name, person_id=again.owner)
    assert (await again.ended(run_name)).status == "Cancelled"
    assert backup_state(again.services).runs == 0


@both_databases
async def test_keys_are_rotated_while_a_server_works_and_every_call_goes_on(
    open_flowmend: Open, tmp_path: Path
) -> None:
    running = await open_flowmend()
    connection_id = await running.connect()
    flow_id = await running.add_flow(QUICK)
    store = open_store(database_url(running.services.settings))
    other = open_vault(running.services.settings.data)
    (old,) = other.key_ids
    before = count_by_key(store)

    other.rotate()
    done = reseal(store, other)

    assert done.unreadable == {}
    assert dict(done.done) == before[old]
    assert count_by_key(store) == {other.key_ids[0]: before[old]}
    assert reseal(store, other).done == {}
    store.close()
    running.services.flows.forget(flow_id)
    await running.ended((await running.call(flow_id, {"n": 1})).run_name)  # its access key is read anew
    assert open_credential(running.services.vault, running.connection(connection_id)) is not None
    assert running.services.vault.key_ids[0] == other.key_ids[0]
