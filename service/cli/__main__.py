"""`python -m service.cli` is the command `fashion-studio`."""

from service.cli import main

main()
