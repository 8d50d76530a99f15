"""`cloudfreedom clean`."""

from cli.demo import demo as demo_tenant


def clean() -> None:
    """Take them down; their data stays."""
    demo_tenant.clean()
