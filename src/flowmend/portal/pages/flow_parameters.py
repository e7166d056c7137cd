"""Parameters and environment variables of a flow. Secret values go in and never come out."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.errors import AskedWrongly, NotFound
from flowmend.core.json_value import Json
from flowmend.portal.forms import form_texts
from flowmend.portal.portal import Portal, person_id, see, segment
from flowmend.portal.value_text import shown_value
from flowmend.use_cases.ports import Services
from flowmend.use_cases.set_parameters import ParameterView, read_parameters, set_parameters

_VALUE = "value."
_CLEAR = "clear."


@dataclass(frozen=True, slots=True, kw_only=True)
class ParametersPage:
    """entered: what was entered and not taken, by name, never a secret. wrong: the parameter whose value was refused."""

    flow_id: str
    name: str
    parameters: tuple[ParameterView, ...]
    entered: Mapping[str, str] = field(default_factory=dict)
    wrong: str = ""
    refusal: str = ""

    def shown(self, view: ParameterView) -> str:
        """What the field of a parameter holds; never the value of a secret one."""
        if view.is_secret:
            return ""
        return self.entered.get(view.name, shown_value(view.value))

    @property
    def groups(self) -> tuple[tuple[str, tuple[ParameterView, ...]], ...]:
        """Parameters of the flow's own, and environment variables."""
        variables = tuple(one for one in self.parameters if one.schema_name)
        own = tuple(one for one in self.parameters if not one.schema_name)
        return tuple((kind, views) for kind, views in (("parameters", own), ("variables", variables)) if views)


async def show_parameters(portal: Portal, request: Request) -> Response:
    """GET /flows/{flow_id}/parameters"""
    page = await _page(portal.services, request.path_params["flow_id"])
    return portal.answer(request, "flow_parameters.html", place="flows", page=page)


async def take_parameters(portal: Portal, request: Request) -> Response:
    """POST /flows/{flow_id}/parameters: an empty secret field leaves the secret as it is."""
    services, flow_id = portal.services, request.path_params["flow_id"]
    form = await request.form(max_fields=2000, max_files=0)
    entered, cleared = form_texts(form, _VALUE), set(form_texts(form, _CLEAR))
    views = await read_parameters(services, flow_id)
    known = {one.name for one in views}
    unknown = next((name for name in (*entered, *cleared) if name not in known), None)
    if unknown is not None:
        raise NotFound(f"The flow has no parameter {unknown!r}.", code="ParameterNotFound", target=unknown)
    values = _changes(views, entered, cleared)
    if values or cleared:
        try:
            await set_parameters(services, flow_id, values, person_id(request), cleared=cleared)
        except AskedWrongly as error:
            if error.code != "InvalidParameterValue":
                raise
            secret = {one.name for one in views if one.is_secret}
            shown = {name: text for name, text in entered.items() if name not in secret}
            page = await _page(services, flow_id, entered=shown, wrong=error.target or "", refusal=error.message)
            return portal.answer(request, "flow_parameters.html", place="flows", status_code=400, page=page)
    return see(f"/flows/{segment(flow_id)}/parameters?done=set")


def _changes(views: tuple[ParameterView, ...], entered: Mapping[str, str], cleared: set[str]) -> dict[str, Json]:
    """The values that are not as they were."""
    changes: dict[str, Json] = {}
    for view in views:
        text = entered.get(view.name)
        if text is None or view.name in cleared:
            continue
        before = "" if view.is_secret else shown_value(view.value)
        if text.replace("\r\n", "\n") != before:
            changes[view.name] = text
    return changes


async def _page(
    services: Services,
    flow_id: str,
    *,
    entered: Mapping[str, str] | None = None,
    wrong: str = "",
    refusal: str = "",
) -> ParametersPage:
    parameters = await read_parameters(services, flow_id)
    name = services.flows.latest(flow_id).row.name
    return ParametersPage(
        flow_id=flow_id, name=name, parameters=parameters, entered=entered or {}, wrong=wrong, refusal=refusal
    )
