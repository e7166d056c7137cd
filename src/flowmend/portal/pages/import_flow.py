"""Import by upload: first what the files hold, need and get wrong; then, on a word, the flows arrive off."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import count

from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.errors import AskedWrongly, InvalidDocument, NotFound
from flowmend.core.json_value import Json
from flowmend.core.problem import Problem
from flowmend.portal.forms import form_text, form_texts
from flowmend.portal.frame import language_of
from flowmend.portal.pending_imports import Upload
from flowmend.portal.portal import Portal, person_id, see, segment
from flowmend.portal.trigger_words import trigger_in_words
from flowmend.portal.value_text import shown_value
from flowmend.use_cases.import_flow import ImportChoices, import_package
from flowmend.use_cases.import_plan import ImportPlan, PlannedReference, PlannedValue, plan_import

_MOST_FILES = 1_000
_MAPPED = "map."
_VALUE = "value."


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportPage:
    """plan: of the dry run, None before it. token: names the upload kept. starts: each flow's trigger in words.

    entered: what was filled in already, by field, secrets left out. left_out: ids of flows not to take.
    file_count: how many files were chosen; file_name is that of the first.
    """

    plan: ImportPlan | None = None
    starts: tuple[str, ...] = ()
    token: str = ""
    file_name: str = ""
    file_count: int = 1
    error: str = ""
    problems: tuple[Problem, ...] = ()
    entered: Mapping[str, str] = field(default_factory=dict)
    left_out: frozenset[str] = frozenset()

    @property
    def absent(self) -> tuple[tuple[str, int], ...]:
        """The connectors that are not installed, each with how many of the flows need it."""
        return _needed(one for one in self._references if not one.connector_installed)

    @property
    def unconnected(self) -> tuple[tuple[str, int], ...]:
        """The installed connectors without any connection, each with how many of the flows need one."""
        return _needed(one for one in self._references if one.connector_installed and not one.candidates)

    @property
    def _references(self) -> tuple[PlannedReference, ...]:
        return self.plan.references if self.plan else ()

    def value_of(self, value: PlannedValue) -> str:
        """What a value's field holds: what was entered, else what the package brings."""
        return self.entered.get(f"{_VALUE}{value.name}", shown_value(value.value))


def _needed(references: Iterable[PlannedReference]) -> tuple[tuple[str, int], ...]:
    """Connectors in the order of their names, each with how many flows need it."""
    needing: dict[str, set[str]] = {}
    for reference in references:
        needing.setdefault(reference.connector, set()).update(flow_id for flow_id, _ in reference.uses)
    return tuple((connector, len(flow_ids)) for connector, flow_ids in sorted(needing.items()))


async def show_import(portal: Portal, request: Request) -> Response:
    """GET /import"""
    return portal.answer(request, "import.html", place="flows", page=ImportPage())


async def take_upload(portal: Portal, request: Request) -> Response:
    """POST /import: the dry run. Nothing is stored."""
    async with request.form(max_files=_MOST_FILES, max_fields=10) as form:
        uploads = [one for one in form.getlist("file") if isinstance(one, UploadFile) and one.filename]
        files: dict[str, bytes] = {}
        for one in uploads:
            files[_free_name(str(one.filename), files)] = await one.read()
    if not files:
        return _refused(portal, request, AskedWrongly("No file was chosen."))
    name = next(iter(files))
    plan = await plan_import(portal.services, files, name)
    if not any(finding.can_import for finding in plan.findings):
        problems = [problem for finding in plan.findings for problem in finding.problems]
        problems += [one.problem for one in plan.problems]
        return _refused(portal, request, InvalidDocument("No flow in it can be read.", problems))
    now, person = portal.services.clock.now, person_id(request)
    token = portal.pending_imports.keep(Upload(files=files, file_name=name, person_id=person, at=now))
    return portal.answer(
        request,
        "import.html",
        place="flows",
        page=_planned(portal, request, plan, token=token, file_name=name, file_count=len(files)),
    )


