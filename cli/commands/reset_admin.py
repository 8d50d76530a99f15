"""`cloudfreedom reset-admin`."""

from typing import Annotated

import typer

from cli.environment import ROOT
from cli.running import running_stack
from components.services.openwebui import chat_command
from components.stack_config import docker_hosts
from schema.errors import UserError
from tenants.loader import load


def reset_admin(
    stack: Annotated[str, typer.Argument(help="Name of the tenant's file and stack")],
) -> None:
    """Let the first admin of a chat in again, with the password that the stack exports.

    Whether the password is lost, the account is no admin's any more, or it is gone: it is as at the
    first start. Everything else stays.
    """
    tenant = load(stack, hosts=docker_hosts(ROOT))
    if tenant.login and not tenant.login.passwords:
        raise UserError(
            f"tenants/{stack}.yaml: people log in at {tenant.login.issuer}, which says who is an"
            " admin; for an account of the chat's own set `login.passwords: true` and `up` first"
        )
    running = running_stack(stack)
    command = chat_command("chat.first_admin")
    if code := running.run_as_process(running.existing("openwebui"), command):
        raise typer.Exit(code)
