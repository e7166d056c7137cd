"""Messages as the API and the command line show them."""

from datetime import UTC, datetime

import pytest

from flowmend.api.shapes.message import message_shape
from flowmend.store.notice_rows import NoticeKind, NoticeRow
from flowmend.use_cases.notice_facts import PlanFacts, as_json

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(("stop_code", "kind"), [("", "repaired"), ("FailuresInARow", "stopped")])
def test_a_plan_that_stopped_by_itself_is_not_called_repaired(stop_code: str, kind: str) -> None:
    facts = PlanFacts(plan_id="p", name="Orders", succeeded=0, failed=3, left=9, stop_code=stop_code)
    notice = NoticeRow(notice_id="n", kind=NoticeKind.REPAIRED, subject="p", facts=as_json(facts), at=NOON)
    assert message_shape(notice, []).kind == kind
