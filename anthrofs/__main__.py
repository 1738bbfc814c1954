"""`python -m anthrofs` is the command `anthrofs`."""

from anthrofs.cli import main

main()
