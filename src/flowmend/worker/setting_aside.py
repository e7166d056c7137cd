"""A run that cannot be read says why and is tried again later, so that nothing else waits for it."""

import logging
from datetime import timedelta
from functools import partial

from flowmend.core.errors import FlowmendError
from flowmend.core.outcome import ErrorDetail, Status
from flowmend.store.journal import ChangeRun
from flowmend.use_cases.ports import Services

_log = logging.getLogger(__name__)

_TRY_READING_AFTER = timedelta(minutes=5)


def set_aside(services: Services, run_name: str, why: ErrorDetail) -> None:
    """Let the run's row say why it does not go on, and when it is looked at again."""
    try:
        row = services.store.runs.get(run_name)
        if row is None or Status(row.status).is_terminal:
            return
        changes = {
            "status": Status.WAITING.value,
            "code": why.code,
            "error_code": why.code,
            "error_message": why.message,
            "wake_at": services.clock.now + _TRY_READING_AFTER,
        }
        services.store.journal.hand_over([ChangeRun(run_name, row.epoch, changes)], partial(_note_failure, run_name))
    except FlowmendError as error:
        _note_failure(run_name, error)


def _note_failure(run_name: str, error: BaseException | None) -> None:
    if error is not None:
        _log.error("Run %s cannot say why it does not go on: %s", run_name, error)
