"""`cloudfreedom export`."""

from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

from cli.environment import CORE, ROOT, shown_compose
from cli.export.export import export as export_stack
from cli.given_keys import given_keys
from images.catalog import ImageSource


def export(
    stack: Annotated[str, typer.Argument(help="Name of the file and stack")],
    to: Annotated[Path, typer.Option(help="Folder of the Compose project")],
    images: Annotated[ImageSource | None, typer.Option(help="Instead of the stack's own")] = None,
    core: Annotated[bool, typer.Option("--core", help="A core instead of a tenant")] = False,
    values: Annotated[
        typer.FileText | None,
        typer.Option(help="What `pulumi stack export --show-secrets` printed; - is the input"),
    ] = None,
) -> None:
    """Write a tenant as a Compose project; the secrets that are there stay the same.

    Those of a tenant that Pulumi made are taken over with `--values`.

    Keys come from variables: CLOUDFREEDOM_PROVIDER_KEY_OPENAI, CLOUDFREEDOM_BILLING_KEY,
    CLOUDFREEDOM_LOGIN_SECRET. A core needs none.
    """
    exported = export_stack(
        stack,
        root=CORE if core else ROOT,
        folder=to,
        settings={"images": images} if images else {},
        keys={} if core else given_keys(),
        state=values.read() if values else "",
    )
    if exported.hint:
        typer.echo(exported.hint, err=True)
    wait = f"--wait --wait-timeout {exported.wait_seconds}"
    up = f"{shown_compose()} up --detach {wait}"
    typer.echo(f"cd {quote(str(exported.folder))} && {up}")
