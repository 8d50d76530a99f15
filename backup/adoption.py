"""The data of a deployment of the original template: its chat's database and files.

Its PostgreSQL has the tables of two programs in one database. Those of LiteLLM stay there.
"""

import json
import os
import shutil
from pathlib import Path
from typing import Any

from backup import databases, files, restore
from backup.errors import BackupError, run
from backup.restic import show

OLD = Path("/old")
"""The volume of the old chat, read-only."""

_DATABASE = "openwebui"
"""Name of the chat's database, here and of the service whose files these are."""

# LiteLLM's views count its spend; the chat has none.
_LEFT = """
SELECT c.oid::regclass FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND (c.relkind IN ('v', 'm')
    OR c.relkind IN ('r', 'p', 'S') AND c.relname ~ '^(LiteLLM_|_prisma_migrations$)')
"""
_SIZE = "SELECT pg_database_size(current_database())"
_COUNTS = """
SELECT json_build_object('accounts', (SELECT count(*) FROM "user"),
    'chats', (SELECT count(*) FROM chat), 'tools', (SELECT count(*) FROM tool),
    'functions', (SELECT count(*) FROM function))
"""
_SETTINGS = "SELECT coalesce(json_agg(config), '[]') FROM config"


def fetch(database: str) -> dict[str, Any]:
    """Write the old data beside the living ones of the new tenant.

    Args:
        database: name of the old one; the environment says where it is, and who asks.

    Returns:
        Sums of the tables, counts, and the names of settings that stay behind.

    Raises:
        BackupError: it cannot be read, there is no room, or a copy is not what was copied.
    """
    before = files.measure(OLD)
    restore.begin(int(_ask(database, _SIZE)) + before["bytes"])
    left_out = _ask(database, _LEFT).splitlines()
    counts = json.loads(_ask(database, _COUNTS))
    settings = sorted(_names(json.loads(_ask(database, _SETTINGS))))
    dump = restore.incoming("postgres") / _DATABASE
    sums = databases.dump_one(database, dump, os.environ, left_out)
    restore.hand_over("postgres", keep_owners=False)
    show(f"{database}: {len(sums)} tables are beside the living ones")
    target = restore.incoming(_DATABASE)
    shutil.copytree(OLD, target, symlinks=True, dirs_exist_ok=True)
    if (copied := files.measure(target)) != before:
        raise BackupError(f"the chat's volume has {before}, and its copy {copied}")
    restore.hand_over(_DATABASE, keep_owners=False)
    show(f"{_DATABASE}: {before['files']} files are beside the living ones")
    return {
        "facts": {"postgres": {_DATABASE: sums}},
        "counts": counts,
        "files": before["files"],
        "settings": settings,
    }


def _ask(database: str, question: str) -> str:
    return run([*databases.PSQL, "-c", question, database]).strip()


def _names(rows: list[dict[str, Any]]) -> set[str]:
    """Settings of the old chat, which keeps them one by one, or before that in one piece."""
    names = set()
    for row in rows:
        names |= {str(row["key"])} if "key" in row else _flat("", row.get("data") or {})
    return names


def _flat(prefix: str, value: dict[str, Any]) -> set[str]:
    names = set()
    for key, item in value.items():
        name = f"{prefix}{key}"
        names |= _flat(f"{name}.", item) if isinstance(item, dict) else {name}
    return names
