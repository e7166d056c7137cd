"""Packages for tests: made in memory, as the services export them."""

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

FLOW_ID = "1f870896-fff5-467d-8175-166f1335209a"
SOLUTION_FLOW_ID = "2578e499-0be1-4c11-bb3c-000d3a233a82"
ASSET_ID = "7e9dd808-2678-4618-aaee-da888a6908a9"


def packed(files: Mapping[str, Any]) -> bytes:
    """A zip file; what is no bytes or text is written as JSON."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, file in files.items():
            archive.writestr(path, as_bytes(file))
    return content.getvalue()


def as_bytes(file: Any) -> bytes:
    if isinstance(file, bytes):
        return file
    return (file if isinstance(file, str) else json.dumps(file)).encode()


def tree(files: Mapping[str, Any]) -> dict[str, bytes]:
    return {path: as_bytes(file) for path, file in files.items()}


def definition(actions: Mapping[str, Any] | None = None, **parts: Any) -> dict[str, Any]:
    request = {"manual": {"type": "Request", "kind": "Http", "inputs": {}}}
    return {"contentVersion": "1.0.0.0", "triggers": request, "actions": dict(actions or {}), **parts}


def compose(inputs: Any) -> dict[str, Any]:
    return {"type": "Compose", "inputs": inputs, "runAfter": {}}


def call(key: str) -> dict[str, Any]:
    host = {"connectionName": key, "operationId": "Get", "apiId": f"/providers/Microsoft.PowerApps/apis/{key}"}
    return {"type": "OpenApiConnection", "inputs": {"host": host, "parameters": {}}, "runAfter": {}}


def package() -> dict[str, Any]:
    """A Power Automate package of one flow with one connection, which only its maps and manifest name."""
    folder = f"Microsoft.Flow/flows/{ASSET_ID}"
    properties = {"displayName": "Shop orders", "definition": definition({"Get": call("shared_office365")})}
    resources = {
        "api": {"id": "/providers/Microsoft.PowerApps/apis/shared_office365", "type": "Microsoft.PowerApps/apis"},
        "connection": {"type": "Microsoft.PowerApps/apis/connections", "details": {"displayName": "anna@contoso.test"}},
    }
    return {
        "manifest.json": {"schema": "1.0", "resources": resources},
        "Microsoft.Flow/flows/manifest.json": {"flowAssets": {"assetPaths": [ASSET_ID]}},
        f"{folder}/definition.json": {"name": FLOW_ID, "type": "Microsoft.Flow/flows", "properties": properties},
        f"{folder}/apisMap.json": {"shared_office365": "api"},
        f"{folder}/connectionsMap.json": {"shared_office365": "connection"},
    }


CUSTOMIZATIONS = f"""<ImportExportXml><Workflows>
  <Workflow WorkflowId="{{{SOLUTION_FLOW_ID}}}" Name="Orders: take in"><Category>5</Category></Workflow>
</Workflows><connectionreferences>
  <connectionreference connectionreferencelogicalname="new_Mail">
    <connectionreferencedisplayname>The shop's mail</connectionreferencedisplayname>
    <connectorid>/providers/Microsoft.PowerApps/apis/shared_office365</connectorid>
  </connectionreference>
</connectionreferences></ImportExportXml>"""

VARIABLE = """<environmentvariabledefinition schemaname="new_Site">
  <defaultvalue>https://contoso.test/default</defaultvalue><displayname default="Site"/><type>100000004</type>
</environmentvariabledefinition>"""


def solution() -> dict[str, Any]:
    """A solution of one flow that uses a connection reference and an environment variable with a value of its own."""
    parameter = {"type": "String", "metadata": {"schemaName": "new_Site", "description": ""}}
    flow = definition(
        {"Get": call("shared_office365"), "Site": compose("@parameters('Site (new_Site)')")},
        parameters={"Site (new_Site)": parameter},
    )
    reference = {
        "api": {"name": "shared_office365"},
        "connection": {"connectionReferenceLogicalName": "new_mail"},
        "runtimeSource": "embedded",
    }
    document = {
        "properties": {"connectionReferences": {"shared_office365": reference}, "definition": flow},
        "schemaVersion": "1.0.0.0",
    }
    value = {"environmentvariablevalues": {"environmentvariablevalue": {"value": "https://contoso.test/shop"}}}
    return {
        "[Content_Types].xml": "<Types/>",
        "solution.xml": "<ImportExportXml><SolutionManifest><Managed>1</Managed></SolutionManifest></ImportExportXml>",
        "customizations.xml": CUSTOMIZATIONS,
        f"Workflows/Orderstakein-{SOLUTION_FLOW_ID.upper()}.json": document,
        "environmentvariabledefinitions/new_Site/environmentvariabledefinition.xml": VARIABLE,
        "environmentvariabledefinitions/new_Site/environmentvariablevalues.json": value,
    }


def standard_app() -> dict[str, Any]:
    """A Standard app of two workflows that share connections, parameters and app settings."""
    managed = {"host": {"connection": {"referenceName": "office365"}}, "method": "get", "path": "/v2/Mail"}
    first = definition(
        {
            "Mail": {"type": "ApiConnection", "inputs": managed, "runAfter": {}},
            "Say": compose("@{parameters('greeting')} from @{appsetting('REGION')} by @{appsetting('MAIL_KEY')}"),
        }
    )
    api = {"api": {"id": "/subscriptions/x/providers/Microsoft.Web/locations/west/managedApis/office365"}}
    return {
        "host.json": {"version": "2.0"},
        "connections.json": {"managedApiConnections": {"office365": api, "unused": api}},
        "parameters.json": {
            "greeting": {"type": "String", "value": "@appsetting('GREETING')"},
            "other": {"type": "String", "value": "unread"},
        },
        "local.settings.json": {"IsEncrypted": False, "Values": {"GREETING": "Hello", "REGION": "west"}},
        "Greet/workflow.json": {"definition": first, "kind": "Stateful"},
        "Idle/workflow.json": {"definition": definition({"A": compose(1)}), "kind": "Stateless"},
    }
