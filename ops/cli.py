"""The command line `cloudfreedom`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import Annotated

import pulumi
import typer

from components.stack_config import LOCAL_DOCKER, docker_hosts
from core.deployment.stack_config import check_gateways
from core.loader import load as load_core
from core.loader import load_all as load_cores
from images.catalog import ImageSource
from ops import demo as demo_tenant
from ops.agreement import disagreements
from ops.doctor import Check, examine, examine_core
from ops.export import carry_back
from ops.export import export as export_stack
from ops.keys import given_keys
from ops.tools import CORE, ROOT, shown_compose
from ops.yaml_io import read_config
from schema.diagnostics import InvalidFileError
from schema.errors import UserError
from tenants.loader import load, load_all

app = typer.Typer(
    help="One AI stack per tenant.", no_args_is_help=True, pretty_exceptions_enable=False
)


@contextmanager
def _told_to_people() -> Iterator[None]:
    try:
        yield
    except (pulumi.RunError, UserError) as error:
        sys.exit(str(error))


@app.command()
def demo() -> None:
    """Bring a core and its tenant up, with whatever this machine lacks for it."""
    with _told_to_people():
        demo_tenant.demo()


@app.command()
def clean() -> None:
    """Take them down; their data stays."""
    with _told_to_people():
        demo_tenant.clean()


@app.command()
def check() -> None:
    """Check the files of all tenants and cores, each on its own and all together."""
    with _told_to_people():
        tenants = load_all(hosts=docker_hosts(ROOT))
        cores = load_cores(CORE)
        check_gateways(cores, CORE)
        if problems := disagreements(ROOT):
            raise InvalidFileError(problems)
        for stack, tenant in tenants.items():
            typer.echo(f"tenants/{stack}.yaml: {tenant.name}, no problem")
        for stack, core in cores.items():
            typer.echo(f"core/{stack}.yaml: {core.name}, no problem")


@app.command()
def doctor(
    stack: Annotated[str, typer.Argument(help="Name of the file and stack")],
    core: Annotated[bool, typer.Option("--core", help="A core instead of a tenant")] = False,
) -> None:
    """Look at a tenant that is up, and at what it needs; ends with 1 if anything is wrong.

    Each problem names the command that mends it.
    """
    with _told_to_people():
        findings = list(_examined_core(stack) if core else _examined_tenant(stack))
        for finding in findings:
            typer.echo(f"{finding.what}: {finding.problem or 'fine'}")
        if any(finding.problem for finding in findings):
            raise typer.Exit(1)


def _examined_tenant(stack: str) -> Iterator[Check]:
    hosts = docker_hosts(ROOT)
    tenant = load(stack, hosts=hosts)
    yield from examine(tenant, demo_tenant.stack_of(stack, hosts[stack]))
    file = f"tenants/{stack}.yaml"
    for problem in disagreements(ROOT):
        if file in str(problem):
            yield Check("files", str(problem))


def _examined_core(stack: str) -> Iterator[Check]:
    core = load_core(stack)
    config = read_config(CORE / f"Pulumi.{stack}.yaml")
    address = str(config.get("cloudfreedom-core:dockerHost", LOCAL_DOCKER))
    return examine_core(core, demo_tenant.stack_of(stack, address, core=True))


@app.command()
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
    with _told_to_people():
        exported = export_stack(
            stack,
            root=CORE if core else ROOT,
            folder=to,
            settings={"images": images} if images else {},
            keys={} if core else given_keys(),
            state=values.read() if values else "",
        )
        wait = f"--wait --wait-timeout {exported.wait_seconds}"
        up = f"{shown_compose()} up --detach {wait}"
        typer.echo(f"cd {quote(str(exported.folder))} && {up}")


@app.command(name="import")
def import_(
    stack: Annotated[str, typer.Argument(help="Name of the file and stack")],
    exported: Annotated[Path, typer.Option("--from", help="Folder of the Compose project")],
    core: Annotated[bool, typer.Option("--core", help="A core instead of a tenant")] = False,
) -> None:
    """Give a new stack of Pulumi the secrets and volumes of an export.

    It reads the state of the new stack, and writes it with what it needs:
    `pulumi stack export | cloudfreedom import acme --from DIR | pulumi stack import`.
    Keys come from variables, as for an export.
    """
    if sys.stdin.isatty() or sys.stdout.isatty():
        sys.exit(
            "It prints secrets: pulumi stack export | cloudfreedom import … | pulumi stack import"
        )
    with _told_to_people():
        typer.echo(
            carry_back(
                stack,
                root=CORE if core else ROOT,
                folder=exported,
                keys={} if core else given_keys(),
                state=sys.stdin.read(),
            )
        )
