"""No secret stands anywhere but in the files that hold secrets."""

import json
import subprocess
from pathlib import Path

from cli.environment import ROOT
from tests.e2e.conftest import Running

PARTS = ("postgres", "redis", "litellm", "openwebui")


def secrets_of(running: Running) -> set[str]:
    """Every secret that a container of the tenant holds, read inside it."""
    show = (
        "for file in /run/secrets/* /run/secrets/env/*; do"
        # The passwords of Redis are those of its clients.
        " [ -f $file ] && [ $file != /run/secrets/users.conf ] && cat $file && echo; done"
    )
    found: set[str] = set()
    for part in PARTS:
        _, printed = running.run(part, "sh", "-c", show, user="0")
        found.update(printed.split())
    assert len(found) >= 8
    return found


def leaks(values: set[str], text: str) -> list[str]:
    return [value[:6] for value in values if value in text]


def test_no_secret_in_what_the_engine_tells(alpha_tenant: Running) -> None:
    values = secrets_of(alpha_tenant)
    for part in PARTS:
        container = alpha_tenant.container(part)
        assert not leaks(values, json.dumps(container.attrs)), f"docker inspect {part}"
        assert not leaks(values, container.logs().decode(errors="replace")), f"docker logs {part}"


def test_no_secret_in_the_arguments_of_a_process(alpha_tenant: Running) -> None:
    values = secrets_of(alpha_tenant)
    for part in PARTS:
        _, arguments = alpha_tenant.run(part, "sh", "-c", "cat /proc/[0-9]*/cmdline")
        assert "start.sh" in arguments, "the first process is the init, with the whole command"
        assert not leaks(values, arguments), part


def test_no_secret_in_the_files_of_the_project(alpha_tenant: Running) -> None:
    """Pulumi's state and the Compose file are below the project, private files beside them."""
    values = secrets_of(alpha_tenant)
    private = {".env", "secrets.json", "outputs.json", "settings.json"}
    for path in alpha_tenant.project.root.rglob("*"):
        if path.is_file() and path.name not in private:
            assert not leaks(values, path.read_text(encoding="utf-8", errors="replace")), path
        if path.is_file() and path.name in private | {"passphrase"}:
            assert path.stat().st_mode & 0o077 == 0, path


def test_no_secret_in_the_repository(alpha_tenant: Running) -> None:
    values = secrets_of(alpha_tenant)
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, text=True, capture_output=True
    )
    for name in filter(None, listed.stdout.split("\0")):
        path = Path(ROOT, name)
        assert not leaks(values, path.read_text(encoding="utf-8", errors="replace")), name
