"""What the README tells people to type exists."""

import re
import shlex
from pathlib import Path

import click
import pytest
import typer

from flowmend.cli.program import app

README = Path(__file__).parents[2] / "README.md"
_SHELL = frozenset({"", "sh", "shell", "bash", "console", "powershell", "pwsh", "text"})
_BLOCK = re.compile(r"^```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"`(?P<text>flowmend [^`\n]+)`")


def commands() -> list[str]:
    """Every `flowmend …` of the README: a line of a shell block, or between back-quotes."""
    text = README.read_text("utf-8")
    found = [one["text"] for one in _INLINE.finditer(text)]
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
