"""How backups stand: the last set and the last proof, kept in the container's own volume."""

import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from backup.plan import DATA

_FILE = DATA / "status.json"


@dataclass(frozen=True, kw_only=True)
class Status:
    """The last backup and the last proof.

    Attributes:
        tried: when a set was last begun.
        failure: why it did not work; empty if it did.
        made: when the last set was made.
        adopted: when a repository with sets from before was found.
        set_id: of the last set.
        begun: everything from before then is in the last set.
        safe: everything from before then is in two sets: one of them may be damaged.
        proof_tried: when a proof was last begun.
        proof_failure: why it did not work; empty if it did.
        proven: when each set was proven, by its ID.
    """

    tried: str = ""
    failure: str = ""
    made: str = ""
    adopted: str = ""
    set_id: str = ""
    begun: str = ""
    safe: str = ""
    proof_tried: str = ""
    proof_failure: str = ""
    proven: dict[str, str]


def load_status() -> Status:
    """The status, or an empty one."""
    try:
        return Status(**json.loads(_FILE.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Status(proven={})


def change(**values: object) -> Status:
    """The status with some of its values changed, as it is kept from now on."""
    status = Status(**asdict(load_status()) | values)
    new = Path(f"{_FILE}.new")
    new.write_text(json.dumps(asdict(status), indent=2), encoding="utf-8")
    new.rename(_FILE)
    return status


def now() -> str:
    """The time, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")
