"""The command `flowmend`. Heavy parts are imported by the command that needs them, so that `--help` is quick."""

from flowmend.cli.main import main

__all__ = ["main"]
