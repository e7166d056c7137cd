"""CallbackUrl in the spelling of the REST surface (rest-api.md §3)."""

import msgspec

from flowmend.core.trigger.callback_url import CallbackUrl


class CallbackUrlShape(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """The signed address of a Request trigger. queries: `api-version`, `sp`, `sv`, `sig`, and `se` where it ends."""

    value: str
    method: str
    base_path: str
    relative_path: str | None = None
    relative_path_parameters: list[str] | None = None
    queries: dict[str, str]


def callback_url_shape(address: CallbackUrl) -> CallbackUrlShape:
    return CallbackUrlShape(
        value=address.value,
        method=address.method,
        base_path=address.base_path,
        relative_path=address.relative_path or None,
        relative_path_parameters=list(address.relative_path_parameters) or None,
        queries=dict(address.queries),
    )
