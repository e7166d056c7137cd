"""Signed addresses of a run's contents: readable without a bearer token until they end (rest-api.md §4)."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from flowmend.core.trigger.callback_url import sign_content_link

#: Long enough to follow a page of links, short enough that a copied one is soon worthless.
LINK_LASTS = timedelta(hours=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedContents:
    """Makes the addresses for one run. key: the flow's access key. expires_at: when they stop working."""

    base_url: str
    flow_id: str
    run_name: str
    key: bytes
    expires_at: datetime

    def __repr__(self) -> str:
        return f"SignedContents(run_name={self.run_name!r})"

    def uri(self, place: str, kind: str) -> str:
        """See `shapes.content_link.Contents`."""
        below = f"{place}/contents/{kind}" if place else f"contents/{kind}"
        path = f"runs/{self.run_name}/{below}"
        return sign_content_link(self.base_url, self.flow_id, path, key=self.key, expires_at=self.expires_at)