async def take_import(portal: Portal, request: Request) -> Response:
    """POST /import/{token}: imports what the dry run showed, with the connections and values chosen there."""
    token, person = request.path_params["token"], person_id(request)
    upload = portal.pending_imports.find(token, person, portal.services.clock.now)
    if upload is None:
        raise NotFound("The uploaded file is no longer kept. Choose it again.", code="UploadForgotten")
    form = await request.form(max_fields=10_000)
    plan = await plan_import(portal.services, upload.files, upload.file_name)
    choices = _choices(form, plan)
    try:
        report = await import_package(portal.services, upload.files, upload.file_name, choices, person)
    except AskedWrongly as wrong:
        page = _planned(
            portal,
            request,
            plan,
            token=token,
            file_name=upload.file_name,
            file_count=len(upload.files),
            form=form,
            error=wrong.message,
        )
        return portal.answer(request, "import.html", place="flows", status_code=400, page=page)
    portal.pending_imports.drop(token)
    if len(report.flows) == 1:
        return see(f"/flows/{segment(report.flows[0].flow_id)}?done=imported")
    on = sum(1 for one in report.flows if one.is_on)
    return see(f"/flows?done=imported&flows={len(report.flows)}&on={on}")


def _free_name(name: str, taken: Collection[str]) -> str:
    """The name, numbered where another file of the upload has it: files of different folders may be called the same."""
    stem, dot, ending = name.rpartition(".")
    numbered = (f"{stem} ({number}){dot}{ending}" for number in count(2))
    return name if name not in taken else next(one for one in numbered if one not in taken)


def _choices(form: FormData, plan: ImportPlan) -> ImportChoices:
    taken = frozenset(text for text in form.getlist("flow") if isinstance(text, str))
    return ImportChoices(
        connections={name: chosen for name, chosen in form_texts(form, _MAPPED).items() if chosen},
        values=_changed_values(form_texts(form, _VALUE), (*plan.parameters, *plan.environment_variables)),
        flows=taken if len(plan.findings) > 1 else None,
        as_new=form_text(form, "as_new") != "",
        turns_on=form_text(form, "turn_on") != "",
    )


def _changed_values(texts: Mapping[str, str], planned: tuple[PlannedValue, ...]) -> dict[str, Json]:
    """What was filled in that the package does not bring itself."""
    brought = {value.name: shown_value(value.value) for value in planned}
    return {name: text for name, text in texts.items() if text and name in brought and text != brought[name]}


def _planned(
    portal: Portal,
    request: Request,
    plan: ImportPlan,
    *,
    token: str,
    file_name: str,
    file_count: int,
    form: FormData | None = None,
    error: str = "",
) -> ImportPage:
    gettext = portal.rendering.gettext(language_of(request))
    secret = {f"{_VALUE}{one.name}" for one in (*plan.parameters, *plan.environment_variables) if one.is_secret}
    entered = {} if form is None else {name: text for name, text in form_texts(form, "").items() if name not in secret}
    taken = set() if form is None else set(form.getlist("flow"))
    is_chosen = form is not None and len(plan.findings) > 1
    return ImportPage(
        plan=plan,
        starts=tuple(trigger_in_words(*_type_and_kind(finding.trigger), gettext) for finding in plan.findings),
        token=token,
        file_name=file_name,
        file_count=file_count,
        error=error,
        entered=entered,
        left_out=frozenset(one.flow_id for one in plan.findings if is_chosen and one.flow_id not in taken),
    )


def _refused(portal: Portal, request: Request, wrong: AskedWrongly) -> Response:
    problems = wrong.problems if isinstance(wrong, InvalidDocument) else ()
    page = ImportPage(error=wrong.message, problems=problems)
    return portal.answer(request, "import.html", place="flows", status_code=400, page=page)


def _type_and_kind(trigger: str) -> tuple[str, str]:
    trigger_type, _, kind = trigger.partition(" ")
    return trigger_type, kind
