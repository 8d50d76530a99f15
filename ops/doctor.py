"""`cloudfreedom doctor`: what is wrong with a tenant that is up, and with what it needs."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from docker import DockerClient
from docker.errors import DockerException
from docker.models.containers import Container

from components.labels import PART, TENANT
from tenants.model import Tenant, base_url

PARTS = ("postgres", "redis", "litellm", "openwebui")
_GUARD = "http://127.0.0.1:4000/health/guard"
# What is not a success is answered, too.
_FETCH = """\
import sys, urllib.error, urllib.request
try:
    answer = urllib.request.urlopen(sys.argv[1], timeout=5)
except urllib.error.HTTPError as error:
    answer = error
print(answer.read().decode())
"""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at; `problem` is empty if all is well."""

    what: str
    problem: str = ""


def examine(tenant: Tenant, address: str) -> Iterator[Finding]:
    """Look at a tenant on the Docker host at `address`, changing nothing."""
    try:
        client = DockerClient(base_url=address, use_ssh_client=address.startswith("ssh://"))
    except DockerException as error:
        yield Finding(f"Docker at {address}", f"does not answer: {error}")
        return
    with closing(client):
        found = client.containers.list(all=True, filters={"label": f"{TENANT}={tenant.slug}"})
        containers = {container.labels[PART]: container for container in found}
        for part in PARTS:
            yield Finding(f"{tenant.slug}-{part}", _state(containers.get(part)))
        if tenant.billing and _runs(containers.get("litellm")):
            what = f"Billing API at {base_url(tenant.billing.url)}"
            yield Finding(what, _billing(containers["litellm"]))
        if tenant.login and _runs(containers.get("openwebui")):
            issuer = base_url(tenant.login.issuer)
            yield Finding(f"login at {issuer}", _login(containers["openwebui"], issuer))


def _state(container: Container | None) -> str:
    if container is None:
        return "is not there: bring the tenant up"
    if container.status != "running":
        return f"is {container.status}: its log says why"
    if container.health in ("healthy", "unknown"):
        return ""
    checks = container.attrs["State"]["Health"]["Log"]
    last = checks[-1]["Output"].strip() if checks else "it was not asked yet"
    return f"is {container.health}: {last}"


def _runs(container: Container | None) -> bool:
    return container is not None and container.status == "running"


def _billing(litellm: Container) -> str:
    try:
        words = str(json.loads(_fetched(litellm, _GUARD))["billing"])
    except (ValueError, KeyError, TypeError):
        return "is not known: the gateway does not answer"
    return "" if words == "answers" else words


def _login(openwebui: Container, issuer: str) -> str:
    answer = _fetched(openwebui, f"{issuer}/.well-known/openid-configuration")
    try:
        return "" if "authorization_endpoint" in json.loads(answer) else "is no OpenID provider"
    except (ValueError, TypeError):
        return f"does not answer: {answer.strip().splitlines()[-1] if answer.strip() else ''}"


def _fetched(container: Container, url: str) -> str:
    """What the container gets from an address, or why it gets nothing."""
    output = container.exec_run(["python3", "-c", _FETCH, url]).output
    return output.decode(errors="replace") if isinstance(output, bytes) else ""
