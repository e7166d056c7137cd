"""JSON pointers, the way a problem says where it is.

Source: RFC 6901; `~` and `/` inside a name are written `~0` and `~1` (§3).
"""


def pointer_to(parent: str, *tokens: str | int) -> str:
    """The pointer of a value below `parent`: `pointer_to("/actions", "A/B", 0)` is `/actions/A~1B/0`."""
    return parent + "".join(f"/{_escape(str(token))}" for token in tokens)


def _escape(token: str) -> str:
    return token.replace("~", "~0").replace("/", "~1")


def tokens_of(pointer: str) -> list[str]:
    """The names a pointer leads through, outermost first: what `pointer_to` joined."""
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]
