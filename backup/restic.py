"""The repository, by restic."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backup.errors import BackupError, run
from backup.plan import DATA, PLAN, SECRETS, Plan

TAG = "cloudfreedom"

# restic's own, of 0.17 and later.
_NO_REPOSITORY, _WRONG_PASSWORD = 10, 12

# A lock may be of a host that died while it deleted old sets.
_READING = ("--no-lock",)

_ANSWER_SECONDS = 60
"""restic itself tries for 15 minutes, and does not say so."""


@dataclass(frozen=True)
class Repository:
    """The repository of one stack."""

    plan: Plan

    def make(self) -> None:
        """Make it, unless it is there.

        Raises:
            BackupError: see `_exists`.
        """
        if not self._exists():
            self._run("init")

    def add(self, paths: Sequence[Path], *, exclude: Sequence[str]) -> str:
        """Add a set of folders and files; its ID."""
        self._run("unlock")  # of a run that was killed here; those of others stay
        limit = self.plan.upload_kib
        found = self._follow(
            "backup",
            "--retry-lock=1m",
            *("--json", "--host", self.plan.slug),
            *("--tag", TAG, "--tag", f"program={self.plan.program}"),
            *(["--limit-upload", str(limit)] if limit else []),
            *(f"--exclude={pattern}" for pattern in exclude),
            *map(str, paths),
        )
        return str(found["snapshot_id"])

    def sets(self) -> list[dict[str, Any]]:
        """All sets of the stack as restic describes them, the oldest first.

        Raises:
            BackupError: see `_exists`.
        """
        if not self._exists():
            return []
        text = self._run("snapshots", *_READING, "--json", "--tag", TAG)
        return sorted(json.loads(text), key=lambda each: str(each["time"]))

    def forget(self) -> None:
        """Delete sets that the plan does not keep."""
        keep = [f"--keep-{period}={count}" for period, count in self.plan.keep.items() if count]
        chosen = ("--tag", TAG, "--group-by", "")
        self._run("forget", "--prune", "--retry-lock=1m", *chosen, *keep)

    def erase(self) -> None:
        """Delete all sets.

        Raises:
            BackupError: see `_exists`.
        """
        if self._exists():
            chosen = ("--tag", TAG, "--group-by", "")
            self._run("forget", "--prune", "--unsafe-allow-remove-all", "--retry-lock=1m", *chosen)

    def text(self, set_id: str, path: str) -> str:
        """A file of a set."""
        return self._run("dump", *_READING, set_id, path)

    def size(self, set_id: str) -> int:
        """Bytes of a set once it is restored."""
        stats = json.loads(
            self._run("stats", *_READING, "--json", "--mode", "restore-size", set_id)
        )
        return int(stats["total_size"])

    def restore(self, set_id: str, path: str, target: Path, *, verify: bool = True) -> None:
        """Write a folder of a set.

        Args:
            set_id: of the set.
            path: of the folder there.
            target: that it is written to.
            verify: read everything again, and compare it with the set.

        Raises:
            BackupError: something in the repository is damaged or gone.
        """
        again = ["--verify"] if verify else []
        self._run("restore", *_READING, f"{set_id}:{path}", "--target", str(target), *again)

    def _exists(self) -> bool:
        """Whether it is there.

        Raises:
            BackupError: it cannot be reached, or has another password.
        """
        code, said = self._try("cat", *_READING, "config")
        if code == _WRONG_PASSWORD:
            raise BackupError(
                f"the repository {self.plan.repository} has another password than this stack: it"
                " belongs to another stack, or this stack lost its own"
            )
        if code not in (0, _NO_REPOSITORY):
            raise BackupError(f"the repository {self.plan.repository} cannot be used: {said}")
        return code == 0

    def _try(self, *arguments: str) -> tuple[int, str]:
        """Exit code of restic, and what it said; one that does not answer has said so."""
        command = ["restic", *self._options, *arguments]
        try:
            finished = subprocess.run(
                command,
                check=False,
                env=self._environment,
                capture_output=True,
                text=True,
                timeout=_ANSWER_SECONDS,
            )
        except subprocess.TimeoutExpired as slow:
            said = (slow.stderr or b"").decode(errors="replace").strip().rpartition("\n")[2]
            return 1, f"no answer within {_ANSWER_SECONDS} s; {said}"
        return finished.returncode, finished.stderr.strip()

    def _run(self, *arguments: str) -> str:
        return run(["restic", *self._options, *arguments], environment=self._environment)

    def _follow(self, *arguments: str) -> dict[str, Any]:
        """The last message of restic, the others of which are shown as they come."""
        command = ["restic", *self._options, *arguments]
        last: dict[str, Any] = {}
        with subprocess.Popen(
            command,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            for line in process.stdout or ():
                last = json.loads(line)
                if last.get("message_type") == "status" and last.get("percent_done"):
                    show(f"  {last['percent_done']:.0%} of {last.get('total_bytes', 0)} bytes")
            said = process.stderr.read() if process.stderr else ""
        if process.returncode:
            raise BackupError(f"restic failed: {said.strip()}")
        return last

    @property
    def _options(self) -> list[str]:
        if not self.plan.repository.startswith("sftp:"):
            return []
        hosts, key = PLAN.with_name("known_hosts"), SECRETS / "ssh-key"
        return ["-o", f"sftp.args=-o BatchMode=yes -o UserKnownHostsFile={hosts} -i {key}"]

    @property
    def _environment(self) -> dict[str, str]:
        return os.environ | {
            "RESTIC_REPOSITORY": self.plan.repository,
            "RESTIC_PASSWORD_FILE": str(SECRETS / "backup-password"),
            "RESTIC_CACHE_DIR": str(DATA / "cache"),
            "RESTIC_PROGRESS_FPS": "0.2",
        }


def show(line: str) -> None:
    """Tell whoever waits."""
    print(line, file=sys.stderr, flush=True)
