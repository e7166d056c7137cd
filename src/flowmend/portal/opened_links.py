"""What the pages of mailed links have in common: how a link's secret comes, where it is kept, and how many minutes to wait.

The secret stands in the fragment of the address, so no server sees it until the page's script, or a person's own hand,
sends it in a form. From then on a cookie of these pages alone holds it. Nothing here depends on who is signed in.
"""

from dataclasses import dataclass

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import Response

from flowmend.core.errors import TooManyAttempts
from flowmend.portal.forms import form_text
from flowmend.portal.portal import Portal, see

_COOKIE_LASTS_SECONDS = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkPages:
    """The pages of one kind of link. cookie: where the secret is kept. path: below which they lie. template: of them all."""

    cookie: str
    path: str
    template: str

    def secret(self, request: Request) -> str:
        """Of the link that was opened, "" for none."""
        return request.cookies.get(self.cookie, "")

    def taken(self, portal: Portal, secret: str, next_page: str) -> Response:
        """On to the next page, the secret kept."""
        answer = see(next_page)
        answer.set_cookie(
            self.cookie,
            secret,
            max_age=_COOKIE_LASTS_SECONDS,
            path=self.path,
            secure=portal.services.settings.base_url.startswith("https:"),
            httponly=True,
            samesite="strict",
        )
        return answer

    def forget(self, answer: Response) -> None:
        """The link is used up."""
        answer.delete_cookie(self.cookie, path=self.path)

    def answer(self, portal: Portal, request: Request, page: object, status_code: int = 200) -> Response:
        """The page, the same whoever is signed in in this browser: it shows nothing of what is theirs."""
        request.state.person = None
        return portal.answer(request, self.template, status_code=status_code, page=page)


def sent_secret(form: FormData) -> str:
    """The secret of a form that holds it, or the whole link as it was pasted."""
    return form_text(form, "code").strip().rpartition("#")[2]


def caller_of(request: Request) -> str:
    """The address that tries are counted by."""
    return str(getattr(request.state, "address", "") or (request.client.host if request.client else ""))


def with_waiting_time(answer: Response, wrong: TooManyAttempts) -> Response:
    """The answer with when to come again, for machines."""
    answer.headers["retry-after"] = str(wrong.retry_after_seconds)
    return answer
