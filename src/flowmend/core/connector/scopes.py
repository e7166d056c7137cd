"""What a grant covers: the scopes that operations and sign-ins ask for, against those that were granted."""

from collections.abc import Iterable

from flowmend.core.connector.operation import Operation

#: They shape the sign-in itself; no operation needs them, and providers do not list them among what was granted.
_OF_THE_SIGN_IN = frozenset({"openid", "profile", "email", "offline_access", "offline.access", "phone", "address"})


def missing_scopes(asked: Iterable[str], granted: Iterable[str]) -> tuple[str, ...]:
    """The scopes asked for that the grant does not cover, in their order.

    Empty where the grant names none: then it is as was asked (RFC 6749 §5.1).
    """
    names = {_name(scope) for scope in granted}
    if not names:
        return ()
    return tuple(dict.fromkeys(scope for scope in asked if not _is_covered(_name(scope), names)))


def scopes_lacking(operation: Operation, granted: Iterable[str]) -> tuple[str, ...]:
    """The scopes without which this operation will be refused; empty where one of its alternatives is covered."""
    names = tuple(granted)
    lacking = [missing_scopes(alternative, names) for alternative in operation.scopes]
    return min(lacking, key=len, default=())


def _name(scope: str) -> str:
    """`mail.send` of `Mail.Send` and of `https://graph.microsoft.com/Mail.Send`: providers answer in either form."""
    return scope.strip().rstrip("/").rpartition("/")[2].casefold()


def _is_covered(name: str, granted: set[str]) -> bool:
    if not name or name in _OF_THE_SIGN_IN or name == ".default" or name in granted:
        return True
    wider = {f"{name}.all", name.replace(".read", ".readwrite"), f"{name.replace('.read', '.readwrite')}.all"}
    return not wider.isdisjoint(granted)
