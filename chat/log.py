"""Keep secrets of the address line out of the access log."""

import logging
import re

_SECRET = re.compile(r"(?<=[?&])(code|state|token|id_token|id_token_hint|session_state)=[^&\s\"]+")


class Masked(logging.Filter):
    """Masks codes and tokens in what uvicorn logs of a request."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through, without the values."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                masked(value) if isinstance(value, str) else value for value in record.args
            )
        return True


def masked(text: str) -> str:
    """A text of an address without its codes and tokens."""
    return _SECRET.sub(r"\1=***", text)


def install() -> None:
    """Mask the access log of this process."""
    for name in ("uvicorn.access", "uvicorn.error"):
        logging.getLogger(name).addFilter(Masked())
