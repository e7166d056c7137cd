"""A notice in words: for the portal's list, for mails and for webhooks, in the reader's language.

Made of names, numbers and codes alone, so nothing that a run worked on can be in it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from gettext import NullTranslations
from urllib.parse import quote

from flowmend.core.connection.incident import SourceKind
from flowmend.core.outcome import FixableBy
from flowmend.core.repair.stopping import StopCode
from flowmend.portal.incident_words import APP_ADVICE
from flowmend.portal.language import marked
from flowmend.portal.remedies import REMEDIES, cause_of, connection_remedy, ended_by
from flowmend.portal.times import Gettext, Times
from flowmend.portal.words import Look
from flowmend.store.notice_rows import NoticeKind, NoticeRow
from flowmend.use_cases.notice_facts import DigestFacts, Facts, IncidentFacts, PlanFacts, TrialFacts, facts_of

Ngettext = Callable[[str, str, int], str]

_LOOKS = {
    NoticeKind.BROKEN: Look("broken", "bad", marked("Needs repair")),
    NoticeKind.ESCALATED: Look("alert", "bad", marked("Still broken")),
    NoticeKind.MENDED: Look("mend", "mend", marked("Mended")),
    NoticeKind.REPAIRED: Look("resume", "good", marked("Repair plan")),
    NoticeKind.DIGEST: Look("list", "warn", marked("Failed runs")),
    NoticeKind.TEST: Look("mail", "idle", marked("Test message")),
}
_BY_OWNER = frozenset({FixableBy.REVERIFY, FixableBy.RECONSENT})
#: Why a plan stopped by itself, where it is known.
_STOPPED = {
    StopCode.AUTHENTICATION.value: marked("The sign-in was refused again, so the plan stopped. Nothing is lost."),
    StopCode.FAILURES.value: marked(
        "Several runs in a row failed for another reason, so the plan stopped and waits for you."
    ),
}
_STOPPED_SOMEHOW = marked("The plan stopped by itself and waits for you. Nothing is lost.")


@dataclass(frozen=True, slots=True, kw_only=True)
class NoticeWords:
    """A notice, ready to be shown. parts: (heading, text) in order. path: of the page that leads to the repair.

    subject: one line, the same for everything of one incident that goes to one reader. button: what the way to `path` is called.
    """

    look: Look
    subject: str
    title: str
    parts: tuple[tuple[str, str], ...]
    path: str
    button: str


class NoticeWriter:
    """Words for notices in one language."""

    def __init__(self, gettext: Gettext, ngettext: Ngettext, times: Times) -> None:
        self.gettext = gettext
        self.ngettext = ngettext
        self._times = times

    def words(self, notice: NoticeRow) -> NoticeWords:
        facts = facts_of(notice)
        if isinstance(facts, IncidentFacts):
            return self._mended(facts) if notice.kind is NoticeKind.MENDED else self._broken(notice, facts)
        if isinstance(facts, DigestFacts):
            return self._digest(facts)
        if isinstance(facts, PlanFacts):
            return self._plan(facts)
        if isinstance(facts, TrialFacts):
            return self._trial(facts)
        gettext = self.gettext
        title = gettext("A message of another version of Flowmend")
        return NoticeWords(look=_LOOKS[notice.kind], subject=title, title=title, parts=(), path="", button="")

    def _broken(self, notice: NoticeRow, facts: IncidentFacts) -> NoticeWords:
        gettext = self.gettext
        title, subject = gettext("%(name)s needs repair"), self._subject(facts)
        if notice.kind is NoticeKind.ESCALATED:
            title = gettext("%(name)s still needs repair")
        what = gettext(
            "%(cause)s. Calls of this connection are stopped until it works again; nothing that arrived is lost."
        )
        parts = [
            (gettext("Time"), self._since(facts)),
            (gettext("What happened"), what % {"cause": self._cause(facts)}),
            (gettext("How to fix it"), self._advice(facts)),
            (gettext("In numbers"), self._numbers(facts)),
            (gettext("Flows"), self._flows(facts)),
            (gettext("Who can fix it"), self._who(facts)),
        ]
        if notice.kind is NoticeKind.ESCALATED:
            parts.insert(1, (gettext("Why you get this"), self._waited(facts.after_minutes)))
        if facts.is_mail:
            parts.append(
                (gettext("Also"), gettext("Messages go through this connection: until it works, no mail leaves."))
            )
        elif facts.other_open:
            others = self.ngettext("One other incident is open.", "%(num)s other incidents are open.", facts.other_open)
            parts.append((gettext("Also"), others % {"num": facts.other_open}))
        return NoticeWords(
            look=_LOOKS[notice.kind],
            subject=subject,
            title=title % {"name": _name(facts)},
            parts=tuple((heading, text) for heading, text in parts if text),
            path=_path(facts),
            button=gettext("Repair"),
        )

    def _mended(self, facts: IncidentFacts) -> NoticeWords:
        gettext = self.gettext
        until = facts.closed_at or self._times.now
        time = gettext("From %(since)s to %(until)s.") % {
            "since": self._times.plain(facts.first_bad_at),
            "until": self._times.plain(until),
        }
        title = gettext("%(name)s works again")
        what = gettext(
            "It works again: proven by a good answer of the service. Held events go on by themselves, in order."
        )
        if facts.kept_until is not None:
            what = gettext(
                "It works again: proven by a good answer of the service. Held events wait for the repair plan until %(clock)s, "
                "then they go on by themselves, in order."
            ) % {"clock": self._times.plain(facts.kept_until)}
        if not facts.is_proven:
            title = gettext("%(name)s is deleted")
            what = gettext("The connection was deleted, so there is nothing to repair any more.")
        left = ""
        if facts.failed_runs:
            left = self.ngettext(
                "One run failed meanwhile. You can let it go on from where it failed.",
                "%(num)s runs failed meanwhile. You can let them go on from where they failed.",
                facts.failed_runs,
            ) % {"num": facts.failed_runs}
        parts = (
            (gettext("Time"), time),
            (gettext("What happened"), what),
            (gettext("What is left to do"), left or gettext("Nothing. No run failed.")),
            (gettext("In numbers"), self._numbers(facts)),
            (gettext("Flows"), self._flows(facts)),
        )
        return NoticeWords(
            look=_LOOKS[NoticeKind.MENDED],
            subject=gettext("Re: %(subject)s") % {"subject": self._subject(facts)},
            title=title % {"name": _name(facts)},
            parts=tuple((heading, text) for heading, text in parts if text),
            path=_path(facts),
            button=gettext("See what failed meanwhile") if facts.failed_runs else gettext("Details"),
        )

    def _digest(self, facts: DigestFacts) -> NoticeWords:
        gettext, num = self.gettext, {"num": facts.failed_runs}
        title = self.ngettext("One run failed", "%(num)s runs failed", facts.failed_runs) % num
        lines = [f"{one.name}: {one.count}" + (f" ({one.code})" if one.code else "") for one in facts.flows]
        lines += self._more(facts.flow_count - len(facts.flows))
        period = {"since": self._times.plain(facts.since), "until": self._times.plain(facts.until)}
        parts = (
            (gettext("Time"), gettext("From %(since)s to %(until)s.") % period),
            (gettext("What happened"), gettext("These runs failed for other reasons than a broken connection.")),
            (gettext("How to fix it"), gettext("Open a failed run: it says what to change, and lets you resubmit it.")),
            (gettext("Flows"), "\n".join(lines)),
        )
        return NoticeWords(
            look=_LOOKS[NoticeKind.DIGEST], subject=title, title=title, parts=parts,
            path="/runs?status=Failed", button=gettext("See the failed runs"),
        )  # fmt: skip

    def _plan(self, facts: PlanFacts) -> NoticeWords:
        gettext = self.gettext
        is_stopped = bool(facts.stop_code)
        name = facts.name or gettext("Selected runs")
        title = (
            gettext("%(name)s: the repair plan has stopped")
            if is_stopped
            else gettext("%(name)s: the repair plan is done")
        )
        counts = [
            self._count(gettext("%(num)s succeeded"), facts.succeeded),
            self._count(gettext("%(num)s failed"), facts.failed),
            self._count(gettext("%(num)s not begun or under way"), facts.left),
        ]
        what = gettext("Every run of the plan has ended.")
        if is_stopped:
            what = gettext(_STOPPED.get(facts.stop_code, _STOPPED_SOMEHOW))
        parts = (
            (gettext("What happened"), what),
            (gettext("In numbers"), " · ".join(one for one in counts if one)),
        )
        return NoticeWords(
            look=Look("pause", "warn", marked("Repair plan")) if is_stopped else _LOOKS[NoticeKind.REPAIRED],
            subject=title % {"name": name},
            title=title % {"name": name},
            parts=tuple((heading, text) for heading, text in parts if text),
            path=_path(facts),
            button=gettext("See what it did"),
        )

    def _trial(self, facts: TrialFacts) -> NoticeWords:
        gettext = self.gettext
        title = gettext("Test message of Flowmend")
        what = gettext("%(name)s asked whether messages arrive here. They do. There is nothing to repair.")
        return NoticeWords(
            look=_LOOKS[NoticeKind.TEST],
            subject=title,
            title=title,
            parts=((gettext("What happened"), what % {"name": facts.person}),),
            path=_path(facts),
            button=gettext("Settings for messages"),
        )

    def _waited(self, minutes: int) -> str:
        hours, rest = divmod(minutes, 60)
        if rest:
            words = self.ngettext(
                "Nobody has repaired it within one minute.", "Nobody has repaired it within %(num)s minutes.", minutes
            )
            return words % {"num": minutes}
        words = self.ngettext(
            "Nobody has repaired it within one hour.", "Nobody has repaired it within %(num)s hours.", hours
        )
        return words % {"num": hours}

    def _more(self, count: int) -> list[str]:
        return [self.ngettext("one more", "%(num)s more", count) % {"num": count}] if count > 0 else []

    def _subject(self, facts: IncidentFacts) -> str:
        return self.gettext("%(name)s needs repair: %(cause)s") % {"name": _name(facts), "cause": self._cause(facts)}

    def _cause(self, facts: IncidentFacts) -> str:
        return self.gettext(cause_of(facts.category))

    def _since(self, facts: IncidentFacts) -> str:
        times = {"since": self._times.plain(facts.first_bad_at)}
        if facts.last_good_at is None:
            return self.gettext("Since %(since)s.") % times
        times["good"] = self._times.plain(facts.last_good_at)
        return self.gettext("Since %(since)s. The last good call was at %(good)s.") % times

    def _advice(self, facts: IncidentFacts) -> str:
        if facts.source_kind is SourceKind.SIGN_IN_APP:
            return self.gettext(APP_ADVICE)
        fixable_by = FixableBy(facts.fixable_by)
        remedy = REMEDIES.get(facts.remedy) or (connection_remedy(facts.sign_in) if fixable_by in _BY_OWNER else None)
        if remedy is None:
            key = {
                FixableBy.GRANT_PERMISSION: "ask_for_permission",
                FixableBy.ADMIN: "ask_admin",
                FixableBy.WAIT: "wait",
            }
            remedy = REMEDIES[key.get(fixable_by, "edit_flow")]
        return self.gettext(remedy.advice)

    def _numbers(self, facts: IncidentFacts) -> str:
        ngettext = self.ngettext
        counted = (
            (ngettext("%(num)s flow affected", "%(num)s flows affected", facts.flow_count), facts.flow_count),
            (ngettext("%(num)s connection", "%(num)s connections", facts.connections), facts.connections),
            (ngettext("%(num)s run failed", "%(num)s runs failed", facts.failed_runs), facts.failed_runs),
            (ngettext("%(num)s event held", "%(num)s events held", facts.held_events), facts.held_events),
            (ngettext("%(num)s run waits", "%(num)s runs wait", facts.held_runs), facts.held_runs),
        )
        return " · ".join(words % {"num": count} for words, count in counted if count)

    def _flows(self, facts: IncidentFacts) -> str:
        names: Sequence[str] = facts.flows
        return " · ".join((*names, *self._more(facts.flow_count - len(names))))

    def _who(self, facts: IncidentFacts) -> str:
        gettext = self.gettext
        named = {"name": facts.person, "service": facts.service, "account": facts.account}
        match FixableBy(facts.fixable_by):
            case FixableBy.REVERIFY | FixableBy.RECONSENT:
                return gettext(ended_by(facts.sign_in, facts.person)) % named
            case FixableBy.GRANT_PERMISSION:
                if not facts.account:
                    return gettext("Somebody at %(service)s who grants permission can end it.") % named
                return gettext("Somebody at %(service)s who grants %(account)s permission can end it.") % named
            case FixableBy.ADMIN:
                return gettext("An administrator of %(service)s can end it.") % named
            case FixableBy.WAIT:
                return gettext("Nobody needs to act: it passes by itself.")
            case FixableBy.NONE:
                return gettext("Whoever edits the flow can end it.")

    def _count(self, words: str, count: int) -> str:
        return words % {"num": count} if count else ""


def _name(facts: IncidentFacts) -> str:
    """An account's name alone does not say where it is one."""
    is_bare = facts.source_kind is SourceKind.ACCOUNT and facts.service and facts.service != facts.name
    return f"{facts.name} ({facts.service})" if is_bare else facts.name


def notice_words(texts: NullTranslations, notice: NoticeRow, times: Times) -> NoticeWords:
    """A notice in the language of these texts."""
    return NoticeWriter(texts.gettext, texts.ngettext, times).words(notice)


def path_of(notice: NoticeRow) -> str:
    """Of the page that a notice leads to, "" where none is known."""
    facts = facts_of(notice)
    return _path(facts) if facts is not None else ""


def _path(facts: Facts) -> str:
    match facts:
        case IncidentFacts():
            return f"/incidents/{quote(facts.incident_id, safe='')}"
        case PlanFacts():
            return f"/repair_plans/{quote(facts.plan_id, safe='')}"
        case DigestFacts():
            return "/runs?status=Failed"
        case TrialFacts():
            return "/settings/messages"
