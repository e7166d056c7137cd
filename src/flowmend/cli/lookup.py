"""Which flow or connection is meant: people know their names, the server their ids."""

from flowmend.cli.server_client import Server
from flowmend.core.errors import AskedWrongly
from flowmend.core.json_value import Json

_ALL = 1_000_000


def flow_id(server: Server, named: str) -> str:
    """The id of a flow given by id or name, `named` itself where there is none. Errors: AskedWrongly `AmbiguousName`."""
    return _id_of(server.get("/flows")["value"], named, "name", "flows")


def connection_id(server: Server, named: str) -> str:
    """As `flow_id`, of a connection."""
    return _id_of(server.pages("/connections", limit=_ALL, text=named), named, "display_name", "connections")


def _id_of(known: list[Json], named: str, name_field: str, kind: str) -> str:
    if any(one["id"] == named for one in known):
        return named
    fitting = [one["id"] for one in known if one[name_field].casefold() == named.casefold()]
    if len(fitting) > 1:
        raise AskedWrongly(
            f"{len(fitting)} {kind} are called {named!r}: {', '.join(fitting)}. Give the id.", code="AmbiguousName"
        )
    return fitting[0] if fitting else named
