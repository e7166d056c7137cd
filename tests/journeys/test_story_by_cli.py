"""The story on a terminal: find the failed run, verify the password from standard input, resubmit."""

import json

from journeys.demonstration import Demonstration


def test_a_refused_password_is_verified_and_the_run_resubmitted(demo: Demonstration) -> None:
    failure = demo.fail_order("7301")

    failed = json.loads(demo.command("runs", "list", "--status", "Failed", "--json"))[0]
    assert failed["name"] == failure.run_name
    assert failed["properties"]["error"]["code"] == "Unauthorized"
    shown = demo.command("runs", "show", failure.run_name)
    assert f"How to fix: flowmend connections verify {failure.connection_id}" in shown
    assert f"flowmend runs resubmit {failure.run_name}" in shown

    (broken,) = [one for one in json.loads(demo.command("connections", "list", "--json")) if one["health"] == "broken"]
    assert broken["id"] == failure.connection_id
    verify = ("connections", "verify", failure.connection_id, "--secrets-stdin", "--json")
    refused = json.loads(demo.command(*verify, stdin=json.dumps({"password": "certainly-wrong"}), exit_code=1))
    assert (refused["is_proven"], refused["is_kept"], refused["status_code"]) == (False, False, 401)
    assert "Needs repair" in demo.command("connections", "show", failure.connection_id)
    proven = json.loads(demo.command(*verify, stdin=json.dumps({"password": failure.password})))
    assert (proven["is_proven"], proven["is_kept"], proven["health"]) == (True, True, "connected")

    (again,) = json.loads(demo.command("runs", "resubmit", failure.run_name, "--json"))
    assert again["origin_run"] == failure.run_name
    assert demo.ended(again["name"])["status"] == "Succeeded"
    assert demo.requests_for("7301") == {"7301-1": 1, "7301-2": 1}


def test_a_secret_is_never_taken_from_an_argument(demo: Demonstration) -> None:
    connection = demo.connection("sample_orders")["id"]
    demo.command("connections", "verify", connection, "--password", "seen-by-everybody", exit_code=2)
