"""Tenant files, each checked on its own and against every other."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from schema.diagnostics import Violation
from schema.yaml_file import load_among, load_each
from tenants.address import overlap
from tenants.model import Tenant

FOLDER = Path(__file__).parent


def load(stack: str, folder: Path = FOLDER, *, hosts: Mapping[str, str]) -> Tenant:
    """The tenant of a stack, checked on its own and against every other tenant.

    Another tenant's file that is broken itself is not looked at here: it must not keep
    this tenant from being brought up.

    Args:
        stack: the file is `<folder>/<stack>.yaml`.
        folder: where the tenant files are.
        hosts: the Docker host of each stack; two tenants of one host must not share a port.

    Raises:
        InvalidFileError: with every problem of this file.
    """

    def clashes(tenant: Tenant, other: Tenant, name: str) -> Iterator[Violation]:
        return _clashes(tenant, other, name, hosts.get(stack) == hosts.get(name))

    return load_among(stack, folder, Tenant, clashes)


def load_all(folder: Path = FOLDER, *, hosts: Mapping[str, str]) -> dict[str, Tenant]:
    """Every tenant by its stack.

    Raises:
        InvalidFileError: with every problem of every file.
    """
    return load_each(folder, lambda stack: load(stack, folder, hosts=hosts))


def _clashes(tenant: Tenant, other: Tenant, stack: str, same_host: bool) -> Iterator[Violation]:
    if tenant.slug == other.slug:
        yield Violation(("slug",), tenant.slug, f"already used by {stack}.yaml; choose another")
    if tenant.domain and tenant.domain == other.domain:
        yield Violation(("domain",), tenant.domain, f"already used by {stack}.yaml; choose another")
    for index, name in enumerate(tenant.openwebui.names):
        everywhere = same_host or _is_public(name)
        if everywhere and name in (other.domain, *other.openwebui.names):
            path = ("openwebui", "names", index)
            yield Violation(path, name, f"already used by {stack}.yaml; choose another")
    if not same_host:
        return
    for section, (address, port) in tenant.listeners.items():
        theirs = other.listeners.values()
        if any(port == used and overlap(address, where) for where, used in theirs):
            allowed = f"already used by {stack}.yaml on this host; choose a free port"
            yield Violation((section, "port"), port, allowed)


def _is_public(name: str) -> bool:
    """Whether a host[:port] is the same from everywhere."""
    host = urlsplit(f"//{name}").hostname or ""
    with suppress(ValueError):
        return ip_address(host).is_global
    return "." in host and not host.endswith(".localhost")
