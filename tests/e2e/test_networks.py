"""What a container must reach it reaches; what it must not reach it does not."""

import subprocess
import sys

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


def question(part: str, host: str) -> list[str]:
    """Arguments for Python to ask, at an address, whether a part is there."""
    port, asked, answer = QUESTIONS[part]
    return ["-c", ASK, host, str(port), asked.hex(), answer]


def reaches(running: Running, part: str, other: str, host: str) -> bool:
    """Whether an app reaches a part of its own or of another tenant."""
    code, _ = running.run(part, "python3", *question(other, host))
    return code == 0


def connects(running: Running, part: str, host: str, port: int) -> bool:
    """Whether a store gets any connection at all."""
    code, _ = running.run(part, "perl", "-e", CONNECT, host, str(port))
    return code == 0


def address(running: Running, part: str, network: str) -> str:
    networks = running.container(part).attrs["NetworkSettings"]["Networks"]
    return str(networks[f"{running.slug}-{network}"]["IPAddress"])


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
    assert not connects(alpha, part, "1.1.1.1", 53), "the outside"
    assert not connects(alpha, part, address(beta, "litellm", "apps"), 4000), "another tenant"


@pytest.mark.parametrize("part", ["litellm", "openwebui"])
@pytest.mark.parametrize(("other", "network"), [
    ("postgres", "data"),
    ("redis", "data"),
    ("litellm", "data"),
    ("litellm", "apps"),
    ("openwebui", "apps"),
])  # fmt: skip
def test_nothing_of_one_tenant_reaches_another(
    tenants: Pair, part: str, other: str, network: str
) -> None:
    target = address(tenants.beta, other, network)
    assert reaches(tenants.beta, part, other, target), "it is there"
    assert not reaches(tenants.alpha, part, other, target)


def test_the_apps_reach_what_the_host_publishes_for_them(
    alpha_tenant: Running, providers: Providers
) -> None:
    url = httpx.URL(providers.base_url)
    fetch = f"import urllib.request as r; r.urlopen('{url}/_control/any')"
    for part in ("litellm", "openwebui"):
        assert alpha_tenant.run(part, "python3", "-c", fetch)[0] == 0
    for name in ("billing-api", "pocketbase-core"):
        code, printed = alpha_tenant.run("litellm", "getent", "hosts", name)
        assert code == 0
        assert printed.split()[0] == url.host


@pytest.mark.parametrize("part", ["postgres", "redis"])
def test_the_host_does_not_reach_the_stores(alpha_tenant: Running, part: str) -> None:
    target = address(alpha_tenant, part, "data")
    asked = subprocess.run(
        [sys.executable, *question(part, target)], check=False, capture_output=True
    )
    assert asked.returncode != 0
    assert not any(alpha_tenant.container(part).attrs["NetworkSettings"]["Ports"].values())
