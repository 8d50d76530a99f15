"""Ratios of a tenant, measured side by side in one run: `make bench`.

Each figure is printed as min / median / max of its rounds; a ratio is of the medians, with
the two sides measured in turn.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from os import environ
from pathlib import Path
from shutil import rmtree
from statistics import median
from typing import Any

import yaml
from docker import DockerClient

from cli.deployers.deployer import Deployer
from cli.deployers.pulumi import PulumiDeployer
from components.labels import TENANT
from tests.bench.backups import backups
from tests.bench.core import core
from tests.bench.guard import guard
from tests.bench.logins import logins
from tests.bench.outbox import outbox
from tests.e2e import toolchains
from tests.e2e.project import Project, free_ports
from tests.e2e.tenants import beta

ROUNDS = 5
REST_SECONDS = 30
MIB = 1024 * 1024
EMPTY = {"name": "empty", "runtime": {"name": "python", "options": {"virtualenv": sys.prefix}}}


def main() -> None:
    client = toolchains.engine()
    if client is None or set(toolchains.available()) != {"pulumi", "compose"}:
        sys.exit("the benchmarks need a Docker engine, Docker Compose and Pulumi's CLI")
    toolchains.build_images()
    with tempfile.TemporaryDirectory() as folder:
        project = Project.new(Path(folder, "project"))
        chat, api = free_ports(2)
        stack = project.write(beta("bench", chat=chat, api=api))
        tools = toolchains.available()
        rows = [cold_start(client, lambda name: project.deployer(tools[name], stack), project)]
        pulumi = project.deployer(tools["pulumi"], stack)
        assert isinstance(pulumi, PulumiDeployer)
        pulumi.up()
        rows.append(memory_at_rest(client))
        rows.append(no_op_preview(pulumi, Path(folder, "empty")))
        remove(client, pulumi, project)
        rows.extend(backups(client, project, "compose"))
        rows.append(outbox(client))
        rows.extend(core(Path(folder, "core")))
        rows.append(logins(Path(folder, "logins")))
        rows.extend(guard(client, Path(folder, "guard"), "compose"))
    print("\n".join(rows))


def cold_start(client: DockerClient, make: Callable[[str], Deployer], project: Project) -> str:
    """From prepared to all four healthy, each time with new volumes and secrets."""
    seconds: dict[str, list[float]] = {"pulumi": [], "compose": []}
    for _ in range(ROUNDS):
        for name, measured in seconds.items():
            deployer = make(name)
            deployer.prepare()
            measured.append(timed(deployer.apply))
            remove(client, deployer, project)
    return compared(
        "cold start", seconds["pulumi"], "pulumi up", seconds["compose"], "docker compose up"
    )


def no_op_preview(pulumi: PulumiDeployer, empty: Path) -> str:
    """A preview of a tenant that is up, against one of a program that declares nothing."""
    empty.mkdir()
    (empty / "Pulumi.yaml").write_text(yaml.safe_dump(EMPTY), encoding="utf-8")
    (empty / "__main__.py").write_text("import pulumi\n", encoding="utf-8")
    run_pulumi(pulumi, empty, "stack", "init", "empty")
    of_tenant: list[float] = []
    of_empty: list[float] = []
    for _ in range(ROUNDS):
        for folder, measured in ((pulumi.directory, of_tenant), (empty, of_empty)):
            measured.append(timed(lambda at=folder: run_pulumi(pulumi, at, "preview")))  # type: ignore[misc]
    return compared("no-op preview", of_tenant, "a tenant", of_empty, "an empty program")


def memory_at_rest(client: DockerClient) -> str:
    """What the four containers hold, without the page cache."""
    time.sleep(REST_SECONDS)
    containers = client.containers.list(filters={"label": f"{TENANT}=bench"})
    held = {container.name: memory(container.stats(stream=False)) for container in containers}
    parts = ", ".join(f"{name} {mib:.0f}" for name, mib in sorted(held.items()))
    return f"memory at rest: {sum(held.values()):.0f} MiB ({parts})"


def memory(stats: Any) -> float:
    usage = stats["memory_stats"]
    return float(usage["usage"] - usage["stats"]["inactive_file"]) / MIB


def run_pulumi(deployer: PulumiDeployer, folder: Path, *arguments: str) -> None:
    command = ["pulumi", *arguments, "--non-interactive"]
    variables = environ | deployer.environment
    subprocess.run(command, cwd=folder, env=variables, check=True, capture_output=True)


def remove(client: DockerClient, deployer: Deployer, project: Project) -> None:
    deployer.down()
    for volume in client.volumes.list(filters={"label": f"{TENANT}=bench"}):
        volume.remove()
    rmtree(project.root / "stacks", ignore_errors=True)


def timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def compared(what: str, ours: list[float], our_name: str, theirs: list[float], name: str) -> str:
    rows = [f"{what}: ratio {median(ours) / median(theirs):.2f}"]
    for label, seconds in ((our_name, ours), (name, theirs)):
        row = " / ".join(f"{value:.2f}" for value in (min(seconds), median(seconds), max(seconds)))
        rows.append(f"  {label}: {row} s")
    return "\n".join(rows)


if __name__ == "__main__":
    main()
