"""Signed URLs: whoever holds one may start a flow, or read one value of a run, without signing in.

    POST {host}/workflows/{id}/triggers/{t}/paths/invoke[/{relative path}]?api-version&sp&sv&sig[&se]
    GET  {host}/workflows/{id}/runs/{r}/…/contents/{what}?api-version&se&sp&sv&sig
    POST {host}/workflows/{id}/runs/{r}/actions/{a}[/repetitions/{n}]/callback?api-version&sp&sv&sig

sp is what the URL permits, se when it ends, sig an HMAC-SHA256 over both, the flow and the version of the
scheme, in base64url without padding. What the service itself signs over is not public.
Source: rest-api.md §3 and §4
"""

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from urllib.parse import quote, urlencode

from flowmend.core.errors import NotAllowed

API_VERSION = "2016-10-01"

#: The query parameters that belong to the signature and never reach a flow.
SIGNATURE_QUERIES = frozenset({"api-version", "sp", "sv", "sig", "se"})

_SCHEME_VERSION = "1.0"
_LONGEST_REMEMBERED = 512
_PLACEHOLDER = re.compile(r"\{([^{}/]+)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallbackUrl:
    """A signed invoke URL. value: the whole of it, which is a secret; the other fields are its parts.

    relative_path: as the trigger declares it, with its placeholders, "" for none.
    """

    value: str
    base_path: str
    method: str = "POST"
    relative_path: str = ""
    relative_path_parameters: tuple[str, ...] = ()
    queries: Mapping[str, str]

    def __repr__(self) -> str:
        return f"CallbackUrl(base_path={self.base_path!r}, method={self.method!r})"


def sign_callback(
    base_url: str,
    flow_id: str,
    trigger: str,
    *,
    key: bytes,
    relative_path: str = "",
    expires_at: datetime | None = None,
    method: str = "POST",
) -> CallbackUrl:
    """The URL that starts `flow_id` by its Request trigger `trigger`.

    base_url: where this Flowmend is reached, without a trailing slash. key: the flow's access key; another
    one makes every earlier URL useless.
    """
    base_path = f"{base_url}/workflows/{quote(flow_id, safe='')}/triggers/{quote(trigger, safe='')}/paths/invoke"
    queries = _signed(flow_id, _run_permission(trigger), key, expires_at)
    path = relative_path.strip("/")
    return CallbackUrl(
        value=f"{base_path}{f'/{path}' if path else ''}?{_query_string(queries)}",
        base_path=base_path,
        method=method,
        relative_path=path,
        relative_path_parameters=tuple(_PLACEHOLDER.findall(path)),
        queries=queries,
    )


def verify_callback(flow_id: str, trigger: str, queries: Mapping[str, str], *, key: bytes, now: datetime) -> None:
    """Let a request pass whose query carries a valid signature for this flow and trigger.

    key: b"" lets nothing pass. Errors: NotAllowed, code DirectApiAuthorizationRequired.
    """
    _verify(flow_id, _run_permission(trigger), queries, key, now)


def sign_action_callback(base_url: str, flow_id: str, callback_path: str, *, key: bytes) -> str:
    """The URL by which a service answers one webhook action of one run, as long as that waits.

    callback_path: below the flow, `runs/{r}/actions/{a}[/repetitions/{n}]/callback`.
    """
    path = callback_path.strip("/")
    queries = _signed(flow_id, _answer_permission(path), key, None)
    return f"{base_url}/workflows/{quote(flow_id, safe='')}/{quote(path)}?{_query_string(queries)}"


def verify_action_callback(
    flow_id: str, callback_path: str, queries: Mapping[str, str], *, key: bytes, now: datetime
) -> None:
    """Let a request pass whose query carries a valid signature for this action. Errors: as `verify_callback`."""
    _verify(flow_id, _answer_permission(callback_path.strip("/")), queries, key, now)


def sign_response_link(base_url: str, flow_id: str, run_name: str, *, key: bytes) -> str:
    """The URL at which the caller of an asynchronous flow asks for its answer."""
    queries = _signed(flow_id, _ask_permission(run_name), key, None)
    place = f"{base_url}/workflows/{quote(flow_id, safe='')}/runs/{quote(run_name, safe='')}/response"
    return f"{place}?{_query_string(queries)}"


def verify_response_link(flow_id: str, run_name: str, queries: Mapping[str, str], *, key: bytes, now: datetime) -> None:
    """Let a request pass whose query carries a valid signature for this run's answer. Errors: as `verify_callback`."""
    _verify(flow_id, _ask_permission(run_name), queries, key, now)


def sign_content_link(base_url: str, flow_id: str, content_path: str, *, key: bytes, expires_at: datetime) -> str:
    """The URL that reads one value of a run until `expires_at`.

    content_path: below the flow, for example `runs/{r}/actions/{a}/contents/ActionInputs`.
    """
    path = content_path.strip("/")
    queries = _signed(flow_id, _read_permission(path), key, expires_at)
    return f"{base_url}/workflows/{quote(flow_id, safe='')}/{quote(path)}?{_query_string(queries)}"


def verify_content_link(
    flow_id: str, content_path: str, queries: Mapping[str, str], *, key: bytes, now: datetime
) -> None:
    """Let a request pass whose query carries a valid signature for this value. Errors: as `verify_callback`."""
    _verify(flow_id, _read_permission(content_path.strip("/")), queries, key, now)


def _run_permission(trigger: str) -> str:
    return f"/triggers/{trigger}/run"


def _read_permission(content_path: str) -> str:
    return f"/{content_path}/read"


def _answer_permission(callback_path: str) -> str:
    return f"/{callback_path}/answer"


def _ask_permission(run_name: str) -> str:
    return f"/runs/{run_name}/response/read"


def _signed(flow_id: str, permission: str, key: bytes, expires_at: datetime | None) -> dict[str, str]:
    ends = {} if expires_at is None else {"se": _written(expires_at)}
    signature = _signature(flow_id, permission, ends.get("se", ""), key)
    return {"api-version": API_VERSION, "sp": permission, "sv": _SCHEME_VERSION, "sig": signature, **ends}


def _verify(flow_id: str, permission: str, queries: Mapping[str, str], key: bytes, now: datetime) -> None:
    ends = queries.get("se", "")
    asked = queries.get("sp", "")
    # A flow's URL is the same at every call, so its signature is remembered; a stranger's endless one is not.
    is_short = len(flow_id) + len(asked) + len(ends) <= _LONGEST_REMEMBERED
    expected = (_remembered_signature if is_short else _signature)(flow_id, asked, ends, key)
    is_genuine = hmac.compare_digest(expected.encode(), queries.get("sig", "").encode("utf-8", "replace"))
    # Names in paths ignore case, and so does what a URL permits; an empty key is no key.
    is_permitted = queries.get("sp", "").lower() == permission.lower() and queries.get("sv") == _SCHEME_VERSION
    if not (key and is_genuine and is_permitted):
        raise NotAllowed(
            "The request is not authorised: its URL carries no valid signature. Use the URL the flow's page shows now.",
            code="DirectApiAuthorizationRequired",
        )
    if ends and _read(ends) <= now:
        raise NotAllowed(
            f"The request is not authorised: its URL was valid until {ends}. Ask for a new one.",
            code="DirectApiAuthorizationRequired",
        )


def _signature(flow_id: str, permission: str, ends: str, key: bytes) -> str:
    signed = f"{_SCHEME_VERSION}\n{flow_id.lower()}\n{permission}\n{ends}"
    digest = hmac.digest(key, signed.encode("utf-8", "replace"), "sha256")
    return urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


_remembered_signature = lru_cache(maxsize=1024)(_signature)


def _written(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _read(written: str) -> datetime:
    # Only a text we signed comes here.
    return datetime.fromisoformat(written)


def _query_string(queries: Mapping[str, str]) -> str:
    return urlencode(queries, quote_via=quote, safe="")
