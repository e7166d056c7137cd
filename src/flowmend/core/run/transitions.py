"""How one journal entry changes where the run stands; the only code that changes it.

`decide` and recovery share it, so a state read back from the journal is the state that wrote it. Counters
say when an action may start and when a branch is through; nothing is searched for.
"""

from collections.abc import Iterable
from itertools import islice

from flowmend.core.json_value import Json
from flowmend.core.outcome import ErrorDetail, Status
from flowmend.core.run.compiling import Branch, CompiledFlow, Node
from flowmend.core.run.leaves import branch_failed
from flowmend.core.run.record import (
    ActionKey,
    ActionRecord,
    CancelRecord,
    EndRecord,
    Entry,
    OverdueRecord,
    RunStart,
)
from flowmend.core.run.state import Ending, OpenBranch, OpenLoop, Repetition, RunState, Skip
from flowmend.core.run.terminate import read_ending
from flowmend.core.run.variables import apply_to_variables

_RUNNING = Status.RUNNING
_SUCCEEDED = Status.SUCCEEDED
_RUN_TIMED_OUT = ErrorDetail("WorkflowRunTimedOut", "The run timed out: it took longer than its flow's runs may take.")


def new_state(compiled: CompiledFlow, start: RunStart) -> RunState:
    """A run of which nothing has happened yet: its first actions are ready."""
    root = OpenBranch(
        branch=compiled.root,
        repetition=(),
        owner_key=None,
        remaining=len(compiled.root.nodes),
        waiting=list(compiled.root.waits),
    )
    state = RunState(compiled=compiled, start=start, root=root, has_caller=start.is_synchronous)
    state.branches[compiled.root.number, ()] = root
    for node in compiled.root.starts:
        state.ready[node.name, ()] = node
    for kept in start.kept_keys:
        state.kept_keys[kept.action, kept.repetition] = kept.key
    return state


def fold(compiled: CompiledFlow, start: RunStart, entries: Iterable[Entry]) -> RunState:
    """The state that a run's journal tells, entries in their order.

    What a resumed run took over is not replayed, it is taken as it stands: its order of events is another run's.
    Errors: KeyError where the journal belongs to another version of the flow.
    """
    state = new_state(compiled, start)
    remaining = iter(entries)
    if start.taken_over:
        _take_over(state, islice(remaining, start.taken_over))
    for entry in remaining:
        apply(state, entry)
    return state


def apply(state: RunState, entry: Entry) -> None:
    """Changes `state` by one entry."""
    if isinstance(entry, ActionRecord):
        _apply_action(state, entry)
    elif isinstance(entry, EndRecord):
        state.end = entry
    elif isinstance(entry, CancelRecord):
        state.ending = Ending(status=Status.CANCELLED, code="", error=None)
        _close_everything(state)
    elif isinstance(entry, OverdueRecord):
        state.ending = Ending(status=Status.TIMED_OUT, code=_RUN_TIMED_OUT.code, error=_RUN_TIMED_OUT)
        _close_everything(state)
    else:
        state.has_responded = True


def _apply_action(state: RunState, record: ActionRecord) -> None:
    node = state.compiled.nodes[record.name]
    key = (record.name, record.repetition)
    previous = state.records.get(key)
    state.records[key] = record
    state.ready.pop(key, None)
    if record.status.is_terminal:
        if previous is not None:
            state.unfinished.pop(key, None)
        if node.is_container:
            _close_container(state, node, key, record, was_open=previous is not None)
        elif record.status is _SUCCEEDED:
            _apply_effect(state, node, record)
        _count_end(state, node, record)
    else:
        state.unfinished[key] = record
        if key in state.held_back:
            state.held_back.remove(key)
            _reopen_container(state, node, key, record)
        elif node.is_container and record.status is _RUNNING:
            _open_container(state, node, key, record)


def _apply_effect(state: RunState, node: Node, record: ActionRecord) -> None:
    if node.type.endswith("Variable"):
        apply_to_variables(state.variables, node.type, record)
    elif node.type == "Response":
        state.has_responded = True
    elif node.type == "Terminate":
        state.ending = read_ending(record.inputs)
        _close_everything(state)


# -- an action came to its end ------------------------------------------------------------------------


def _count_end(state: RunState, node: Node, record: ActionRecord) -> None:
    opened = state.branches[node.branch.number, record.repetition]
    opened.remaining -= 1
    if opened.skip is None and opened.waiting[node.index] == 0:
        _let_follow(state, opened, node)
    if opened.remaining == 0 and opened.owner_key is not None:
        _close_branch(state, opened)


