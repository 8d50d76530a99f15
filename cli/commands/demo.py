"""`cloudfreedom demo`."""

from cli.demo import demo as demo_tenant


def demo() -> None:
    """Bring a core and its tenant up, with whatever this machine lacks for it."""
    demo_tenant.demo()
