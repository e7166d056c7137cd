"""What can become of a run that failed: going on where it failed, or from the start; and what each would repeat."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.outcome import Status
from flowmend.core.run.effects import RepeatedEffect
from flowmend.portal.forms import form_text
from flowmend.portal.language import marked
from flowmend.portal.pages.run_title import run_title
from flowmend.portal.portal import Portal, person_id, see, segment
from flowmend.store.rows import RunRow
from flowmend.use_cases.heavy_work import beside_the_loop
from flowmend.use_cases.ports import Services
from flowmend.use_cases.resume_run import ResumePreview, later_run, preview_both, resume_run
from flowmend.use_cases.runs import read_run_head

#: {code of a `ResumePreview`: why, in the portal's words}
_REASONS: Mapping[str, str] = MappingProxyType(
    {
        "WorkflowTriggerIsNotEnabled": marked("The flow is turned off. Turn it on first."),
        "ChildRun": marked("Another run called this one and waited for its answer. Resume that run instead."),
        "JournalMissing": marked("The history of this run is no longer kept, so nothing says what it finished."),
        "JournalUnreadable": marked("The history of this run cannot be read."),
        "WorkflowRunParameterMissing": marked("The flow has no value for one of its parameters. Give it one first."),
        "NothingToResume": marked("No action of this run failed or was stopped."),
        "EndedByTerminate": marked("No action failed: the flow itself ended the run, by a Terminate."),
        "ConnectionNeedsRepair": marked("Its connection still needs repair. Repair it first."),
    }
)
_NOT_NOW = marked("This run cannot be resumed now.")
_CHANGES: Mapping[str, str] = MappingProxyType(
    {
        "removed": marked("no longer there"),
        "moved": marked("in another place"),
        "runAfter": marked("runs after other actions"),
        "inputs": marked("other inputs"),
        "actions": marked("other actions in it"),
    }
)
_CHANGED = marked("changed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """resume: with the run's own version; latest: with the current one, None where that is the same. repeated: by a
    resubmit from the start. later_run: for the same event, which succeeded or is under way, "" for none.
    """

    resume: ResumePreview
    later_run: str = ""
    latest: ResumePreview | None = None
    repeated: tuple[RepeatedEffect, ...] = ()

    def sure(self, effects: tuple[RepeatedEffect, ...]) -> tuple[RepeatedEffect, ...]:
        """Those that happen again even if all goes well."""
        return tuple(one for one in effects if not one.only_on_failure)

    def unsure(self, effects: tuple[RepeatedEffect, ...]) -> tuple[RepeatedEffect, ...]:
        """Those that happen again only if it fails again."""
        return tuple(one for one in effects if one.only_on_failure)

    @property
    def can_resume(self) -> bool:
        return self.resume.can_resume or (self.latest is not None and self.latest.can_resume)

    @property
    def shown(self) -> ResumePreview:
        """The preview that the page tells."""
        return self.latest if self.latest is not None and not self.resume.can_resume else self.resume

    @property
    def reason(self) -> str:
        return _REASONS.get(self.resume.code, _NOT_NOW)

    def change(self, what: str) -> str:
        """A difference in words."""
        return _CHANGES.get(what, _CHANGED)


def is_to_mend(row: RunRow) -> bool:
    """Whether the run has ended, and not well."""
    status = Status(row.status)
    return status.is_terminal and status is not Status.SUCCEEDED


def again_of(services: Services, row: RunRow) -> Again | None:
    """None of a run that is under way or succeeded."""
    if not is_to_mend(row):
        return None
    found = preview_both(services, row.run_name)
    return Again(
        resume=found.resume,
        later_run=later_run(services, row.run_name),
        latest=found.resume_latest,
        repeated=found.resubmit.repeats,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class AgainPage:
    """What can become of one run, on a page of its own."""

    row: RunRow
    title: str
    again: Again | None
    can_resubmit: bool
    request_id: str


async def show_again(portal: Portal, request: Request) -> Response:
    """GET /runs/{run_name}/again: for runs so long that their own page does not read all of them."""
    head = await read_run_head(portal.services, request.path_params["run_name"])
    again = await beside_the_loop(lambda: again_of(portal.services, head.row))
    page = AgainPage(
        row=head.row,
        title=run_title(head),
        again=again,
        can_resubmit=head.can_resubmit and not head.held_resubmission,
        request_id=str(portal.services.clock.guid()),
    )
    return portal.answer(request, "run_ways.html", place="runs", page=page)


async def take_resume(portal: Portal, request: Request) -> Response:
    """POST /runs/{run_name}/resume: goes to the new run. latest: with the current version. again: the page told of a later run."""
    run_name, form = request.path_params["run_name"], await request.form()
    made = await resume_run(
        portal.services,
        run_name,
        person_id=person_id(request),
        request_id=form_text(form, "request_id"),
        original_definition=not form_text(form, "latest"),
        again=bool(form_text(form, "again")),
    )
    return see(f"/runs/{segment(made.run_name)}?done=resumed")
