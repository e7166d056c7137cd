"""The README is true: what it tells people to type exists, its settings are read, its pictures are there."""

import re
import shlex
from pathlib import Path

import click
import pytest
import typer

from flowmend.cli.program import app

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
_SHELL = frozenset({"", "sh", "shell", "bash", "console", "powershell", "pwsh", "text"})
_BLOCK = re.compile(r"^```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(?:\.venv[/\\](?:bin|Scripts)[/\\])?(?P<text>flowmend [^`\n]+)`")
_GROUPED = re.compile(r"`(?P<text>(?:flows|runs|connections) [a-z-]+)`")
_SETTING = re.compile(r"FLOWMEND_[A-Z]+(?:_[A-Z]+)*")
_PICTURE = re.compile(r"!\[([^\]]+)\]\(([^)]+)\)")
_MOST_PICTURE_BYTES = 120_000


def commands() -> list[str]:
    """Every `flowmend …` of the README: a line of a shell block, or between back-quotes."""
    text = README.read_text("utf-8")
    found = [one["text"] for one in _INLINE.finditer(text)]
    found += [f"flowmend {one['text']}" for one in _GROUPED.finditer(text)]
    for block in _BLOCK.finditer(text):
        if block["language"] in _SHELL:
            joined = block["text"].replace("\\\n", " ")
            found += [line.removeprefix("$ ").strip() for line in joined.splitlines()]
    return sorted({line for line in found if re.match(r"(\S*/)?flowmend\s", line)})


def arguments(line: str) -> list[str]:
    """The words after `flowmend`, up to a pipe, redirection or comment."""
    words = shlex.split(line, comments=True)[1:]
    for position, word in enumerate(words):
        if word in {"|", "&&", "||", ";", "&"} or word[:1] in {">", "<"}:
            return words[:position]
    return words


@pytest.mark.parametrize("line", commands())
def test_each_command_of_the_readme_exists_with_its_options(line: str) -> None:
    command = typer.main.get_command(app)
    words = arguments(line)
    while words and not words[0].startswith("-") and hasattr(command, "commands"):
        name = words.pop(0)
        assert name in command.commands, f"there is no command {name!r}"
        command = command.commands[name]
    known = {option for parameter in command.params for option in [*parameter.opts, *parameter.secondary_opts]}
    known |= {"--help", "-h"}
    for word in words:
        if word.startswith("--"):
            assert word.partition("=")[0] in known, f"{command.name} has no option {word}"


def test_every_command_has_a_help_text() -> None:
    def walk(command: click.Command, path: str) -> None:
        assert command.help, path
        for name, child in getattr(command, "commands", {}).items():
            walk(child, f"{path} {name}")

    walk(typer.main.get_command(app), "flowmend")


def test_each_setting_is_read_and_each_that_is_read_is_told() -> None:
    sources = "\n".join(path.read_text("utf-8") for path in (ROOT / "src" / "flowmend").rglob("*.py"))
    assert set(_SETTING.findall(README.read_text("utf-8"))) == set(_SETTING.findall(sources))


def test_each_picture_is_there_light_enough_and_shown() -> None:
    pictures = _PICTURE.findall(README.read_text("utf-8"))
    assert pictures
    for words, path in pictures:
        assert words
        assert 0 < (ROOT / path).stat().st_size < _MOST_PICTURE_BYTES, path
    kept = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs" / "screenshots").glob("*.png")}
    assert kept == {path for _, path in pictures}


def test_each_document_it_names_exists() -> None:
    for name in re.findall(r"`([A-Z]+\.md|LICENSE)`", README.read_text("utf-8")):
        assert (ROOT / name).is_file(), name


def test_each_make_target_exists() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = re.findall(r"(?:`|^)make ([a-z]+)", README.read_text("utf-8"), re.MULTILINE)
    assert targets
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target
