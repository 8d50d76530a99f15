"""What a container must reach it reaches; what it must not reach it does not."""

import socket

import httpx
import pytest

from tests.e2e.conftest import Pair, Running
from tests.providers.client import Providers

# Every image has a shell and Perl or Python; only Python is in the apps, so each part has
# its own way to open a connection.
_PYTHON = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 3)"
_PERL = (
    "use IO::Socket::INET;"
    "exit !IO::Socket::INET->new(PeerAddr => shift, PeerPort => shift, Timeout => 3)"
)


def reaches(running: Running, part: str, host: str, port: int) -> bool:
    program = (
        ("python3", "-c", _PYTHON) if part in ("litellm", "openwebui") else ("perl", "-e", _PERL)
    )
    code, _ = running.run(part, *program, host, str(port))
    return code == 0


def address(running: Running, part: str, network: str) -> str:
    networks = running.container(part).attrs["NetworkSettings"]["Networks"]
    return str(networks[f"{running.slug}-{network}"]["IPAddress"])


def published(providers: Providers) -> tuple[str, int]:
    """Where the host itself publishes something: address and port."""
    url = httpx.URL(providers.base_url)
    return url.host, url.port or 0


@pytest.mark.parametrize(("part", "host", "port"), [
    ("litellm", "postgres", 5432),
    ("litellm", "redis", 6379),
    ("openwebui", "postgres", 5432),
    ("openwebui", "redis", 6379),
    ("openwebui", "litellm", 4000),
])  # fmt: skip
def test_a_part_reaches_what_it_needs(
    alpha_tenant: Running, part: str, host: str, port: int
) -> None:
    assert reaches(alpha_tenant, part, host, port)


@pytest.mark.parametrize("part", ["postgres", "redis"])
def test_the_stores_reach_nothing_outside(tenants: Pair, providers: Providers, part: str) -> None:
    alpha, beta = tenants.alpha, tenants.beta
    assert not reaches(alpha, part, *published(providers)), "a port of the host"
    assert not reaches(alpha, part, "1.1.1.1", 53), "the outside"
    assert not reaches(alpha, part, address(beta, "litellm", "apps"), 4000), "another tenant"


@pytest.mark.parametrize("part", ["litellm", "openwebui"])
@pytest.mark.parametrize(("other", "network", "port"), [
    ("postgres", "data", 5432),
    ("redis", "data", 6379),
    ("litellm", "data", 4000),
    ("litellm", "apps", 4000),
    ("openwebui", "apps", 8080),
])  # fmt: skip
def test_nothing_of_one_tenant_reaches_another(
    tenants: Pair, part: str, other: str, network: str, port: int
) -> None:
    target = address(tenants.beta, other, network)
    assert reaches(tenants.beta, other, "127.0.0.1", port), "it is there"
    assert not reaches(tenants.alpha, part, target, port)


def test_the_apps_reach_what_the_host_publishes_for_them(
    alpha_tenant: Running, providers: Providers
) -> None:
    gateway, port = published(providers)
    assert reaches(alpha_tenant, "litellm", gateway, port)
    for name in ("billing-api", "pocketbase-core"):
        code, printed = alpha_tenant.run("litellm", "getent", "hosts", name)
        assert code == 0
        assert printed.split()[0] == gateway


@pytest.mark.parametrize("part", ["postgres", "redis"])
def test_the_host_does_not_reach_the_stores(alpha_tenant: Running, part: str) -> None:
    port = {"postgres": 5432, "redis": 6379}[part]
    with pytest.raises(OSError, match=r"timed out|unreachable|No route"):
        socket.create_connection((address(alpha_tenant, part, "data"), port), 3)
    assert not alpha_tenant.container(part).attrs["NetworkSettings"]["Ports"].get(f"{port}/tcp")
