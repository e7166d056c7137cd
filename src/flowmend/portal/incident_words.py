"""What cures an incident, what it is called, and what to tell whoever can end it."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from flowmend.core.connection.health import HealthState
from flowmend.core.connection.incident import SourceKind
from flowmend.core.outcome import FixableBy
from flowmend.portal.language import marked
from flowmend.portal.remedies import REMEDIES, connection_remedy
from flowmend.portal.words import HEALTH_LOOKS, Look
from flowmend.use_cases.incident_question import Asked, question_about
from flowmend.use_cases.incidents import IncidentSummary

_BY_OWNER = frozenset({FixableBy.REVERIFY, FixableBy.RECONSENT})
_MENDED = Look("mend", "mend", marked("Mended"))

#: As `use_cases.incident_question` says it in English; here for the catalogue.
QUESTIONS = {
    Asked.APP_SECRET: marked(
        "The client secret of the app registration %(app)s is no longer accepted by %(service)s, since %(since)s. "
        "The answer is %(code)s: %(message)s Could you create a new client secret there and hand it over safely?"
    ),
    Asked.ACCESS: marked(
        "%(service)s refuses %(account)s a request since %(since)s. The answer is %(code)s: %(message)s "
        "Could you give this account the right to do it?"
    ),
    Asked.SETTING: marked(
        "%(service)s refuses the sign-in of %(account)s since %(since)s. The answer is %(code)s: %(message)s "
        "A setting there or in the organisation stands in the way. Could you change it?"
    ),
}
_NO_NAME = marked("our account")
APP_ADVICE = marked(
    "Every connection of this sign-in app stopped working with its secret. One new secret mends them all."
)

#: what people do to connections, by the audit's word
_VERBS = {
    "verify": marked("Verified: the new credential works"),
    "verify_refused": marked("New credential refused"),
    "test": marked("Tested"),
    "give_client_secret": marked("Client secret given"),
    "make_repair_link": marked("Repair link made"),
    "use_repair_link": marked("Repair link used"),
    "revoke_repair_links": marked("Repair links withdrawn"),
    "put_back": marked("Earlier credential put back"),
    "put_back_refused": marked("Earlier credential refused"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cure:
    """The one button. title: to be translated. address: "" where nothing here cures it. advice: to be translated."""

    title: str
    address: str
    advice: str


def cure_of(incident: IncidentSummary, run_name: str = "", *, then_plan: bool = False) -> Cure:
    """What ends an open incident. run_name: of a failed run to come back to. then_plan: its repair plan comes next."""
    row, first = incident.row, next(iter(incident.waiting), None)
    fixable_by = FixableBy(row.fixable_by)
    remedy = REMEDIES.get(row.remedy) or (connection_remedy(incident.sign_in) if fixable_by in _BY_OWNER else None)
    asked = ({"run": run_name} if run_name else {}) | ({"then": "plan"} if then_plan else {})
    query = f"?{urlencode(asked)}" if asked else ""
    address = f"/connections/{quote(first.connection_id, safe='')}/verify{query}" if first else ""
    if row.source_kind is SourceKind.SIGN_IN_APP:
        return Cure(
            title=marked("Replace client secret"),
            address=f"/settings/apps/{quote(row.source_id, safe='')}{query}" if incident.app else address,
            advice=APP_ADVICE,
        )
    advice = remedy.advice if remedy is not None else _advice_without_remedy(fixable_by)
    if fixable_by in _BY_OWNER:
        own = (
            remedy
            if remedy is not None and remedy.opens in {"verify", "consent"}
            else connection_remedy(incident.sign_in)
        )
        return Cure(title=own.title, address=address, advice=advice)
    return Cure(title="", address="", advice=advice)


def question_for_administrator(incident: IncidentSummary, gettext: Callable[[str], str], since: str) -> str:
    """A sentence to copy to whoever can end it, with the provider's code; "" where the owner can.

    since: when it began, in words.
    """
    texts = {asked: gettext(text) for asked, text in QUESTIONS.items()}
    return question_about(incident, since, texts=texts, no_name=gettext(_NO_NAME))


def incident_look(incident: IncidentSummary) -> Look:
    return HEALTH_LOOKS[HealthState.BROKEN] if incident.is_open else _MENDED


def verb_in_words(verb: str) -> str:
    """What somebody did, to be translated; the audit's own word where it is a rare one."""
    return _VERBS.get(verb, verb)


def _advice_without_remedy(fixable_by: FixableBy) -> str:
    key = {FixableBy.GRANT_PERMISSION: "ask_for_permission", FixableBy.ADMIN: "ask_admin", FixableBy.WAIT: "wait"}
    return REMEDIES[key.get(fixable_by, "edit_flow")].advice
