"""What became of a message, and why, in words."""

from flowmend.portal.language import marked
from flowmend.portal.words import Look
from flowmend.store.notice_rows import DeliveryRow, DeliveryState, MessageRouteRow, NoticeKind

_LOOKS = {
    DeliveryState.DUE: Look("wait", "held", marked("To be sent")),
    DeliveryState.SENDING: Look("run", "run", marked("Being sent"), spins=True),
    DeliveryState.SENT: Look("ok", "good", marked("Sent")),
    DeliveryState.UNKNOWN: Look("warn", "warn", marked("May not have arrived")),
    DeliveryState.GIVEN_UP: Look("bad", "bad", marked("Given up")),
    DeliveryState.DROPPED: Look("skip", "idle", marked("Not needed any more")),
}
_AGAIN = Look("retries", "warn", marked("Will be tried again"))

_REASONS = {
    "NoMailServer": marked("No mail server is set."),
    "NoMailConnection": marked("The connection that mail goes through was deleted."),
    "ConnectionNeedsRepair": marked("The connection that mail goes through needs repair itself."),
    "MailSignInPending": marked(
        "The mail server has not accepted the sign-in yet; this one waits until it is tried again."
    ),
    "NoMailSender": marked("Nobody is named as sender. Set FLOWMEND_MAIL_FROM."),
    "TooManyMessages": marked("Many messages went there within the hour; this one waits."),
    "AnswerLost": marked("The mail server did not answer after it was handed over. It is not sent again by itself."),
    "AddressNotAllowed": marked("The address leads to a private network, which may not be called."),
    "ConnectionRefused": marked("The server refused the connection."),
    "RequestTimeout": marked("The server did not answer in time."),
    "UnresolvableHostName": marked("The server's name is not known."),
    "TlsFailed": marked("No secure connection could be made."),
    "535": marked("The mail server refused the user name or password."),
    "550": marked("The mail server does not know the address, or refuses it."),
}

_KINDS = {
    NoticeKind.BROKEN: marked("A connection needs repair"),
    NoticeKind.MENDED: marked("A connection works again"),
    NoticeKind.ESCALATED: marked("Still broken"),
    NoticeKind.DIGEST: marked("Sum of failed runs"),
    NoticeKind.REPAIRED: marked("A repair plan ended"),
    NoticeKind.TEST: marked("Test message"),
}

#: What a route may be told, by the form's word.
TOLD_OF: dict[str, tuple[NoticeKind, ...]] = {
    "all": (),
    "breaks": (NoticeKind.BROKEN, NoticeKind.MENDED, NoticeKind.ESCALATED),
    "digest": (NoticeKind.DIGEST,),
}
_TOLD_OF_WORDS = {
    "all": marked("Everything"),
    "breaks": marked("Only connections that break and work again"),
    "digest": marked("Only the sum of failed runs"),
}
#: Offered waits, in minutes.
WAITS = (0, 15, 30, 60, 240, 1440)


def delivery_look(row: DeliveryRow) -> Look:
    """Where a message stands."""
    return _AGAIN if row.state is DeliveryState.DUE and row.attempts else _LOOKS[row.state]


def delivery_reason(row: DeliveryRow) -> str:
    """Why it was not sent, to be translated; "" where nothing says so, or only the code and the service's own words do."""
    return _REASONS.get(row.code, "")


def kind_words(kind: NoticeKind) -> str:
    """To be translated."""
    return _KINDS[kind]


def told_of_words(choice: str) -> str:
    """A choice of `TOLD_OF`, to be translated."""
    return _TOLD_OF_WORDS[choice]


def told_of(row: MessageRouteRow) -> str:
    """The choice a route was made with, "" where the API chose others."""
    chosen = set(row.kinds or ())
    return next((name for name, kinds in TOLD_OF.items() if {kind.value for kind in kinds} == chosen), "")
