"""`python -m preflight` is `preflight`."""

from preflight.cli import main

main()
