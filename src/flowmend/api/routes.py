"""`/api/v1`: every operation of the JSON API, as routes."""

from starlette.requests import Request
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.types import Receive, Scope, Send

from flowmend.api.answers import JsonAnswer, error_answer
from flowmend.api.approvals import APPROVAL_OPERATIONS
from flowmend.api.backup import BACKUP_OPERATIONS
from flowmend.api.connection_health import CONNECTION_HEALTH_OPERATIONS
from flowmend.api.connection_repair import CONNECTION_REPAIR_OPERATIONS
from flowmend.api.connections import CONNECTION_OPERATIONS
from flowmend.api.connector_files import CONNECTOR_FILE_OPERATIONS
from flowmend.api.flow_versions import FLOW_VERSION_OPERATIONS
from flowmend.api.flows import FLOW_OPERATIONS
from flowmend.api.held_events import HELD_EVENT_OPERATIONS
from flowmend.api.incidents import INCIDENT_OPERATIONS
from flowmend.api.messages import MESSAGE_OPERATIONS
from flowmend.api.openapi import openapi_document
from flowmend.api.operation import Operation, OperationRoute
from flowmend.api.packages import PACKAGE_OPERATIONS
from flowmend.api.public_address import PUBLIC_ADDRESS_OPERATIONS
from flowmend.api.repair_plans import REPAIR_PLAN_OPERATIONS
from flowmend.api.resuming import RESUME_OPERATIONS
from flowmend.api.run_actions import RUN_ACTION_OPERATIONS
from flowmend.api.run_cancelling import RUN_CANCELLING_OPERATIONS
from flowmend.api.run_comparison import RUN_COMPARISON_OPERATIONS
from flowmend.api.run_lists import RUN_LIST_OPERATIONS
from flowmend.api.runs import RUN_OPERATIONS
from flowmend.api.sign_in_apps import SIGN_IN_APP_OPERATIONS
from flowmend.core.errors import AskedWrongly, NotFound
from flowmend.core.json_value import Json
from flowmend.use_cases.ports import Services


async def describe_api(services: Services, request: Request) -> JsonAnswer:
    """The OpenAPI document of this very table."""
    return JsonAnswer(openapi_document(OPERATIONS, services.settings.base_url + request.scope.get("root_path", "")))


OPERATIONS: tuple[Operation, ...] = (
    *PACKAGE_OPERATIONS,
    *FLOW_OPERATIONS,
    *FLOW_VERSION_OPERATIONS,
    *RUN_LIST_OPERATIONS,
    *RUN_OPERATIONS,
    *RESUME_OPERATIONS,
    *RUN_COMPARISON_OPERATIONS,
    *RUN_ACTION_OPERATIONS,
    *RUN_CANCELLING_OPERATIONS,
    *CONNECTION_OPERATIONS,
    *CONNECTOR_FILE_OPERATIONS,
    *CONNECTION_HEALTH_OPERATIONS,
    *HELD_EVENT_OPERATIONS,
    *INCIDENT_OPERATIONS,
    *REPAIR_PLAN_OPERATIONS,
    *CONNECTION_REPAIR_OPERATIONS,
    *SIGN_IN_APP_OPERATIONS,
    *APPROVAL_OPERATIONS,
    *PUBLIC_ADDRESS_OPERATIONS,
    *MESSAGE_OPERATIONS,
    *BACKUP_OPERATIONS,
    Operation(
        method="GET",
        path="/openapi.json",
        handler=describe_api,
        summary="This API as an OpenAPI document",
        tag="api",
        gives=dict[str, Json],
    ),
)


def api_routes(services: Services) -> list[BaseRoute]:
    """Everything below `/api/v1`; what fits no operation gets a JSON answer too."""
    routes = [OperationRoute(services, operation) for operation in OPERATIONS]
    return [Mount("/api/v1", routes=[*routes, Route("/{rest:path}", _Unmatched(routes))])]


class _Unmatched:
    """404 for an unknown path, 405 with `Allow` for a known one."""

    def __init__(self, routes: list[OperationRoute]) -> None:
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        outer = {**scope, "path_params": {}}
        allowed = sorted({route.operation.method for route in self._routes if route.matches(outer)[0] is Match.PARTIAL})
        if allowed:
            error = AskedWrongly(f"This address answers to {', '.join(allowed)} only.", code="MethodNotAllowed")
            answer = error_answer(error, status=405, extra_headers={"allow": ", ".join(allowed)})
        else:
            answer = error_answer(
                NotFound("There is nothing at this address. See /api/v1/openapi.json for what there is.")
            )
        await answer(scope, receive, send)
