"""Which runs somebody chose: the filter that the portal, the API and the command line share, and what it finds."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from flowmend.core.errors import AskedWrongly
from flowmend.core.outcome import Status
from flowmend.store.rows import RunRow
from flowmend.store.run_filter import RunFilter
from flowmend.store.runs import Lineage
from flowmend.use_cases.incidents import windows_of
from flowmend.use_cases.ports import Services

#: Longer than what can be found by (`store.tracked_values`), and shorter than what would cost.
MOST_CHARACTERS = 400
#: The status that shows held events: they are no runs yet.
HELD = "Held"
#: Beyond these a count says "more than".
MOST_COUNTED = 1_000
MOST_CHOSEN = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChoice:
    """What runs must meet; "" and None ask for nothing. status: of one kind. tracked_name: only together with a value.

    started_from: inclusive; started_to: exclusive. text: as `RunFilter.text`.
    """

    flow_id: str = ""
    status: str = ""
    connection_id: str = ""
    incident_id: str = ""
    category: str = ""
    client_tracking_id: str = ""
    tracked_name: str = ""
    tracked_value: str = ""
    text: str = ""
    started_from: datetime | None = None
    started_to: datetime | None = None

    @property
    def is_everything(self) -> bool:
        return self == RunChoice()

    def until(self, at: datetime) -> "RunChoice":
        """The same of the runs begun before this time: what is shown now is the same set later."""
        return self if self.started_to is not None and self.started_to <= at else replace(self, started_to=at)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenRuns:
    """A page of runs, newest first. next_cursor: "" on the last page. headlines: {run name: its first tracked value}.

    lineages: of runs that were tried more than once. is_whole: False where a part of a text was looked for among the newest
    runs only. found: how many a search for a text found, None where none was made.
    """

    rows: Sequence[RunRow]
    next_cursor: str
    headlines: Mapping[str, str]
    lineages: Mapping[str, Lineage]
    is_whole: bool
    found: int | None = None


def filter_of(services: Services, choice: RunChoice) -> RunFilter:
    """The choice as the store asks. Errors: AskedWrongly; NotFound where there is no such incident."""
    for name in ("flow_id", "connection_id", "category", "client_tracking_id", "tracked_name", "tracked_value", "text"):
        if len(getattr(choice, name)) > MOST_CHARACTERS:
            raise AskedWrongly(
                f"The filter {name} has at most {MOST_CHARACTERS} characters.", code="FilterTooLong", target=name
            )
    if choice.tracked_name and not choice.tracked_value:
        raise AskedWrongly(
            f"Say which value of {choice.tracked_name!r} is looked for.", code="InvalidQuery", target="tracked"
        )
    return RunFilter(
        flow_id=choice.flow_id,
        statuses=(choice.status,) if choice.status else (),
        connection_id=choice.connection_id,
        diagnosis_category=choice.category,
        client_tracking_id=choice.client_tracking_id,
        tracked_name=choice.tracked_name,
        tracked_value=choice.tracked_value,
        started_from=choice.started_from,
        started_to=choice.started_to,
        text=choice.text,
        failed_in=windows_of(services, choice.incident_id) if choice.incident_id else None,
    )


async def list_chosen(services: Services, choice: RunChoice, *, limit: int = 50, cursor: str = "") -> ChosenRuns:
    """One page of what was chosen. Errors: AskedWrongly; NotFound where there is no such incident."""
    found = services.store.runs.page(filter_of(services, choice), limit, cursor)
    names = [row.run_name for row in found.rows]
    tracked = services.store.tracked_values.of_runs(names)
    return ChosenRuns(
        rows=found.rows,
        next_cursor=found.next_cursor,
        headlines={name: values[0].value for name, values in tracked.items()},
        lineages=services.store.runs.lineages(names),
        is_whole=found.is_whole,
        found=found.total,
    )


def count_by_status(services: Services, choice: RunChoice, statuses: Sequence[str]) -> dict[str, int]:
    """{status: how many runs of it meet the rest of the choice}, each counted no further than `MOST_COUNTED` + 1.

    Statuses are missing where counting would take long (`Runs.counts`).
    """
    rest = filter_of(services, replace(choice, status=""))
    counts = dict(services.store.runs.counts(rest, [one for one in statuses if one != HELD], MOST_COUNTED + 1))
    if HELD in statuses:
        counts[HELD] = services.store.trigger_events.count_held(choice.flow_id or None)
    return counts


def count_chosen(services: Services, choice: RunChoice) -> int:
    """How many runs meet the choice, counted no further than `MOST_CHOSEN` + 1."""
    return services.store.runs.count(filter_of(services, choice), MOST_CHOSEN + 1)


def every_chosen(services: Services, choice: RunChoice) -> Iterator[Sequence[RunRow]]:
    """All that was chosen, newest first, block by block; synchronous, for a thread."""
    return services.store.runs.every(filter_of(services, choice))


def known_status(text: str) -> str:
    """The status as the API spells it, "" where there is none of this name."""
    return next((status.value for status in Status if status.value.casefold() == text.casefold()), "")
