"""Why a run failed, as a recovery asks: for a credential, or for another reason."""

from flowmend.core.errors import FlowmendError
from flowmend.core.outcome import Status
from flowmend.core.run.history import latest_records
from flowmend.use_cases.journal_pages import decode_pages
from flowmend.use_cases.ports import Services


def failure_of(services: Services, run_name: str) -> tuple[str, bool]:
    """(the code it failed with, whether a credential was refused), ("", False) where nobody knows. Errors: StoreUnavailable."""
    row = services.store.runs.get(run_name)
    if row is None:
        return "", False
    code = row.error_code or row.code or (row.status if row.status != Status.FAILED else "")
    if not row.diagnosis_category:
        return code, False
    try:
        pages = services.store.runs.pages(run_name)
        entries = decode_pages(run_name, (page for _, page in pages), services.vault)
    except FlowmendError:
        return code, False
    is_refused = any(
        one.diagnosis is not None and one.diagnosis.is_auth_failure and one.status in (Status.FAILED, Status.TIMED_OUT)
        for one in latest_records(entries).values()
    )
    return code, is_refused
