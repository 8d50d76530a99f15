"""The logs of a tenant that runs."""

import threading

import pytest

from cli.environment import docker_address
from cli.logs.reading import follow, mask_of, read
from cli.running import RunningStack
from tests.e2e.conftest import Running
from tests.e2e.test_secrets import secrets_of

pytestmark = pytest.mark.usefixtures("on_one_way")


def test_all_services_are_read_by_time(beta_tenant: Running) -> None:
    stack = RunningStack(docker_address(), beta_tenant.slug)
    lines = list(read(stack, list(stack.containers)))
    assert {line.service for line in lines} >= {"postgres", "redis", "openwebui"}
    assert [line.time for line in lines] == sorted(line.time for line in lines)
    assert "info" in {line.level for line in lines if line.service == "postgres"}


def test_every_secret_is_hidden(beta_tenant: Running) -> None:
    mask = mask_of(RunningStack(docker_address(), beta_tenant.slug).containers.values())
    for secret in secrets_of(beta_tenant):
        assert secret not in mask(f"before {secret} after")


def test_what_is_written_later_is_followed(beta_tenant: Running) -> None:
    stack = RunningStack(docker_address(), beta_tenant.slug)
    ask = ["psql", "-c", "SELECT no_such_column_is_here"]
    later = threading.Timer(1, lambda: beta_tenant.run("postgres", *ask, user="postgres"))
    later.start()
    lines = follow(stack, ["postgres"], tail=1)
    found = next(line for line in lines if "no_such_column_is_here" in line.text)
    assert (found.service, found.level) == ("postgres", "error")
