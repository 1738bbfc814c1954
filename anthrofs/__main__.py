"""`python -m anthrofs` is the command `anthrofs`."""

from anthrofs.cli.commands import main

main()
