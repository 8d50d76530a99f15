"""What the doctor says of containers that end again and again, on a real engine."""

import re
import secrets
from collections.abc import Iterator

import pytest
from docker import DockerClient

from cli.doctor.examination import Stack, examine
from cli.environment import docker_address
from components.labels import container_labels
from images.catalog import load_catalog
from tenants.model import Tenant
from tests.e2e.waiting import until

EAT = "a=x; while :; do a=$a$a; done"


@pytest.fixture
def slug(engine: DockerClient) -> Iterator[str]:
    """A tenant that is not there but for what a test makes of it."""
    name = f"z{secrets.token_hex(3)}"
    yield name
    label: dict[str, str | list[str] | bool] = {"label": f"cloudfreedom.tenant={name}"}
    for container in engine.containers.list(all=True, filters=label):
        container.remove(force=True)


def run_redis(engine: DockerClient, slug: str, script: str) -> None:
    """Run something in place of a tenant's Redis, as it would be run."""
    engine.containers.run(
        load_catalog("built").running["redis"].reference,
        ["sh", "-c", script],
        name=f"{slug}-redis",
        labels=container_labels(slug, "redis"),
        mem_limit="32m",
        memswap_limit="32m",
        init=True,
        restart_policy={"Name": "always"},
        detach=True,
    )


def of_redis(slug: str) -> str:
    parts = {"openwebui": {"port": 3999}, "litellm": {"port": 4999}}
    tenant = Tenant.model_validate({"slug": slug, "name": "Zeta", **parts})
    findings = examine(tenant, Stack.of_pulumi("zeta", docker_address()))
    [problem] = [finding.problem for finding in findings if finding.what == f"{slug}-redis"]
    return problem


def test_a_crash_loop_is_told_with_its_number_and_last_words(
    engine: DockerClient, slug: str
) -> None:
    run_redis(engine, slug, "sleep 0.2; echo the last words; exit 3")
    until(lambda: engine.containers.get(f"{slug}-redis").attrs["RestartCount"] >= 2)
    told = of_redis(slug)
    # It has an exit code while it is not running.
    assert re.fullmatch(
        r"ends again and again \(restarted \d+ times(, exit 3)?\); it said last: the last words",
        told,
    )


def test_kills_for_memory_are_told_with_the_limit_and_where_it_is_set(
    engine: DockerClient, slug: str
) -> None:
    run_redis(engine, slug, f"sleep 0.2; {EAT}")
    until(lambda: engine.containers.get(f"{slug}-redis").attrs["RestartCount"] >= 2, seconds=30)
    told = of_redis(slug)
    assert told.startswith("was killed for memory (restarted ")
    assert told.endswith(
        "): raise `redis.memory_mb` in tenants/zeta.yaml, which is 32 now, and"
        " `pulumi up --stack zeta --refresh`"
    )


def test_a_container_that_stands_still_is_told(engine: DockerClient, slug: str) -> None:
    run_redis(engine, slug, "sleep 1000")
    assert of_redis(slug) == ""
    engine.containers.get(f"{slug}-redis").pause()
    assert of_redis(slug) == f"is paused: `docker unpause {slug}-redis`"
