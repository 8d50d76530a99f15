"""Files of a volume; databases of SQLite among them are copied by SQLite itself."""

import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path

from backup.errors import BackupError

OURS = ".cloudfreedom"
"""The folder in each volume for data on its way in or out."""

_MAGIC = b"SQLite format 3\0"
_BESIDE = ("-wal", "-shm", "-journal")


def dump(volume: Path, folder: Path, exclude: Sequence[str] = ()) -> dict[str, int]:
    """Copy each database of SQLite below a volume into a folder, and count all files."""
    folder.mkdir()
    return _measured(_copied(volume, folder, exclude))


def _copied(volume: Path, folder: Path, exclude: Sequence[str]) -> Iterator[Path]:
    for path in _walk(volume, exclude):
        if is_sqlite(path):
            copy = folder / path.relative_to(volume)
            copy.parent.mkdir(parents=True, exist_ok=True)
            _copy(path, copy)
        yield path


def measure(volume: Path) -> dict[str, int]:
    """Number of all files of a volume, and their bytes."""
    return _measured(_walk(volume, ()))


def _measured(paths: Iterable[Path]) -> dict[str, int]:
    sizes = [path.stat().st_size for path in paths]
    return {"files": len(sizes), "bytes": sum(sizes)}


def excluded(volume: Path, exclude: Sequence[str] = ()) -> list[str]:
    """Paths below a volume that a set has in another form, or not at all."""
    databases = [path for path in _walk(volume, exclude) if is_sqlite(path)]
    copied = [f"{path}{suffix}" for path in databases for suffix in ("", *_BESIDE)]
    return [*(str(volume / folder) for folder in (OURS, *exclude)), *copied]


def _walk(volume: Path, exclude: Sequence[str]) -> Iterator[Path]:
    """All regular files of a volume, but those in our own folder and in excluded ones."""
    left_out = {volume / folder for folder in (OURS, *exclude)}
    for root, folders, names in os.walk(volume):
        folders[:] = [name for name in folders if Path(root) / name not in left_out]
        paths = (Path(root) / name for name in sorted(names))
        yield from (path for path in paths if path.is_file() and not path.is_symlink())


def is_sqlite(path: Path) -> bool:
    """Whether a file is a database of SQLite."""
    with path.open("rb") as file:
        return file.read(len(_MAGIC)) == _MAGIC


def _copy(path: Path, copy: Path) -> None:
    with (
        closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=60)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)


def check(folder: Path) -> None:
    """Read each copy of a database below a folder whole.

    Raises:
        BackupError: one is damaged.
    """
    for path in _walk(folder, ()):
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as database:
            try:
                [[found]] = database.execute("PRAGMA integrity_check(1)").fetchall()
            except sqlite3.DatabaseError as error:
                found = error
        if str(found) != "ok":
            raise BackupError(f"{path.relative_to(folder)}: {found}")
