"""Lets `python -m ops` be `cloudfreedom`."""

from ops.cli import app

app()
