"""The error of a backup, a proof or a restore."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO


class BackupError(Exception):
    """It did not work. The text says what failed, and what is wrong as far as it is known."""


def run(
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    stdin: str | None = None,
    stdout: IO[bytes] | None = None,
) -> str:
    """Output of a program, or nothing if it goes to a file.

    Raises:
        BackupError: with what the program said.
    """
    finished = subprocess.run(
        command,
        check=False,
        env=environment,
        input=None if stdin is None else stdin.encode(),
        stdout=stdout or subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    if finished.returncode:
        raise BackupError(failure(command, finished.stderr.decode(errors="replace")))
    return "" if stdout else finished.stdout.decode()


def failure(command: Sequence[str | Path], said: str) -> str:
    """A sentence for a program that failed."""
    return f"{Path(command[0]).name} failed: {said.strip() or 'it does not say why'}"
