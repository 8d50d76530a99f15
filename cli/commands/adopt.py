"""`cloudfreedom adopt`."""

from pathlib import Path
from typing import Annotated

import typer

from cli.adopt.data import OldData
from cli.adopt.steps import next_steps
from cli.adopt.template import Template, read_template
from cli.adopt.tenant_file import adopt_files
from cli.environment import ROOT
from cli.given_keys import write_keys
from cli.running import running_stack
from cli.yaml_io import write_yaml
from components.stack_config import docker_hosts
from images.catalog import ImageSource
from schema.errors import UserError
from tenants.loader import load


def adopt(  # noqa: PLR0917 - typer reads them
    env: Annotated[Path, typer.Option(help="The template's .env")],
    compose: Annotated[Path, typer.Option(help="The template's docker-compose.yml")],
    to: Annotated[
        Path | None, typer.Option(help="Folder for the keys; only you can read it")
    ] = None,
    slug: Annotated[
        str, typer.Option(help="Short name of the tenant, if it is not TENANT_SLUG")
    ] = "",
    data: Annotated[
        bool, typer.Option("--data", help="Move the data into the tenant, which is up")
    ] = False,
    images: Annotated[
        ImageSource, typer.Option(help="Of the image that reads the data; built if it is missing")
    ] = "official",
) -> None:
    """Make a tenant of a deployment of the original Compose template.

    First it writes the tenant's file and the keys, and prints the commands that follow; with
    `--data` it copies accounts, chats and files. The template's volumes are only read.
    """
    template = read_template(env, compose, slug=slug)
    if data:
        _move(template, images)
    elif to:
        _write(template, env, compose, to)
    else:
        raise UserError("say where the keys go, by --to FOLDER, or move the data, by --data")


def _write(template: Template, env: Path, compose: Path, folder: Path) -> None:
    file, keys = ROOT / "tenants" / f"{template.slug}.yaml", folder / "keys"
    if there := [path for path in (file, keys) if path.exists()]:
        raise UserError("\n".join(f"{path}: is there already: move it away" for path in there))
    found = adopt_files(template)
    write_yaml(file, found.file)
    try:
        load(template.slug, hosts=docker_hosts(ROOT))
    except UserError:
        file.unlink()
        raise
    folder.mkdir(parents=True, exist_ok=True)
    write_keys(keys, found.keys)
    for remark in found.remarks:
        typer.echo(remark, err=True)
    for line in next_steps(template, found, env=env, compose=compose, folder=folder):
        typer.echo(line)


def _move(template: Template, images: ImageSource) -> None:
    stack = running_stack(template.slug)
    moved = OldData(
        template=template,
        stack=stack,
        images=images,
        report=lambda line: typer.echo(line, err=True),
    ).move()
    counts = moved["counts"]
    typer.echo(
        f"{counts['accounts']} accounts, {counts['chats']} chats and {moved['files']} files are in"
        f" {stack.slug}, each table and file as it was; all log in with their old passwords."
    )
    typer.echo(
        f"Not taken over: {counts['tools']} tools, {counts['functions']} functions, second factors,"
        " and the settings of the old chat: " + (", ".join(moved["settings"]) or "none")
    )
    typer.echo("LiteLLM's own records of spend are in the old database, which was only read.")
    typer.echo(f"The first admin in the stack's outputs: cloudfreedom reset-admin {stack.slug}")
