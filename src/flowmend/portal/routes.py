"""The portal's table of routes."""

from functools import partial

from starlette.routing import BaseRoute, Route

from flowmend.portal.assets import read_assets
from flowmend.portal.event_stream import show_events
from flowmend.portal.event_streams import EventStreams
from flowmend.portal.pages import (
    approvals,
    approve,
    connection,
    connection_health,
    connection_new,
    connection_swap,
    connections,
    connectors,
    device_sign_in,
    flow,
    flow_edit,
    flow_export,
    flow_parameters,
    flow_run,
    flow_test,
    flow_versions,
    flows,
    forecast,
    home,
    import_flow,
    incident,
    incidents,
    leaving,
    login,
    repair,
    repair_link,
    run,
    run_trace,
    runs,
    secret_uses,
    settings,
    sign_in_apps,
    verify,
)
from flowmend.portal.pages.message import Page, answered, answered_to_person, show_nothing
from flowmend.portal.pending_imports import PendingImports
from flowmend.portal.portal import Portal
from flowmend.portal.rendering import Rendering
from flowmend.use_cases.ports import Services

#: (method, path, page); all need somebody signed in
_PAGES: tuple[tuple[str, str, Page], ...] = (
    ("GET", "/", home.show_home),
    ("GET", "/flows", flows.show_flows),
    ("GET", "/flows/{flow_id}", flow.show_flow),
    ("POST", "/flows/{flow_id}/on", flow.switch_on),
    ("POST", "/flows/{flow_id}/off", flow.switch_off),
    ("POST", "/flows/{flow_id}/connections", flow.choose_connection),
    ("GET", "/flows/{flow_id}/edit", flow_edit.show_editor),
    ("POST", "/flows/{flow_id}/edit", flow_edit.take_edit),
    ("POST", "/flows/{flow_id}/check", flow_edit.check_while_writing),
    ("GET", "/flows/{flow_id}/versions", flow_versions.show_versions),
    ("GET", "/flows/{flow_id}/versions/{version}", flow_versions.show_version),
    ("POST", "/flows/{flow_id}/versions/{version}/restore", flow_versions.take_restore),
    ("GET", "/flows/{flow_id}/parameters", flow_parameters.show_parameters),
    ("POST", "/flows/{flow_id}/parameters", flow_parameters.take_parameters),
    ("GET", "/flows/{flow_id}/test", flow_test.show_test),
    ("POST", "/flows/{flow_id}/test", flow_test.take_test),
    ("POST", "/flows/{flow_id}/held_events/{event_name}/discard", flow.discard_held_event),
    ("GET", "/flows/{flow_id}/run", flow_run.show_run_form),
    ("POST", "/flows/{flow_id}/run", flow_run.take_run_form),
    ("GET", "/flows/{flow_id}/export", flow_export.download_flow),
    ("GET", "/flows/{flow_id}/delete", flow.ask_delete_flow),
    ("POST", "/flows/{flow_id}/delete", flow.take_delete_flow),
    ("GET", "/import", import_flow.show_import),
    ("POST", "/import", import_flow.take_upload),
    ("POST", "/import/{token}", import_flow.take_import),
    ("GET", "/runs", runs.show_runs),
    ("GET", "/runs/{run_name}", run.show_run),
    ("GET", "/runs/{run_name}/trace", run_trace.show_trace),
    ("GET", "/runs/{run_name}/try", run_trace.show_playground),
    ("POST", "/runs/{run_name}/try", run_trace.take_expression),
    ("POST", "/runs/{run_name}/resubmit", run.take_resubmit),
    ("POST", "/runs/{run_name}/cancel", run.take_cancel),
    ("POST", "/runs/{run_name}/answer", run.take_answer),
    ("GET", "/connections", connections.show_connections),
    ("GET", "/connections/new", connection_new.show_new_connection),
    ("POST", "/connections/new", connection_new.take_new_connection),
    ("GET", "/connections/{connection_id}", connection.show_connection),
    ("POST", "/connections/{connection_id}/test", connection.take_test),
    ("GET", "/connections/{connection_id}/health", connection_health.show_health),
    ("POST", "/connections/{connection_id}/probe", connection_health.take_probe),
    ("POST", "/connections/{connection_id}/ends_at", connection_health.take_end),
    ("GET", "/connections/{connection_id}/verify", verify.show_verify),
    ("POST", "/connections/{connection_id}/verify", verify.take_verify),
    ("POST", "/connections/{connection_id}/put_back", connection.take_put_back),
    ("POST", "/connections/{connection_id}/connect_flows", connection.take_connect_flows),
    ("GET", "/connections/{connection_id}/swap", connection_swap.show_swap),
    ("POST", "/connections/{connection_id}/swap", connection_swap.take_swap),
    ("GET", "/connections/{connection_id}/uses", secret_uses.show_uses),
    ("GET", "/connections/{connection_id}/repair_link", repair_link.show_repair_link),
    ("POST", "/connections/{connection_id}/repair_link", repair_link.take_repair_link),
    ("POST", "/connections/{connection_id}/repair_link/revoke", repair_link.take_revoke),
    ("POST", "/connections/{connection_id}/client_secret", verify.take_client_secret),
    ("GET", "/connections/{connection_id}/consent", verify.start_consent),
    ("GET", "/connections/{connection_id}/device", device_sign_in.show_device_sign_in),
    ("POST", "/connections/{connection_id}/device", device_sign_in.take_device_sign_in),
    ("GET", "/connections/{connection_id}/device/open", device_sign_in.open_device_page),
    ("GET", "/connections/{connection_id}/delete", connection.ask_delete_connection),
    ("POST", "/connections/{connection_id}/delete", connection.take_delete_connection),
    ("GET", "/forecast", forecast.show_forecast),
    ("GET", "/approvals", approvals.show_approvals),
    ("GET", "/approvals/{approval_id}", approvals.show_approval),
    ("POST", "/approvals/{approval_id}", approvals.take_answer),
    ("POST", "/approvals/{approval_id}/mail", approvals.take_mail_again),
    ("GET", "/connectors", connectors.show_connectors),
    ("GET", "/connectors/add", connectors.show_add_connector),
    ("POST", "/connectors/add", connectors.take_connector),
    ("GET", "/connectors/{connector_id}", connectors.show_connector),
    ("GET", "/leaving", leaving.show_leaving),
    ("GET", "/incidents", incidents.show_incidents),
    ("GET", "/incidents/{incident_id}", incident.show_incident),
    ("GET", "/settings", settings.show_settings),
    ("GET", "/settings/apps", sign_in_apps.show_sign_in_apps),
    ("GET", "/settings/apps/new", sign_in_apps.show_new_app),
    ("POST", "/settings/apps/new", sign_in_apps.take_new_app),
    ("GET", "/settings/apps/{app_id}", sign_in_apps.show_sign_in_app),
    ("POST", "/settings/apps/{app_id}", sign_in_apps.take_change),
    ("POST", "/settings/apps/{app_id}/secret", sign_in_apps.take_secret),
    ("GET", "/settings/apps/{app_id}/delete", sign_in_apps.ask_delete_app),
    ("POST", "/settings/apps/{app_id}/delete", sign_in_apps.take_delete_app),
    ("POST", "/settings/language", settings.take_language),
    ("POST", "/settings/appearance", settings.take_appearance),
    ("POST", "/logout", login.take_logout),
    ("GET", "/events", show_events),
)

