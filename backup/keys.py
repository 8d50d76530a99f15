"""Keys of Valkey: taken as a replica would, and put where a start reads them."""

import os
import re
from pathlib import Path

from backup.errors import BackupError, run
from backup.plan import secret

USER = "backup"
NAME = "dump.rdb"

_APPEND_ONLY = "appendonlydir"
_BASE = "appendonly.aof.1.base.rdb"


def dump(folder: Path) -> dict[str, int]:
    """Write all keys into a folder, and count them."""
    folder.mkdir()
    password = secret(f"redis-{USER}")
    run(
        ["valkey-cli", "-h", "redis", "--user", USER, "--no-auth-warning", "--rdb", folder / NAME],
        environment=os.environ | {"REDISCLI_AUTH": password, "VALKEYCLI_AUTH": password},
    )
    return {"keys": count(folder)}


def count(folder: Path) -> int:
    """Number of keys in a dump.

    Raises:
        BackupError: it is damaged.
    """
    printed = run(["valkey-check-rdb", folder / NAME])
    found = re.search(r"(\d+) keys read", printed)
    if not found:
        raise BackupError(f"valkey-check-rdb says no number of keys: {printed.strip()}")
    return int(found[1])


def place(folder: Path) -> None:
    """Make of a dump in a folder what Valkey reads at a start: it never reads a mere dump."""
    store = folder / _APPEND_ONLY
    store.mkdir()
    (folder / NAME).rename(store / _BASE)
    (store / "appendonly.aof.manifest").write_text(f"file {_BASE} seq 1 type b\n", encoding="ascii")
