"""What a process tells whoever reads its log: a line of JSON, without secrets."""

import json


def log(event: str, **fields: object) -> None:
    """Write a line at once."""
    print(json.dumps({"event": event, **fields}), flush=True)
