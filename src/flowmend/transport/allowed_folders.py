"""Which files of this machine flows may touch: those within the folders that FLOWMEND_FILES_ROOTS names, and no link out."""

from collections.abc import Collection
from pathlib import Path

from flowmend.transport.operation_arguments import BadArgument, refuse


def allowed_path(roots: Collection[Path], path: str) -> Path:
    """The real place of a connection's file or folder, all links followed. Errors: Refused where it is not in a root."""
    real = Path(path).expanduser().resolve() if Path(path).is_absolute() else None
    if real is None or not any(real.is_relative_to(root.resolve()) for root in roots):
        text = (
            f"{path!r} is not within the folders that flows may use. If this is meant, name the folder in the setting "
            "FLOWMEND_FILES_ROOTS."
        )
        refuse("files", 403, "FolderNotAllowed", text)
    return real


def path_within(folder: Path, asked: str) -> Path:
    """The real place of `a/b.txt` in a folder that is real itself; what does not exist yet is placed too.

    Errors: BadArgument for a path that is none; Refused where a link leads out.
    """
    steps = steps_of(asked)
    place = folder.joinpath(*steps)
    try:
        real = place.resolve()
    except (OSError, RuntimeError) as error:  # links in a circle
        raise BadArgument(f"{asked!r} leads nowhere.", "InvalidPath") from error
    if not real.is_relative_to(folder):
        refuse("files", 403, "PathNotAllowed", f"{asked!r} leads out of the connection's folder.")
    return real


def steps_of(asked: str) -> list[str]:
    """The names of `/a/b.txt`. Errors: BadArgument where one is `..` or holds what names no file."""
    steps = [step for step in asked.replace("\\", "/").split("/") if step not in {"", "."}]
    if ".." in steps or any("\0" in step or ":" in step[1:2] for step in steps):
        raise BadArgument(f"{asked!r} is no path within the connection's folder.", "InvalidPath")
    return steps
