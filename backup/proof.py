"""A proof: a set is restored beside nothing, and compared with what it says of itself."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from backup import databases, files, keys, status
from backup.errors import BackupError, run
from backup.plan import DATA, SOURCES, Plan
from backup.restic import Repository, show
from backup.sets import MANIFEST, SET, locked

_PROOF = DATA / "proof"


def prove(plan: Plan, set_id: str = "latest") -> str:
    """Prove a set; its ID.

    Raises:
        BackupError: it is not what it says, or cannot be restored.
    """
    with locked():
        status.change(proof_tried=status.now())
        try:
            known = _known(plan)
            found = _prove(plan, set_id, known)
        except (BackupError, OSError) as error:
            status.change(proof_failure=str(error))
            raise
        finally:
            shutil.rmtree(_PROOF, ignore_errors=True)
        _record(found, known)
    return found


def record(plan: Plan, set_id: str) -> None:
    """Write down that a set is proven; sets that are gone are forgotten.

    Raises:
        BackupError: the repository cannot be read.
    """
    _record(set_id, _known(plan))


def _known(plan: Plan) -> list[str]:
    return [str(each["short_id"]) for each in Repository(plan).sets()]


def _record(set_id: str, known: Sequence[str]) -> None:
    proven = status.load_status().proven | {set_id: status.now()}
    proven = {each: when for each, when in proven.items() if each in known}
    status.change(proof_failure="", proven=proven)


def _prove(plan: Plan, set_id: str, known: Sequence[str]) -> str:
    repository = Repository(plan)
    if not known:
        raise BackupError("there is no set yet")
    chosen = known[-1] if set_id == "latest" else set_id
    shutil.rmtree(_PROOF, ignore_errors=True)
    _PROOF.mkdir()
    repository.restore(chosen, str(SET), _PROOF)
    manifest = json.loads((_PROOF / MANIFEST).read_text(encoding="utf-8"))
    for source in manifest["sources"]:
        service, kind = source["service"], source["kind"]
        if kind == "databases":
            _prove_databases(_PROOF / service, manifest["facts"][service])
        elif kind == "keys":
            _prove_keys(_PROOF / service, manifest["facts"][service])
        else:
            files.check(_PROOF / service)
            # restic compares each file with its checksum.
            repository.restore(chosen, str(SOURCES / service), _PROOF / "files" / service)
        show(f"{service}: proven")
    return chosen


def _prove_keys(folder: Path, facts: dict[str, int]) -> None:
    found = keys.count(folder)
    if found != facts["keys"]:
        raise BackupError(f"Valkey's dump has {found} keys instead of {facts['keys']}")


def _prove_databases(folder: Path, facts: dict[str, Any]) -> None:
    with _server() as environment:
        found = {}
        for name in facts:
            run(["createdb", name], environment=environment)
            run(
                [
                    *("pg_restore", "--jobs=2", "--no-owner", "--no-privileges"),
                    *("--exit-on-error", f"--dbname={name}", folder / name),
                ],
                environment=environment,
            )
            printed = run([*databases.PSQL, name], environment=environment, stdin=databases.SUMS)
            found[name] = databases.sums(printed)
    if problems := databases.differences(facts, found):
        raise BackupError("\n".join(problems))


@contextmanager
def _server() -> Iterator[dict[str, str]]:
    """A PostgreSQL of its own, which nobody else reaches; the environment of its clients."""
    cluster = _PROOF / "cluster"
    environment = os.environ | {"PGHOST": str(_PROOF / "socket"), "PGUSER": "postgres"}
    (_PROOF / "socket").mkdir()
    run(
        [
            "initdb",
            "--username=postgres",
            "--locale=C.UTF-8",
            "--encoding=UTF8",
            "--no-sync",
            cluster,
        ]
    )
    options = f"-c listen_addresses= -c unix_socket_directories={_PROOF / 'socket'} -c fsync=off"
    run(
        [
            "pg_ctl",
            "start",
            "--silent",
            "--wait",
            "-D",
            cluster,
            "-l",
            cluster / "log",
            "-o",
            options,
        ]
    )
    try:
        yield environment
    finally:
        run(["pg_ctl", "stop", "--silent", "--wait", "--mode=immediate", "-D", cluster])