#: where a person comes from, and what the links of repairs and approvals open
_OPEN_PAGES: tuple[tuple[str, str, Page], ...] = (
    ("GET", "/login", login.show_login),
    ("POST", "/login", login.take_login),
    ("GET", "/repair", repair.show_repair),
    ("POST", "/repair", repair.take_link),
    ("GET", "/repair/connection", repair.show_connection_to_repair),
    ("POST", "/repair/connection", repair.take_repair),
    ("GET", "/repair/sign_in", repair.start_repair_sign_in),
    ("GET", "/approve", approve.show_approve),
    ("POST", "/approve", approve.take_approve_link),
    ("GET", "/approve/question", approve.show_question),
    ("POST", "/approve/question", approve.take_question),
    ("GET", "/oauth/callback", verify.take_consent),
)


def portal_routes(services: Services) -> list[BaseRoute]:
    """Every page, form, the event stream, the static files, and last what answers where there is nothing."""
    assets = read_assets()
    portal = Portal(
        services=services,
        rendering=Rendering(assets),
        pending_imports=PendingImports(),
        streams=EventStreams(),
    )
    return [
        *(Route(path, partial(answered, portal, page), methods=[method]) for method, path, page in _OPEN_PAGES),
        *(Route(path, partial(answered_to_person, portal, page), methods=[method]) for method, path, page in _PAGES),
        Route("/static/{name}", assets.serve, methods=["GET"]),
        Route("/{rest:path}", partial(answered, portal, show_nothing), methods=["GET"]),
    ]
