"""The commands that follow once a tenant's file is written."""

from pathlib import Path
from shlex import join, quote

from cli.adopt.template import SERVICES, Template
from cli.adopt.tenant_file import Adopted
from cli.environment import shown_compose
from cli.given_keys import variable
from components.spec import stack_name


def next_steps(
    template: Template, found: Adopted, *, env: Path, compose: Path, folder: Path
) -> list[str]:
    """Commands for a shell, with comments.

    Args:
        template: the deployment.
        found: its file and keys.
        env: its `.env`.
        compose: its `docker-compose.yml`.
        folder: has a script `keys`, which sets variables to the keys.
    """
    stack, keys = quote(template.slug), quote(str(folder / "keys"))
    other = template.slug != template.variables["TENANT_SLUG"]
    name = ["--slug", template.slug] if other else []
    files = join(["--env", str(env), "--compose", str(compose), *name])
    return [
        f"# tenants/{template.slug}.yaml is written. The old apps stop; PostgreSQL goes on, under"
        " another name if the tenant needs its own:",
        *make_room(template, env, compose),
        "# With Pulumi:",
        f". {keys}",
        f"pulumi stack init {stack}",
        *(
            f"printenv {variable(place)} | pulumi config set --secret --stack {stack}"
            f' --path "{place}"'
            for place in found.keys
        ),
        f"pulumi up --stack {stack}",
        "# or with Compose:",
        f". {keys}",
        f"cloudfreedom export {stack} --to {quote(str(folder))}  # and the command that it prints",
        "# and then, in either case:",
        f"cloudfreedom adopt {files} --data",
    ]


def make_room(template: Template, env: Path, compose: Path) -> list[str]:
    """Commands that free the ports and the names of the tenant."""
    ours = {stack_name(template.slug, service) for service in SERVICES}
    names = [template.container(service) for service in SERVICES]
    files = join(["--env-file", str(env), "--file", str(compose)])
    return [
        f"{shown_compose()} {files} stop openwebui litellm redis",
        *(f"docker rename {name} {name}.old" for name in names if name in ours),
    ]
