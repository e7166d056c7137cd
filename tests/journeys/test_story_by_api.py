"""The story as a program tells it, with a token."""

import json
import urllib.request

from journeys.demonstration import Demonstration


def test_a_refused_password_is_verified_and_the_run_resubmitted(demo: Demonstration) -> None:
    failure = demo.fail_order("7401")

    failed = demo.get("/runs?status=Failed&limit=1")["value"][0]
    assert failed["name"] == failure.run_name
    assert failed["properties"]["error"]["code"] == "Unauthorized"
    assert failed["properties"]["failedAction"] == "Get_stock"
    assert failed["properties"]["connection"] == failure.connection_id
    actions = {one["name"]: one["properties"] for one in demo.get(f"/runs/{failure.run_name}/actions")["value"]}
    assert (actions["Get_stock"]["status"], actions["Get_stock"]["code"]) == ("Failed", "Unauthorized")
    with urllib.request.urlopen(actions["Get_stock"]["outputsLink"]["uri"], timeout=60) as answer:
        assert json.load(answer)["statusCode"] == 401

    connection = f"/connections/{failure.connection_id}"
    assert demo.get(connection)["statuses"][0]["error"]["code"] == "Unauthorized"
    refused = demo.post(f"{connection}/verify", {"parameters": {"password": "certainly-wrong"}})
    assert (refused["is_proven"], refused["is_kept"], refused["status_code"]) == (False, False, 401)
    assert demo.get(connection)["health"] == "broken"
    proven = demo.post(f"{connection}/verify", {"parameters": {"password": failure.password}})
    assert (proven["is_proven"], proven["is_kept"]) == (True, True)
    assert demo.get(connection)["health"] == "connected"

    resubmit = f"/runs/{failure.run_name}/resubmit"
    once = demo.ask("POST", resubmit, headers={"x-ms-client-request-id": "one-wish"})
    twice = demo.ask("POST", resubmit, headers={"x-ms-client-request-id": "one-wish"})
    assert once.status == 202
    assert once.headers["x-ms-workflow-run-id"] == once.body["name"] == twice.body["name"]
    ended = demo.ended(once.body["name"])
    assert (ended["status"], ended["originRun"]) == ("Succeeded", failure.run_name)
    assert demo.requests_for("7401") == {"7401-1": 1, "7401-2": 1}


def test_nothing_is_told_without_a_token(demo: Demonstration) -> None:
    for path in ("/flows", "/runs", "/connections", "/connectors"):
        assert demo.ask("GET", path, headers={"Authorization": "Bearer fm_guessed"}).status == 401
