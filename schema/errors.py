"""The mistakes of people."""


class UserError(Exception):
    """Somebody who runs this program must change something; the text says what, and is enough."""
