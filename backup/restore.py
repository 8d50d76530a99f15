"""A restore: a set is written beside the living data of a stack, which then take turns.

Everything lies in a folder of ours in each volume, so that a turn is a matter of renaming.
"""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

from backup import files, keys
from backup.errors import BackupError
from backup.plan import SOURCES, Plan
from backup.restic import Repository, show
from backup.sets import MANIFEST, SET, STACK

TARGETS = Path("/targets")
"""Volumes of the services, writable, by the name of the service."""

_RESERVE = 256 * 2**20
_KEPT, _TAKEN, _DROPPED = "kept", "taken", "dropped"
_PHASE = "phase"


class Phase(StrEnum):
    """How far a restore is."""

    NONE = ""
    FETCHING = "fetching"  # the living data are as they were
    SWITCHING = "switching"
    DONE = "done"  # the data from before are kept


def fetch(plan: Plan, set_id: str, services: Sequence[str]) -> dict[str, Any]:
    """Write a set beside the living data; what it says of itself, and its ID.

    Args:
        plan: of the stack whose set it is.
        set_id: of the set, or `latest`.
        services: whose data are written, of those that the set has.

    Raises:
        BackupError: there is no such set, it is damaged, or there is no room.
    """
    repository = Repository(plan)
    chosen = _chosen(repository, set_id)
    manifest: dict[str, Any] = json.loads(repository.text(chosen, str(SET / MANIFEST)))
    begin(repository.size(chosen))
    for source in manifest["sources"]:
        service, kind = source["service"], source["kind"]
        if service not in services:
            continue
        target = incoming(service)
        if kind == "files":
            repository.restore(chosen, str(SOURCES / service), target)
        # Each row of a database is compared when it is there.
        repository.restore(chosen, str(SET / service), target, verify=kind != "databases")
        if kind == "keys":
            keys.place(target)
        hand_over(service, keep_owners=kind == "files")
        show(f"{service}: {kind} are beside the living ones")
    return manifest | {"id": chosen}


def begin(size: int) -> None:
    """Write down that data are written beside the living ones.

    Args:
        size: of them, in bytes.

    Raises:
        BackupError: there is no room.
    """
    _check_room(size)
    _write_phase(Phase.FETCHING)


def stack(plan: Plan, set_id: str) -> dict[str, Any]:
    """All that the data of a set cannot be read without, and the set's ID.

    Raises:
        BackupError: there is no such set, or it is damaged.
    """
    repository = Repository(plan)
    chosen = _chosen(repository, set_id)
    found: dict[str, Any] = json.loads(repository.text(chosen, str(SET / STACK)))
    return found | {"set": chosen}


def take(services: Sequence[str]) -> None:
    """Put what was fetched in the place of the living data, which are kept."""
    _write_phase(Phase.SWITCHING)
    for service in services:
        kept, taken = _ours(service) / _KEPT, _ours(service) / _TAKEN
        kept.mkdir(parents=True)
        _move(TARGETS / service, kept)
        taken.touch()
        _move(_incoming(service), TARGETS / service)
        _incoming(service).rmdir()


def give_back(services: Sequence[str]) -> None:
    """Put the data that were kept in their place again; the restored ones go.

    It mends whatever an interrupted `take` or `give_back` has left, too.
    """
    for service in services:
        kept, taken, dropped = (_ours(service) / name for name in (_KEPT, _TAKEN, _DROPPED))
        if taken.exists():
            dropped.mkdir(exist_ok=True)
            _move(TARGETS / service, dropped)
            taken.unlink()
        # From here on all that lies outside of our folder was kept.
        if kept.exists():
            _move(kept, TARGETS / service)
    forget(services)


def forget(services: Sequence[str]) -> None:
    """Delete everything that a restore has left; what is living now stays."""
    for service in services:
        shutil.rmtree(_ours(service), ignore_errors=True)


def finish(services: Sequence[str]) -> None:
    """Write down that the restored data are the living ones now; dumps are not needed any more."""
    _write_phase(Phase.DONE)
    for service in services:
        shutil.rmtree(_incoming(service), ignore_errors=True)


def phase() -> Phase:
    """How far the last restore is."""
    file = _phase_file()
    return Phase(file.read_text(encoding="utf-8")) if file.exists() else Phase.NONE


def incoming(service: str) -> Path:
    """The folder that data are written to, which is empty."""
    folder = _incoming(service)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _write_phase(phase: Phase) -> None:
    file = _phase_file()
    file.parent.mkdir(exist_ok=True)
    file.write_text(phase, encoding="utf-8")


def _phase_file() -> Path:
    """It lies with the data that it is about: what is lost with them is not missed."""
    return min(TARGETS.iterdir()) / files.OURS / _PHASE


def _incoming(service: str) -> Path:
    return _ours(service) / "incoming"


def _ours(service: str) -> Path:
    return TARGETS / service / files.OURS


def _chosen(repository: Repository, set_id: str) -> str:
    known = [str(each["short_id"]) for each in repository.sets()]
    if not known:
        raise BackupError("there is no set in the repository")
    if set_id == "latest":
        return known[-1]
    if set_id not in known:
        raise BackupError(f"there is no set {set_id!r}; there are {', '.join(known)}")
    return set_id


def _check_room(size: int) -> None:
    """A dump and the database that is made of it are there at once."""
    needed = 2 * size + _RESERVE
    for volume in TARGETS.iterdir():
        free = shutil.disk_usage(volume).free
        if free < needed:
            raise BackupError(
                f"the disk of the volume of {volume.name} has {free >> 20} MiB left, and a restore"
                f" needs {needed >> 20} MiB beside the living data"
            )


def hand_over(service: str, *, keep_owners: bool) -> None:
    """Give data that were written to whom the volume belongs to.

    Args:
        service: whose data they are.
        keep_owners: files that are of somebody who is neither root nor we stay theirs.
    """
    folder, owner = _incoming(service), (TARGETS / service).stat()
    os.chown(folder.parent, owner.st_uid, owner.st_gid)
    for path in [folder, *folder.rglob("*")]:
        # restic knows whom a file belonged to; a copy of a database belonged to us.
        if not keep_owners or path.lstat().st_uid in (0, os.getuid()) or path == folder:
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _move(source: Path, target: Path) -> None:
    for entry in _entries(source):
        entry.rename(target / entry.name)


def _entries(folder: Path) -> Iterator[Path]:
    yield from (entry for entry in sorted(folder.iterdir()) if entry.name != files.OURS)
