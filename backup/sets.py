"""A set: one consistent whole of a stack's data, with what the data cannot be read without."""

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from backup import databases, files, keys, status
from backup.errors import BackupError
from backup.plan import DATA, SOURCES, Plan, Source, secret
from backup.restic import Repository, show

SET = DATA / "set"
"""Where dumps are made, and where they are found in a set."""

MANIFEST = "manifest.json"
STACK = "stack.json"


def make(plan: Plan) -> str:
    """Make a set now; its ID.

    Raises:
        BackupError: it could not be made; those that are there stay as they are.
    """
    with locked():
        before = status.change(tried=status.now())
        try:
            set_id = _make(plan)
        except (BackupError, OSError) as error:
            status.change(failure=str(error))
            raise
        status.change(
            failure="",
            made=status.now(),
            set_id=set_id[:8],
            begun=before.tried,
            safe=before.begun,
        )
    return set_id[:8]


def erase(plan: Plan) -> None:
    """Delete all sets.

    Raises:
        BackupError: the repository lets nothing be deleted, or cannot be reached.
    """
    if plan.append_only:
        raise BackupError(
            f"the repository {plan.repository} lets nothing be deleted: delete its sets from a"
            " machine that may, and leave them here by `--keep-backups`"
        )
    with locked():
        Repository(plan).erase()


@contextmanager
def locked() -> Iterator[None]:
    """Alone: dumps and proofs share one folder."""
    with (DATA / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            show("Waiting for the backup or the proof that is under way ...")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _make(plan: Plan) -> str:
    repository = Repository(plan)
    repository.make()
    shutil.rmtree(SET, ignore_errors=True)  # of a run that was killed
    SET.mkdir()
    try:
        facts = {source.service: _dump(source) for source in plan.sources}
        _write(MANIFEST, json.dumps(manifest(plan, facts), indent=2))
        _write(STACK, secret(STACK))
        volumes = {SOURCES / each.service: each.exclude for each in plan.sources if _is_files(each)}
        show("Storing ...")
        set_id = repository.add(
            [SET, *volumes],
            exclude=[path for each in volumes.items() for path in files.excluded(*each)],
        )
    finally:
        shutil.rmtree(SET, ignore_errors=True)
    if not plan.append_only:
        _forget(repository)
    return set_id


def manifest(plan: Plan, facts: dict[str, Any]) -> dict[str, Any]:
    """What a set says of itself."""
    return {
        "slug": plan.slug,
        "made": status.now(),
        "program": plan.program,
        "images": plan.images,
        "sources": [vars(source) for source in plan.sources],
        "facts": facts,
    }


def _dump(source: Source) -> Any:
    started = monotonic()
    folder = SET / source.service
    if source.kind == "databases":
        folder.mkdir()
        facts: Any = databases.dump(source, folder)
    elif source.kind == "keys":
        facts = keys.dump(folder)
    else:
        facts = files.dump(SOURCES / source.service, folder, source.exclude)
    show(f"{source.service}: {source.kind} taken in {monotonic() - started:.1f} s")
    return facts


def _is_files(source: Source) -> bool:
    return source.kind == "files"


def _write(name: str, text: str) -> None:
    path = SET / name
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def _forget(repository: Repository) -> None:
    try:
        repository.forget()
    except BackupError as error:
        # The set is safe; old ones are forgotten the next time.
        show(f"Old sets could not be forgotten: {error}")
