"""Where the command begins."""

import sys


def main() -> None:
    """Run the command line and leave with its exit code: 0 done, 1 it did not work out, 2 asked wrongly."""
    from flowmend.cli.program import app

    # Windows consoles of another code page must not fail on a flow's name.
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    app(prog_name="flowmend")
