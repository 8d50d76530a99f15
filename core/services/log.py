"""The log of a process: lines of JSON, without secrets."""

import json


def log(event: str, **fields: object) -> None:
    """Write a line at once."""
    print(json.dumps({"event": event, **fields}), flush=True)
