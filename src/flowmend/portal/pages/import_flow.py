"""Import by upload: first what the file holds, needs and gets wrong; then, on a word, the flow arrives off."""

from dataclasses import dataclass

from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.errors import AskedWrongly, InvalidDocument, NotFound
from flowmend.core.problem import Problem
from flowmend.portal.forms import form_text, form_texts
from flowmend.portal.frame import language_of
from flowmend.portal.pending_imports import Upload
from flowmend.portal.portal import Portal, person_id, see, segment
from flowmend.portal.trigger_words import trigger_in_words
from flowmend.use_cases.flows import map_connection
from flowmend.use_cases.import_flow import ImportFinding, import_flows, inspect_import


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPage:
    """findings: of the dry run, empty before it. token: names the upload kept. starts: each flow's trigger in words."""

    findings: tuple[ImportFinding, ...] = ()
    starts: tuple[str, ...] = ()
    token: str = ""
    file_name: str = ""
    error: str = ""
    problems: tuple[Problem, ...] = ()


async def show_import(portal: Portal, request: Request) -> Response:
    """GET /import"""
    return portal.answer(request, "import.html", place="flows", page=ImportPage())


async def take_upload(portal: Portal, request: Request) -> Response:
    """POST /import: the dry run. Nothing is stored."""
    async with request.form(max_files=1, max_fields=10) as form:
        file = form.get("file")
        if not isinstance(file, UploadFile) or not file.filename:
            return _refused(portal, request, AskedWrongly("No file was chosen."))
        content, file_name = await file.read(), file.filename
    try:
        findings = await inspect_import(portal.services, content, file_name)
    except AskedWrongly as wrong:
        return _refused(portal, request, wrong)
    if not any(finding.can_import for finding in findings):
        problems = tuple(problem for finding in findings for problem in finding.problems)
        return _refused(portal, request, InvalidDocument("No flow in it can be read.", problems))
    gettext = portal.rendering.gettext(language_of(request))
    now, person = portal.services.clock.now, person_id(request)
    page = ImportPage(
        findings=findings,
        starts=tuple(trigger_in_words(*_type_and_kind(finding.trigger), gettext) for finding in findings),
        token=portal.pending_imports.keep(Upload(content=content, file_name=file_name, person_id=person, at=now)),
        file_name=file_name,
    )
    return portal.answer(request, "import.html", place="flows", page=page)


async def take_import(portal: Portal, request: Request) -> Response:
    """POST /import/{token}: imports what the dry run showed, with the connections chosen there."""
    token, person = request.path_params["token"], person_id(request)
    upload = portal.pending_imports.find(token, person, portal.services.clock.now)
    if upload is None:
        raise NotFound("The uploaded file is no longer kept. Choose it again.", code="UploadForgotten")
    form = await request.form()
    imported = await import_flows(
        portal.services,
        upload.content,
        upload.file_name,
        as_new=form_text(form, "as_new") != "",
        person_id=person,
    )
    portal.pending_imports.drop(token)
    found = await inspect_import(portal.services, upload.content, upload.file_name)
    for flow, finding in zip(imported, found, strict=False):
        for reference, connection_id in form_texts(form, f"map.{finding.flow_id}.").items():
            if connection_id:
                await map_connection(portal.services, flow.flow_id, reference, connection_id, person)
    if len(imported) == 1:
        return see(f"/flows/{segment(imported[0].flow_id)}?done=imported")
    return see("/flows?done=imported")


def _refused(portal: Portal, request: Request, wrong: AskedWrongly) -> Response:
    problems = wrong.problems if isinstance(wrong, InvalidDocument) else ()
    page = ImportPage(error=wrong.message, problems=problems)
    return portal.answer(request, "import.html", place="flows", status_code=400, page=page)


def _type_and_kind(trigger: str) -> tuple[str, str]:
    trigger_type, _, kind = trigger.partition(" ")
    return trigger_type, kind