def _let_follow(state: RunState, opened: OpenBranch, ended: Node) -> None:
    """Makes ready what waited for an action, also over what an earlier run had finished behind it."""
    through = [ended]
    while through:
        for follower in through.pop().dependents:
            opened.waiting[follower.index] -= 1
            if opened.waiting[follower.index] > 0:
                continue
            key = (follower.name, opened.repetition)
            record = state.records.get(key)
            if record is None:
                state.ready[key] = follower
            elif record.status.is_terminal:
                through.append(follower)
            elif key in state.held_back:
                state.ready[key] = follower


def _close_branch(state: RunState, opened: OpenBranch) -> None:
    del state.branches[opened.branch.number, opened.repetition]
    owner, owner_key = opened.branch.owner, opened.owner_key
    if opened.skip is not None or owner is None or owner_key is None:
        return
    loop = state.loops.get(owner_key)
    if loop is None:
        state.ready[owner_key] = owner
        return
    loop.open_count -= 1
    has_failed = branch_failed(state.records, opened.branch, opened.repetition)
    if owner.type == "Until":
        loop.has_failed = has_failed  # only the last iteration's status counts (wdl.md §6)
        state.ready[owner_key] = owner
        return
    loop.has_failed = loop.has_failed or has_failed
    _open_iterations(state, owner, owner_key, loop)


# -- a container begins, goes on, ends --------------------------------------------------------------------


def _open_container(state: RunState, node: Node, key: ActionKey, record: ActionRecord) -> None:
    details = record.details or {}
    if node.type == "Foreach":
        items: Json = details.get("items", record.inputs)
        loop = state.loops[key] = OpenLoop(items=items)
        _open_iterations(state, node, key, loop)
    elif node.type == "Until":
        loop = state.loops.setdefault(key, OpenLoop(items=[]))
        loop.next_index = details["iteration"]
        _open_iteration(state, node, key, loop)
    else:
        taken = details["branch"]
        for branch in node.branches:
            skip = None if branch.name == taken else Skip.BRANCH_NOT_TAKEN
            _open_branch(state, branch, key[1], key, skip)
        if not any(branch.name == taken and branch.nodes for branch in node.branches):
            state.ready[key] = node


def _open_iterations(state: RunState, node: Node, key: ActionKey, loop: OpenLoop) -> None:
    """Opens as many iterations of a Foreach as may run at once; it is through where none is open then."""
    if not node.branches[0].nodes:
        loop.next_index = len(loop.items)
    while loop.open_count < node.concurrency:
        if loop.again:
            index = loop.again.pop(0)
        elif loop.next_index < len(loop.items):
            index = loop.next_index
            loop.next_index += 1
        else:
            break
        repetition = (*key[1], index)
        if not state.start.taken_over:
            _open_branch(state, node.branches[0], repetition, key, None)
        elif not _reopen_branch(state, node.branches[0], repetition, key, None):
            continue  # an earlier run was through with it
        loop.open_count += 1
    if loop.open_count == 0:
        state.ready[key] = node


def _open_iteration(state: RunState, node: Node, key: ActionKey, loop: OpenLoop) -> None:
    repetition = (*key[1], loop.next_index)
    loop.next_index += 1
    loop.open_count += 1
    branch = node.branches[0]
    if branch.nodes:
        _open_branch(state, branch, repetition, key, None)
    else:
        loop.open_count -= 1
        state.ready[key] = node


def _open_branch(
    state: RunState, branch: Branch, repetition: Repetition, owner_key: ActionKey, skip: Skip | None
) -> None:
    if not branch.nodes:
        return
    state.branches[branch.number, repetition] = OpenBranch(
        branch=branch,
        repetition=repetition,
        owner_key=owner_key,
        remaining=len(branch.nodes),
        waiting=list(branch.waits),
        skip=skip,
    )
    for node in branch.starts if skip is None else branch.nodes:
        state.ready[node.name, repetition] = node


def _close_container(state: RunState, node: Node, key: ActionKey, record: ActionRecord, *, was_open: bool) -> None:
    state.loops.pop(key, None)
    if not was_open:
        if record.status is not _SUCCEEDED:
            skip = Skip.ENDED if record.code == "Terminated" else Skip.CONTAINER_DID_NOT_RUN
            for branch in node.branches:
                _open_branch(state, branch, record.repetition, key, skip)
    elif record.status is Status.TIMED_OUT:
        depth = len(record.repetition)
        for opened in tuple(state.branches.values()):
            is_inside = any(branch.contains(opened.branch) for branch in node.branches)
            if is_inside and opened.repetition[:depth] == record.repetition:
                _end_branch(state, opened)


