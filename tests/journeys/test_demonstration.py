"""`flowmend demo` from nothing: its story told, and everything still there after a restart."""

import re
from pathlib import Path

from journeys.demonstration import Demonstration


def test_a_newcomer_finds_the_failed_run_and_may_come_back(tmp_path: Path) -> None:
    demo = Demonstration(tmp_path / "data")
    try:
        demo.start()
        demo.wait_for_story()
        told = demo.log
        (failed_run,) = re.findall(rf"{re.escape(demo.url)}/runs/(\w+)", told)
        failed = demo.get(f"/runs/{failed_run}")["properties"]
        assert (failed["status"], failed["error"]["code"]) == ("Failed", "Unauthorized")
        assert f"Enter the new password  {demo.password}" in told
        assert demo.requests_for("4710") == {"4710-1": 1, "4710-2": 1}
        assert demo.requests_for("4711") == {}
        names = [run["name"] for run in demo.get("/runs")["value"]]
        demo.stop()

        demo.start()
        assert [run["name"] for run in demo.get("/runs")["value"]] == names
        assert demo.connection("sample_orders")["health"] == "broken"
    finally:
        demo.stop()
    assert "Traceback" not in demo.log
