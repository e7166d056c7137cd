"""`python -m flowmend.cli`."""

from flowmend.cli.main import main

main()
