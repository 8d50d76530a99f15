"""A look at a Docker host before anything is changed there: what is on it, and in the way.

A host is asked once for each run of the program, over one connection.
"""

import errno
import re
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from components.labels import MARK, TENANT
from components.spec import NETWORKS, StackSpec
from schema.errors import UserError
from tenants.address import overlap

Json = Mapping[str, Any]
_Network = IPv4Network | IPv6Network

# What an engine has unless its own config names others.
_DEFAULT_POOLS = [{"Base": f"172.{second}.0.0/16", "Size": 16} for second in range(17, 32)] + [
    {"Base": "192.168.0.0/16", "Size": 20}
]
_IPV4 = 4
_NO_SUCH_ADDRESS, _TAKEN = errno.EADDRNOTAVAIL, errno.EADDRINUSE


class DockerHostError(UserError):
    """The stack's Docker host cannot be used as it is; one line a problem."""


@dataclass(frozen=True, kw_only=True)
class Claims:
    """Names, addresses and ports that a stack claims on its Docker host.

    Attributes:
        slug: the tenant or the core.
        containers: their names.
        networks: their names.
        volumes: their names.
        ports: addresses and ports of the host.
    """

    slug: str
    containers: Sequence[str]
    networks: Sequence[str]
    volumes: Sequence[str]
    ports: Sequence[tuple[str, int]]


def claims_of(spec: StackSpec) -> Claims:
    """Claims of a tenant or a core."""
    return Claims(
        slug=spec.slug,
        containers=[spec.name(service.name) for service in spec.services],
        networks=[spec.name(network.name) for network in NETWORKS],
        volumes=[spec.name(store) for store in spec.stores],
        ports=[(port.address, port.host_port) for each in spec.services for port in each.ports],
    )


@dataclass(frozen=True)
class Survey:
    """Things on a Docker host, by name.

    Attributes:
        pools: where the engine takes the addresses of networks from.
        here: the host is the machine that this runs on.
    """

    address: str = ""
    containers: Mapping[str, Json] = field(default_factory=dict)
    networks: Mapping[str, Json] = field(default_factory=dict)
    volumes: Mapping[str, Json] = field(default_factory=dict)
    pools: Sequence[Json] = ()
    here: bool = False

    def owns(self, kind: str, slug: str) -> list[str]:
        """Names of all things of one kind that carry the label of `slug`."""
        return sorted(name for name, it in getattr(self, kind).items() if _owner(it) == slug)


NOTHING = Survey()
"""For an export, which asks no host."""


def preflight(address: str, claims: Claims) -> Survey:
    """Survey a Docker host, changing nothing there.

    Args:
        address: `unix://`, `tcp://` or `ssh://`.
        claims: what the stack wants to have there.

    Raises:
        DockerHostError: it does not answer, or something is in the way; all of it at once.
    """
    found = survey(address)
    if problems := list(obstacles(found, claims)):
        raise DockerHostError("\n".join(problems))
    return found


def survey(address: str) -> Survey:
    """Ask a Docker host what is on it.

    Raises:
        DockerHostError: it does not answer.
    """
    from docker.errors import DockerException
    from requests import RequestException

    from components.docker.connection import shared

    try:
        api = shared(address).api
        containers = {_name(each): each for each in api.containers(all=True)}
        networks = {each["Name"]: each for each in api.networks()}
        volumes = {each["Name"]: each for each in api.volumes()["Volumes"] or ()}
        info = api.info()
    except (DockerException, RequestException, OSError, ValueError) as error:
        raise DockerHostError(no_answer(address, _cause(error))) from None
    # A socket may also be another machine's, such as a CI runner's in its container.
    here = address.startswith("unix://") and info.get("Name") == socket.gethostname()
    pools = info.get("DefaultAddressPools") or _DEFAULT_POOLS
    return Survey(address, containers, networks, volumes, pools, here)


def _name(container: Json) -> str:
    # One that is being removed has none any more.
    names: list[str] = container.get("Names") or [container["Id"]]
    return names[0].lstrip("/")


def _cause(error: BaseException) -> str:
    """The innermost of the errors that libraries wrap in each other."""
    for inner in reversed(error.args):
        if isinstance(inner, BaseException):
            return _cause(inner)
    reason = getattr(error, "reason", None)
    if isinstance(reason, BaseException):
        return _cause(reason)
    return re.sub(r".*\[Errno -?\d+\] ", "", str(error))


_WAYS_OUT_OF_SSH = {
    r"Host key verification failed": "the host's key is not known here: run `ssh {target}` once"
    " and compare it",
    r"REMOTE HOST IDENTIFICATION HAS CHANGED": "the host has another key than before: if that is"
    " right, `ssh-keygen -R {host}`, then `ssh {target}` once",
    r"Permission denied \(": "ssh logs nobody in without a password: give that host your public"
    " key, and load the private one into ssh-agent",
    r"Connection refused|timed out|No route|Could not resolve|not known": "nothing answers there:"
    " compare host and port of `dockerHost`",
    r"docker: (command )?not found|docker: No such": "the Docker CLI is not installed there",
}
_WAYS_OUT = {
    r"permission denied|Permission denied": "this user may not use Docker there: add it to the"
    " group `docker`",
    r"too new": "its engine is too old: 25 or newer is needed",
}


def no_answer(address: str, cause: str) -> str:
    """Says that a Docker host cannot be used, why, and the way out.

    Args:
        address: of the host.
        cause: what the connection ended with.
    """
    target = address.partition("://")[2]
    host = target.rpartition("@")[2].partition(":")[0]
    target = re.sub(r"(.+):(\d+)$", r"-p \2 \1", target)
    known = {**_WAYS_OUT_OF_SSH, **_WAYS_OUT} if address.startswith("ssh://") else _WAYS_OUT
    way_out = next(
        (words for pattern, words in known.items() if re.search(pattern, cause)),
        "start it, or set another with `pulumi config set dockerHost`",
    )
    last = cause.strip().splitlines()[-1] if cause.strip() else "no answer"
    return (
        f"no Docker engine answers at {address} ({last}):"
        f" {way_out.format(target=target, host=host)}"
    )


