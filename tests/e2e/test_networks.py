"""What a container must reach it reaches; what it must not reach it does not."""

from ipaddress import IPv4Address, IPv4Network, ip_address
from pathlib import Path

import httpx
import pytest

from tests.e2e.conftest import Pair, Running
from tests.providers.client import Providers

# A gateway on the way may accept any connection, so what counts is who answers: a question
# in each service's own protocol, and what only that service says to it.
QUESTIONS = {
    "postgres": (5432, b"\x00\x00\x00\x08\x04\xd2\x16\x2f", "^[NS]$"),  # "may I use TLS?"
    "redis": (6379, b"PING\r\n", "^-NOAUTH"),
    "litellm": (4000, b"GET /health/liveliness HTTP/1.0\r\n\r\n", "I'm alive"),
    "openwebui": (8080, b"GET /health HTTP/1.0\r\n\r\n", '"status": ?true'),
}
ASK = """
import re, socket, sys
host, port, question, answer = sys.argv[1:]
heard = ""
with socket.create_connection((host, int(port)), 3) as peer:
    peer.sendall(bytes.fromhex(question))
    while not re.search(answer, heard):
        said = peer.recv(4096) or sys.exit("somebody else answered")
        heard += said.decode("latin1")
"""
# The stores have no Python.
CONNECT = (
    "use IO::Socket::INET;"
    "exit !IO::Socket::INET->new(PeerAddr => shift, PeerPort => shift, Timeout => 3)"
)


def reaches(running: Running, part: str, other: str, host: str) -> bool:
    """Whether an app reaches a part of its own or of another tenant, at an address."""
    port, question, answer = QUESTIONS[other]
    command = ("python3", "-c", ASK, host, str(port), question.hex(), answer)
    return running.run(part, *command)[0] == 0


def connects(running: Running, part: str, host: str, port: int) -> bool:
    """Whether a store gets any connection at all."""
    code, _ = running.run(part, "perl", "-e", CONNECT, host, str(port))
    return code == 0


def address(running: Running, part: str, network: str) -> str:
    networks = running.container(part).attrs["NetworkSettings"]["Networks"]
    return str(networks[f"{running.slug}-{network}"]["IPAddress"])


def table(routes: str) -> list[IPv4Network]:
    """Where the kernel's table of routes leads; the default route leads everywhere."""
    rows = [line.split() for line in routes.splitlines()[1:]]
    parts = [[IPv4Address(bytes.fromhex(row[at])[::-1]) for at in (1, 7)] for row in rows]
    return [IPv4Network(f"{network}/{mask}") for network, mask in parts]


@pytest.mark.parametrize(("part", "other"), [
    ("litellm", "postgres"),
    ("litellm", "redis"),
    ("openwebui", "postgres"),
    ("openwebui", "redis"),
    ("openwebui", "litellm"),
])  # fmt: skip
def test_an_app_reaches_what_it_needs(alpha_tenant: Running, part: str, other: str) -> None:
    assert reaches(alpha_tenant, part, other, other)


@pytest.mark.parametrize("part", ["postgres", "redis"])
def test_the_stores_reach_nothing_outside(tenants: Pair, providers: Providers, part: str) -> None:
    alpha, beta = tenants.alpha, tenants.beta
    host = httpx.URL(providers.base_url)
    assert connects(alpha, part, address(alpha, "litellm", "data"), 4000), "it can connect"
    assert not connects(alpha, part, host.host, host.port or 0), "a port of the host"
    _, routes = alpha.run(part, "cat", "/proc/net/route")
    assert not [route for route in table(routes) if route.prefixlen == 0], "the outside"
    assert not connects(alpha, part, address(beta, "litellm", "apps"), 4000), "another tenant"


@pytest.mark.parametrize("part", ["litellm", "openwebui"])
@pytest.mark.parametrize("other", ["litellm", "openwebui"])
def test_the_apps_of_one_tenant_do_not_reach_another(tenants: Pair, part: str, other: str) -> None:
    target = address(tenants.beta, other, "apps")
    assert reaches(tenants.beta, part, other, target), "it is there"
    assert not reaches(tenants.alpha, part, other, target)


@pytest.mark.parametrize("part", ["postgres", "redis", "litellm", "openwebui"])
def test_nothing_outside_is_led_to_the_data_network(tenants: Pair, part: str) -> None:
    """The host has no route there, neither for itself nor for what it forwards."""
    leads = table(Path("/proc/net/route").read_text(encoding="ascii"))
    own = [route for route in leads if route.prefixlen]
    for tenant in (tenants.alpha, tenants.beta):
        led_to = ip_address(address(tenant, "litellm", "apps"))
        assert [route for route in own if led_to in route], "other networks are in the table"
        hidden = ip_address(address(tenant, part, "data"))
        assert not [route for route in own if hidden in route]


def test_the_apps_reach_what_the_host_publishes_for_them(
    alpha_tenant: Running, providers: Providers
) -> None:
    url = httpx.URL(providers.base_url)
    fetch = f"import urllib.request as r; r.urlopen('{url}/_control/any')"
    for part in ("litellm", "openwebui"):
        assert alpha_tenant.run(part, "python3", "-c", fetch)[0] == 0


@pytest.mark.parametrize("part", ["postgres", "redis"])
def test_the_stores_publish_no_port(alpha_tenant: Running, part: str) -> None:
    assert not any(alpha_tenant.container(part).attrs["NetworkSettings"]["Ports"].values())
