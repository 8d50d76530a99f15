"""Lets `python -m cli` be `cloudfreedom`."""

from cli.app import main

main()
