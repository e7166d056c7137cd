"""The services that come along as data: what each operation, in either spelling, asks of its public API."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import pytest

from flowmend.core.connector import Connector, HttpRequest, UnbuildableRequest, build_path_request, build_request
from flowmend.core.connector.answer_policies import changed_answer, failure_in
from flowmend.core.connector.openapi import read_connector
from flowmend.core.connector.scopes import scopes_lacking
from flowmend.core.outcome import ErrorDetail
from flowmend.use_cases.built_in_connectors import built_in_connector

SERVICES = (
    *("office365", "office365users", "teams", "sharepointonline", "azuresentinel", "azuremonitorlogs"),
    *("azureloganalyticsdatacollector", "commondataserviceforapps", "commondataservice", "github", "slack"),
)
KEY = "11111111-2222-4333-8444-555555555555"
SITE = {"baseUrl": "https://new.sharepoint.com", "formerHosts": "old.sharepoint.com"}
DATAVERSE = {"baseUrl": "https://o.crm.dynamics.com"}
LOGS = {
    "subscriptions": "s",
    "resourcegroups": "r",
    "resourcetype": "Log Analytics Workspace",
    "resourcename": "w",
    "timerange": "Last 24 hours",
}
INCIDENT = "/subscriptions/s/incidents/i"


def service(connector_id: str) -> Connector:
    row = built_in_connector(connector_id)
    assert row is not None
    reading = read_connector(row.definition, row.properties, connector_id=connector_id)
    assert reading.problems == ()
    assert reading.connector is not None
    return reading.connector


def named(connector_id: str, operation_id: str, arguments: Mapping[str, Any], **connection: Any) -> Any:
    connector = service(connector_id)
    operation = connector.operation(operation_id)
    assert operation is not None
    return build_request(connector, operation, arguments, connection, key=KEY)


def written(
    connector_id: str, method: str, path: str, connection: Mapping[str, Any] | None = None, **parts: Any
) -> Any:
    return build_path_request(service(connector_id), method, path, connection or {}, key=KEY, **parts)


def twice(text: str) -> str:
    return quote(quote(text, safe=""), safe="")


@pytest.mark.parametrize("connector_id", SERVICES)
def test_every_operation_of_a_service_reads(connector_id: str) -> None:
    connector = service(connector_id)
    assert connector.operations
    assert [one for one in connector.operations.values() if one.unsupported] == []


@pytest.mark.parametrize(
    ("request_", "asked"),
    [
        (
            named("office365", "SendEmailV2", {"emailMessage/To": "a@b"}),
            "POST https://graph.microsoft.com/v1.0/me/sendMail",
        ),
        (
            written("office365", "post", "/v2/Mail", body={"To": "a@b"}),
            "POST https://graph.microsoft.com/v1.0/me/sendMail",
        ),
        (
            named("office365", "OnNewEmailV3", {"folderPath": "Inbox"}),
            "GET https://graph.microsoft.com/v1.0/me/mailFolders/Inbox/messages/delta",
        ),
        (
            named("office365users", "UserProfile_V2", {"id": "a@b", "$select": "id, mail"}),
            "GET https://graph.microsoft.com/v1.0/users/a%40b?$select=id%2Cmail",
        ),
        (
            written("azuresentinel", "post", "/Incidents/Comment", body={"incidentArmId": INCIDENT, "message": "m"}),
            f"PUT https://management.azure.com{INCIDENT}/comments/{KEY}?api-version=2024-03-01",
        ),
        (
            written("azuremonitorlogs", "post", "/queryData", queries=LOGS, body="T"),
            (
                "POST https://api.loganalytics.azure.com/v1/subscriptions/s/resourceGroups/r/providers/"
                "Microsoft.OperationalInsights/workspaces/w/query"
            ),
        ),
        (
            named("commondataserviceforapps", "GetItem", {"entityName": "accounts", "recordId": "1"}, **DATAVERSE),
            "GET https://o.crm.dynamics.com/api/data/v9.2/accounts(1)",
        ),
        (
            named(
                "sharepointonline",
                "GetItems",
                {"dataset": "https://old.sharepoint.com/sites/T", "table": "It's"},
                **SITE,
            ),
            "GET https://new.sharepoint.com/sites/T/_api/web/lists/getbytitle('It''s')/items?$select=%2A",
        ),
        (
            written(
                "sharepointonline",
                "patch",
                f"/datasets/{twice('https://new.sharepoint.com/sites/T')}/tables/{twice(KEY)}/items/5",
                SITE,
                body={"Title": "t"},
            ),
            f"POST https://new.sharepoint.com/sites/T/_api/web/lists(guid'{KEY}')/items(5)",
        ),
        (
            named("github", "GetRepositoryById", {"repositoryId": "5"}, api_key="k"),
            "GET https://api.github.com/repositories/5",
        ),
        (
            written("slack", "post", "/chat.postMessage", queries={"channel": "C", "text": "t"}),
            "POST https://slack.com/api/chat.postMessage",
        ),
    ],
)
def test_an_operation_asks_the_services_public_api(request_: Any, asked: str) -> None:
    assert isinstance(request_, HttpRequest), request_
    assert f"{request_.method} {request_.url}" == asked


def test_a_mail_has_a_recipient_for_each_address() -> None:
    made = named("office365", "SendEmailV2", {"emailMessage/To": "a@b; c@d;", "emailMessage/Importance": "High"})
    message = json.loads(made.body)["message"]
    assert [one["emailAddress"]["address"] for one in message["toRecipients"]] == ["a@b", "c@d"]
    assert (message["importance"], "from" in message) == ("high", False)


def test_a_site_or_environment_of_another_server_is_refused() -> None:
    elsewhere = named(
        "sharepointonline", "GetItems", {"dataset": "https://x.sharepoint.com/sites/T", "table": "L"}, **SITE
    )
    assert isinstance(elsewhere, UnbuildableRequest)
    other = {"organization": "https://x.crm.dynamics.com", "entityName": "accounts"}
    assert isinstance(
        named("commondataserviceforapps", "ListRecordsWithOrganization", other, **DATAVERSE), UnbuildableRequest
    )


def test_entities_are_sorted_without_asking_anybody() -> None:
    listed = [{"kind": "Ip", "properties": {"address": "192.0.2.1"}}, {"kind": "Host", "properties": {"hostName": "h"}}]
    made = written("azuresentinel", "post", "/entities/ip", body=listed)
    assert json.loads(made.answer) == {"IPs": [{"Address": "192.0.2.1", "Type": "ip"}]}
    told = written("azuresentinel", "post", "/entities/host", body='[{"HostName":"h","Type":"host"}]')
    assert json.loads(told.answer) == {"Hosts": [{"HostName": "h", "Type": "host"}]}


def test_choice_and_lookup_columns_are_written_as_sharepoint_takes_them() -> None:
    item = {"item/Title": "t", "item/Status/Value": "Done", "item/Room/Id": 4}
    place = {"dataset": "https://new.sharepoint.com/sites/T", "table": "L"}
    made = named("sharepointonline", "PostItem", {**place, **item}, **SITE)
    assert json.loads(made.body) == {"Title": "t", "Status": "Done", "RoomId": 4}


def test_rows_of_a_query_become_objects() -> None:
    table = {"columns": [{"name": "a"}, {"name": "b"}], "rows": [[1, None]]}
    outputs = {"statusCode": 200, "headers": {}, "body": {"tables": [table]}}
    changed = changed_answer(service("azuremonitorlogs"), "QueryData", outputs, {}, {})
    assert changed["body"] == {"value": [{"a": 1, "b": None}]}


def test_an_operation_says_which_scopes_it_needs() -> None:
    send = service("office365").operation("SendEmailV2")
    assert send is not None
    assert scopes_lacking(send, ["User.Read"]) == ("Mail.Send",)
    assert scopes_lacking(send, ["User.Read", "Mail.Send"]) == ()


def test_what_slack_refuses_with_a_good_status_fails_with_slacks_own_code() -> None:
    refused = {
        "statusCode": 200,
        "headers": {},
        "body": {"ok": False, "error": "missing_scope", "needed": "chat:write"},
    }
    sent = {"statusCode": 200, "headers": {}, "body": {"ok": True, "ts": "1.2"}}
    slack = service("slack")
    assert slack.operations
    for operation_id in slack.operations:
        failure = failure_in(slack, operation_id, refused, {}, {})
        assert failure is not None
        assert failure == ErrorDetail("missing_scope", "Slack answered: missing_scope, it needs chat:write.")
        assert failure_in(slack, operation_id, sent, {}, {}) is None


def test_flows_of_the_former_dataverse_connector_reach_the_web_api() -> None:
    read = written(
        "commondataservice",
        "get",
        "/v2/datasets/default.cds/tables/accounts/items",
        DATAVERSE,
        queries={"$filter": "name eq 'x'", "$top": 5},
    )
    url = "https://o.crm.dynamics.com/api/data/v9.2/accounts?$filter=name%20eq%20%27x%27&$top=5"
    assert isinstance(read, HttpRequest), read
    assert read.url == url
    item = {"name": "x", "_ownerid_value": "u1", "_ownerid_type": "systemusers", "_parent_value": None}
    arguments = {"dataset": "https://o.crm.dynamics.com", "table": "accounts", "id": "a1", "item": item}
    changed = named("commondataservice", "PatchItem_V2", arguments, **DATAVERSE)
    assert changed.url == "https://o.crm.dynamics.com/api/data/v9.2/accounts(a1)"
    assert changed.headers["If-Match"] == "*"
    body = {"name": "x", "ownerid@odata.bind": "/systemusers(u1)", "parent@odata.bind": None}
    assert json.loads(changed.body) == body
    elsewhere = named("commondataservice", "GetItems_V2", {"dataset": "p.crm", "table": "accounts"}, **DATAVERSE)
    assert isinstance(elsewhere, UnbuildableRequest)
    moved = {**DATAVERSE, "formerHosts": "old.crm4.dynamics.com, p.crm.dynamics.com"}
    here = named("commondataservice", "GetItems_V2", {"dataset": "p.crm", "table": "accounts"}, **moved)
    assert isinstance(here, HttpRequest)


def test_a_row_of_the_former_dataverse_connector_says_its_id_by_its_old_name() -> None:
    row = {"@odata.id": "https://o.crm.dynamics.com/api/data/v9.2/accounts(a-1)", "name": "x"}
    answer = {"statusCode": 200, "headers": {}, "body": {"value": [row]}}
    changed = changed_answer(service("commondataservice"), "GetItems_V2", answer, {}, {})
    assert changed["body"] == {"value": [{**row, "ItemInternalId": "a-1"}]}


def test_an_attachment_is_read_by_the_id_it_is_listed_under() -> None:
    place = {"dataset": "https://new.sharepoint.com/sites/T", "table": "L", "itemId": "3"}
    listed = {"statusCode": 200, "headers": {}, "body": {"value": [{"ServerRelativeUrl": "/sites/T/it's.txt"}]}}
    (one,) = changed_answer(service("sharepointonline"), "GetItemAttachments", listed, SITE, place)["body"]
    read = named("sharepointonline", "GetAttachmentContent", {**place, "attachmentId": one["Id"]}, **SITE)
    assert isinstance(read, HttpRequest), read
    file = "%2Fsites%2FT%2Fit%27%27s.txt"
    assert read.url == (
        f"https://new.sharepoint.com/sites/T/_api/web/GetFileByServerRelativePath(decodedurl='{file}')/$value"
    )