def _close_everything(state: RunState) -> None:
    for opened in tuple(state.branches.values()):
        _end_branch(state, opened)


def _end_branch(state: RunState, opened: OpenBranch) -> None:
    if opened.skip is not None:
        return  # its actions are being skipped already, for the reason they have
    opened.skip = Skip.ENDED
    for node in opened.branch.nodes:
        key = (node.name, opened.repetition)
        record = state.records.get(key)
        if record is None or not record.status.is_terminal:
            state.ready[key] = node


# -- what an earlier run finished is taken over ----------------------------------------------------------


def _take_over(state: RunState, entries: Iterable[Entry]) -> None:
    """The state after another run's records: its counters are those of what is left to do."""
    for entry in entries:
        if not isinstance(entry, ActionRecord):
            continue
        key = (entry.name, entry.repetition)
        node = state.compiled.nodes[entry.name]
        state.records[key] = entry
        if not entry.status.is_terminal:
            state.unfinished[key] = entry
            continue
        state.unfinished.pop(key, None)
        if entry.status is _SUCCEEDED and not node.is_container:
            _apply_effect(state, node, entry)
    state.ready.clear()
    state.branches.clear()
    root = state.root
    _count_what_is_left(state, root)
    state.branches[root.branch.number, ()] = root
    _make_ready(state, root)


def _reopen_branch(
    state: RunState, branch: Branch, repetition: Repetition, owner_key: ActionKey, skip: Skip | None
) -> bool:
    """Opens a branch of which an earlier run finished a part; False where nothing of it is left to do."""
    opened = OpenBranch(
        branch=branch,
        repetition=repetition,
        owner_key=owner_key,
        remaining=len(branch.nodes),
        waiting=list(branch.waits),
        skip=skip,
    )
    _count_what_is_left(state, opened)
    if not opened.remaining:
        return False
    state.branches[branch.number, repetition] = opened
    _make_ready(state, opened)
    return True


def _count_what_is_left(state: RunState, opened: OpenBranch) -> None:
    """Counts what has no end yet; an action with one is passed over only once all before it has one too."""
    for node in opened.branch.in_order():
        record = state.records.get((node.name, opened.repetition))
        if record is None or not record.status.is_terminal:
            continue
        opened.remaining -= 1
        if opened.waiting[node.index] == 0:
            for follower in node.dependents:
                opened.waiting[follower.index] -= 1


def _make_ready(state: RunState, opened: OpenBranch) -> None:
    for node in opened.branch.nodes:
        key = (node.name, opened.repetition)
        record = state.records.get(key)
        must_wait = opened.skip is None and opened.waiting[node.index] > 0
        if record is None:
            if not must_wait:
                state.ready[key] = node
        elif node.is_container and record.status is _RUNNING:
            if must_wait and not _holds_call_under_way(state, node, opened.repetition):
                state.held_back.add(key)
            else:
                _reopen_container(state, node, key, record)


def _holds_call_under_way(state: RunState, container: Node, repetition: Repetition) -> bool:
    depth = len(repetition)
    for name, at in state.unfinished:
        node = state.compiled.nodes[name]
        is_inside = any(branch.contains(node.branch) for branch in container.branches)
        if not node.is_container and at[:depth] == repetition and is_inside:
            return True
    return False


def _reopen_container(state: RunState, node: Node, key: ActionKey, record: ActionRecord) -> None:
    details = record.details or {}
    if node.type == "Foreach":
        items: Json = details.get("items", record.inputs)
        loop = OpenLoop(
            items=items,
            next_index=details.get("begun", 0),
            again=list(details.get("again", ())),
        )
        state.loops[key] = loop
        _open_iterations(state, node, key, loop)
    elif node.type == "Until":
        loop = state.loops[key] = OpenLoop(items=[], next_index=details["iteration"] + 1, open_count=1)
        repetition = (*key[1], details["iteration"])
        if not _reopen_branch(state, node.branches[0], repetition, key, None):
            loop.open_count = 0
            loop.has_failed = branch_failed(state.records, node.branches[0], repetition)
            state.ready[key] = node
    else:
        is_open = False
        for branch in node.branches:
            is_taken = branch.name == details["branch"]
            left = _reopen_branch(state, branch, key[1], key, None if is_taken else Skip.BRANCH_NOT_TAKEN)
            is_open = is_open or (is_taken and left)
        if not is_open:
            state.ready[key] = node
