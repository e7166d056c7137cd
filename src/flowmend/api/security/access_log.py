"""One line per request without anything secret in it, and a filter that keeps secrets out of every other line."""

import logging
import re

logger = logging.getLogger("flowmend.access")

_SECRETS = re.compile(
    r"""(?ix)
    (?P<name> \b(?:sig|link|secret|code|state|token|access_token|refresh_token|id_token|client_secret|password|api_key|key)= )
    [^&\s"']+
    | (?P<scheme> \b(?:bearer|basic)\s+ ) [\w.~+/=-]{6,}
    | (?P<login> /login/ ) [^\s?"']+
    """
)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")

_formatter = logging.Formatter()


def without_secrets(text: str) -> str:
    """The text with signatures, tokens and codes of URLs and headers replaced by `***`."""
    return _SECRETS.sub(lambda found: (found["name"] or found["scheme"] or found["login"]) + "***", text)


def log_request(*, method: str, path: str, status: int, milliseconds: float, caller: str, request_id: str) -> None:
    """Writes the line. The query never enters it, and control characters cannot start a line of their own."""
    logger.info(
        "%s %s %d %.1f ms %s %s",
        method,
        _CONTROL.sub("?", without_secrets(path)),
        status,
        milliseconds,
        caller,
        request_id,
    )


class SecretFilter(logging.Filter):
    """Removes signatures and tokens from what any library logs, tracebacks too. Attach to handlers: loggers' filters do
    not inherit.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if record.exc_info and record.exc_text is None:
            # Formatters take the text that is there; an error may quote the address it was about.
            record.exc_text = without_secrets(_formatter.formatException(record.exc_info))
        message = record.getMessage()
        cleaned = without_secrets(message)
        if cleaned != message:
            record.msg, record.args = cleaned, ()
        return True
