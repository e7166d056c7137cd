"""The tree guards itself: sizes, names and what a start may import."""

from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
FILES = sorted(SOURCE.rglob("*.py"))
LONGEST = 400
DRAWERS = {"utils", "helpers", "common", "manager", "misc"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_no_source_file_is_over_400_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


def test_no_room_is_a_drawer() -> None:
    names = {part for path in FILES for part in (path.stem, *path.relative_to(SOURCE).parts[:-1])}
    assert names & DRAWERS == set()


@pytest.mark.parametrize(
    "path", [path for path in FILES if "core" in path.parts], ids=lambda path: str(path.relative_to(SOURCE))
)
def test_the_core_reads_no_clock_and_draws_no_chance(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    for call in ("datetime.now(", "utcnow(", "time.time(", "time.monotonic(", "uuid4(", "async def ", "await "):
        assert call not in text, call


def test_every_package_says_what_it_is() -> None:
    for path in FILES:
        if path.name == "__init__.py":
            assert path.read_text(encoding="utf-8").lstrip().startswith('"""'), path
