"""The definition as text: checked while it is written, saved as a new version, never over somebody else's."""

from dataclasses import dataclass, field, replace

from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.definition.document_lines import Lines, lines_of, nearest_lines
from flowmend.core.errors import Conflict, InvalidDocument
from flowmend.portal.forms import form_text
from flowmend.portal.portal import Portal, person_id, see, segment
from flowmend.store.rows import FlowState
from flowmend.use_cases.edit_flow import (
    CheckedText,
    EditedFlow,
    check_text,
    lines_of_action,
    open_for_editing,
    save_text,
)
from flowmend.use_cases.ports import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class EditPage:
    """The editor.

    marked: lines to show first, and marked_name what stands there. run_name: the run whose failure led here, "" for
    none. refusal: why the text was not saved, as raised. was_changed: somebody saved another version meanwhile, which is
    `latest`. was_checked: the text was checked on demand.
    """

    flow_id: str
    name: str
    is_on: bool
    base_version: str
    latest: str
    text: str = field(repr=False)
    checked: CheckedText
    marked: Lines | None = None
    marked_name: str = ""
    run_name: str = ""
    refusal: str = ""
    was_changed: bool = False
    was_checked: bool = False


async def show_editor(portal: Portal, request: Request) -> Response:
    """GET /flows/{flow_id}/edit?action=&pointer=&run="""
    flow_id, asked = request.path_params["flow_id"], request.query_params
    opened = open_for_editing(portal.services, flow_id)
    action = asked.get("action", "")
    marked = lines_of_action(portal.services, flow_id, opened.text, action) if action else None
    if asked.get("pointer"):
        marked = nearest_lines(lines_of(opened.text), asked["pointer"])
    page = await _page(portal.services, opened, opened.text, run_name=asked.get("run", ""))
    return _answer(portal, request, replace(page, marked=marked, marked_name=action.replace("_", " ")))


async def take_edit(portal: Portal, request: Request) -> Response:
    """POST /flows/{flow_id}/edit: `do` is `check`, `save`, or `overwrite` a version somebody else saved meanwhile."""
    services, flow_id = portal.services, request.path_params["flow_id"]
    async with request.form(max_part_size=services.settings.max_definition_bytes, max_files=0) as form:
        text, base_version = _text(form_text(form, "text")), form_text(form, "base_version")
        wish, run_name = form_text(form, "do"), form_text(form, "run")
    opened = open_for_editing(services, flow_id)
    if wish == "overwrite":
        base_version = form_text(form, "latest")
    page = await _page(services, replace(opened, base_version=base_version), text, run_name=run_name)
    if wish == "check":
        return _answer(portal, request, replace(page, was_checked=True))
    try:
        await save_text(services, flow_id, text, base_version, person_id(request))
    except Conflict as error:
        was_changed = error.code == "FlowChanged"
        refused = replace(page, refusal="" if was_changed else error.message, was_changed=was_changed)
        return _answer(portal, request, refused, 409)
    except InvalidDocument as error:
        return _answer(portal, request, replace(page, refusal=error.message), 400)
    if run_name and services.store.runs.get(run_name):
        return see(f"/runs/{segment(run_name)}?done=corrected")
    return see(f"/flows/{segment(flow_id)}?done=saved")


async def check_while_writing(portal: Portal, request: Request) -> Response:
    """POST /flows/{flow_id}/check: the list of problems alone, for the editor's script."""
    services, flow_id = portal.services, request.path_params["flow_id"]
    async with request.form(max_part_size=services.settings.max_definition_bytes, max_files=0) as form:
        text = _text(form_text(form, "text"))
    return portal.answer(request, "problem_fragment.html", checked=await check_text(services, flow_id, text))


async def _page(services: Services, opened: EditedFlow, text: str, *, run_name: str) -> EditPage:
    row = opened.row
    return EditPage(
        flow_id=row.flow_id,
        name=row.name,
        is_on=row.state is FlowState.ON,
        base_version=opened.base_version,
        latest=row.version,
        text=text,
        checked=await check_text(services, row.flow_id, text),
        run_name=run_name,
    )


def _answer(portal: Portal, request: Request, page: EditPage, status_code: int = 200) -> Response:
    return portal.answer(request, "flow_edit.html", place="flows", status_code=status_code, page=page)


def _text(written: str) -> str:
    # Forms send lines that end in CR LF.
    return written.replace("\r\n", "\n")
