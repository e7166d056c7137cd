"""`python -m flowmend`."""

from flowmend.cli.main import main

main()