def obstacles(found: Survey, claims: Claims) -> Iterator[str]:
    """Sentences on all that is in the way."""
    yield from _foreign(found, claims)
    yield from _taken_ports(found, claims)
    yield from _used_up_pools(found, claims)


def _foreign(found: Survey, claims: Claims) -> Iterator[str]:
    for kind in ("containers", "networks", "volumes"):
        there: Mapping[str, Json] = getattr(found, kind)
        for name in getattr(claims, kind):
            if name in there and _owner(there[name]) not in _rightful(kind, claims.slug):
                thing = kind.removesuffix("s")
                yield (
                    f"the Docker host has a {thing} {name} that is not this stack's: remove or"
                    f" rename it (`docker {thing} inspect {name}` shows whose it is),"
                    " or choose another `slug`"
                )


def _rightful(kind: str, slug: str) -> tuple[str | None, ...]:
    # A volume that was copied by hand has no label: the state knows whether it is the stack's,
    # see `check_new_volume`.
    return (slug, None) if kind == "volumes" else (slug,)


def _owner(thing: Json) -> str | None:
    return (thing.get("Labels") or {}).get(TENANT)


def _taken_ports(found: Survey, claims: Claims) -> Iterator[str]:
    held: list[tuple[str, str, int]] = []
    ours: set[int] = set()
    for name, container in found.containers.items():
        for port in container.get("Ports") or ():
            if "PublicPort" not in port or port.get("Type") == "udp":
                continue
            if _owner(container) == claims.slug:
                ours.add(port["PublicPort"])
            else:
                held.append((name, port.get("IP") or "0.0.0.0", port["PublicPort"]))
    for address, port in claims.ports:
        if port in ours:
            continue
        holders = [name for name, at, its in held if its == port and overlap(at, address)]
        refusal = _refusal(address, port) if found.here and not holders else None
        if holders or refusal == _TAKEN:
            by = f" by the container {holders[0]}" if holders else ""
            yield (
                f"{address}:{port} of the Docker host is taken{by}: stop what uses it,"
                " or choose another port in the stack's file"
            )
        elif refusal == _NO_SUCH_ADDRESS:
            yield (
                f"the Docker host has no such address as in {address}:{port}: `bind` in the"
                " stack's file, or a core's `hostGateway`, must be one of its own"
            )


def _refusal(address: str, port: int) -> int | None:
    """The reason why a port of this machine cannot be had."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family) as probe:
            # As the engine does: what only just ended is no obstacle, and each family is its own.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind((address, port))
    except OSError as error:
        return error.errno
    return None


def _used_up_pools(found: Survey, claims: Claims) -> Iterator[str]:
    missing = [name for name in claims.networks if name not in found.networks]
    if not missing:
        return
    used = list(_subnets(found.networks.values()))
    free = 0
    for pool in found.pools:
        base = ip_network(pool["Base"], strict=False)
        for subnet in base.subnets(new_prefix=pool["Size"]) if base.version == _IPV4 else ():
            free += not any(subnet.version == it.version and subnet.overlaps(it) for it in used)
            if free >= len(missing):
                return
    yield (
        f"the Docker host has addresses for {free} more networks, and {claims.slug} needs"
        f" {len(missing)}: remove unused ones (`docker network prune`), give the engine more"
        " (`default-address-pools` in /etc/docker/daemon.json), or use another host"
    )


def _subnets(networks: Iterable[Json]) -> Iterator[_Network]:
    for network in networks:
        for config in (network.get("IPAM") or {}).get("Config") or ():
            with suppress(ValueError):
                yield ip_network(config.get("Subnet", ""), strict=False)


def check_new_volume(found: Survey, slug: str, name: str, labels: Json) -> None:
    """See to it that a volume that is not in the state is not on the host either.

    Args:
        found: what is on the host.
        slug: the tenant or the core.
        name: of the volume.
        labels: its own; an `up` that was killed can have made it with these very ones.

    Raises:
        DockerHostError: it holds the data of another state.
    """
    volume = found.volumes.get(name)
    if volume is None or (volume.get("Labels") or {}).get(MARK) == labels.get(MARK):
        return
    volumes = " ".join(sorted({name, *found.owns("volumes", slug)}))
    raise DockerHostError(
        f"the Docker host has data of {slug} ({volumes}) that is not in the state of this stack:"
        " the state was lost, or belongs to another checkout or backend; nothing was changed."
        " Keep the data: log in to the backend that has the state, or restore it with"
        " `pulumi stack import --file BACKUP`, then `pulumi up`. If it is lost for ever,"
        " docs/drift.md says how the data come into a new one."
        f" Or delete it on purpose: `docker volume rm {volumes}`"
    )


def check_move(found: Survey, claims: Claims, old: str) -> None:
    """See to it that a stack whose Docker host changes has its data on the new one.

    Args:
        found: what is on the new host.
        claims: what the stack has.
        old: address of the host that the state knows.

    Raises:
        DockerHostError: it has not.
    """
    missing = [name for name in claims.volumes if name not in found.volumes]
    if missing:
        raise DockerHostError(
            f"{claims.slug} is on {old}, and its data ({', '.join(missing)}) is not on"
            f" {found.address}: another `dockerHost` moves nothing, and nothing was changed."
            f" Go back with `pulumi config set dockerHost {old}`, or move it: docs/hosts.md,"
            " “Moving to another host”"
        )
