"""`cloudfreedom recover`."""

import os
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from cli.environment import CORE, ROOT, docker_address
from cli.given_keys import given_keys
from cli.restore.recovery import Place, Recovered, recover
from images.catalog import ImageSource

_PASSWORD = "CLOUDFREEDOM_BACKUP_PASSWORD"  # noqa: S105 - a variable


def recover_(  # noqa: PLR0917 - typer reads them
    repository: Annotated[str, typer.Argument(help="As the stack's config names it")],
    to: Annotated[Path, typer.Option(help="Folder for the secrets; only you can read them")],
    set_id: Annotated[str, typer.Option("--set", help="A set of the repository")] = "latest",
    known_hosts: Annotated[
        Path | None, typer.Option(help="For sftp:, what `ssh-keyscan HOST` printed")
    ] = None,
    images: Annotated[
        ImageSource, typer.Option(help="Of the image that reads it; it is built if it is missing")
    ] = "official",
    core: Annotated[bool, typer.Option("--core", help="A core instead of a tenant")] = False,
) -> None:
    """Bring the files and secrets of a stack back that is gone, with its state and its host.

    The password is asked for, or is in CLOUDFREEDOM_BACKUP_PASSWORD; the credentials of the
    repository are in CLOUDFREEDOM_BACKUP_CREDENTIAL_NAME. The data follow with the commands that
    are printed.
    """
    given = os.environ.get(_PASSWORD)
    password = given or typer.prompt("Password of the repository", hide_input=True)
    prefix = "backupCredentials."
    credentials = {
        path.removeprefix(prefix): key
        for path, key in given_keys().items()
        if path.startswith(prefix)
    }
    place = Place(
        repository=repository,
        password=password,
        credentials=credentials,
        known_hosts=known_hosts.read_text(encoding="utf-8") if known_hosts else "",
    )
    root = CORE if core else ROOT
    found = recover(
        place, set_id=set_id, address=docker_address(), images=images, root=root, folder=to
    )
    for line in _next_steps(found, to, core=core):
        typer.echo(line)


def _next_steps(found: Recovered, folder: Path, *, core: bool) -> list[str]:
    """The commands that bring the stack up again, and its data back."""
    option, cwd = (" --core", " --cwd core") if core else ("", "")
    stack, where = quote(found.stack), quote(str(folder))
    keys = [
        f'printenv {name} | pulumi{cwd} config set --secret --stack {stack} --path "{path}"'
        for path, name in found.variables.items()
    ]
    return [
        f"# {found.file} and {found.config} are written. With Pulumi:",
        f". {quote(str(found.keys))}",
        f"pulumi{cwd} stack init {stack}",
        *keys,
        f"pulumi{cwd} stack export | cloudfreedom import {stack}{option} --from {where}"
        f" | pulumi{cwd} stack import",
        f"pulumi{cwd} up --stack {stack}",
        "# or with Compose:",
        f". {quote(str(found.keys))}",
        f"cloudfreedom export {stack}{option} --to {where}  # and the command that it prints",
        "# and then, in either case:",
        f"cloudfreedom restore {stack}{option} --set {found.set_id}",
    ]
