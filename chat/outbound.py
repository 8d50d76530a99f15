"""The hosts that Open WebUI's process may connect to.

Python tells a hook of the interpreter of each connection and each name that is looked up, whatever
library asks; such a hook cannot be removed. An address that somebody puts into a setting, a
message or a request leads nowhere else.
"""

import errno
import sys
import time
from collections.abc import Iterable
from contextlib import suppress
from ipaddress import IPv6Address, ip_address
from socket import getaddrinfo
from typing import Any

_REFRESH_SECONDS = 1.0


class Outbound:
    """Decides on connections; hosts can be added, such as an OpenID provider's.

    Args:
        destinations: hosts and ports, by name or address.
    """

    def __init__(self, destinations: Iterable[tuple[str, int]]) -> None:
        self._ports: dict[str, set[int]] = {}
        self._known: set[tuple[str, int]] = set()
        self._looked_up = -_REFRESH_SECONDS
        for host, port in destinations:
            self.allow(host, port)

    def allow(self, host: str, port: int) -> None:
        """Let the process connect to one more place."""
        self._ports.setdefault(_name(host), set()).add(port)
        self._looked_up = -_REFRESH_SECONDS

    def install(self) -> None:
        """Ask this of every connection, from now on."""
        sys.addaudithook(self.hook)

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        """The hook that the interpreter calls.

        Raises:
            PermissionError: the process may not go there.
        """
        if event in ("socket.connect", "socket.sendto", "socket.sendmsg"):
            self._check_address(args[1])
        elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
            self._check_name(args[0])

    def _check_address(self, address: object) -> None:
        if not isinstance(address, tuple):
            return  # a socket of this machine's own, or one that is connected already
        host, port = str(address[0]), int(address[1])
        if not self._is_known(_plain(host), port):
            raise _refused(host, port)

    def _check_name(self, host: object) -> None:
        name = _name(host.decode() if isinstance(host, bytes) else str(host or ""))
        if name and name not in self._ports and not _is_address(name):
            raise _refused(name)

    def _is_known(self, host: str, port: int) -> bool:
        if port in self._ports.get(host, ()) or (host, port) in self._known:
            return True
        if time.monotonic() - self._looked_up < _REFRESH_SECONDS:
            return False
        self._looked_up = time.monotonic()
        # Addresses change: a container that was replaced has another one.
        names = [name for name, ports in self._ports.items() if port in ports]
        self._known |= {(address, port) for name in names for address in _addresses(name)}
        return (host, port) in self._known


def _addresses(name: str) -> list[str]:
    with suppress(OSError):
        return [_plain(str(found[4][0])) for found in getaddrinfo(name, None)]
    return []


def _name(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()


def _is_address(host: str) -> bool:
    with suppress(ValueError):
        return bool(ip_address(host.partition("%")[0]))
    return False


def _plain(host: str) -> str:
    """An address in one form, whether it came as IPv4, as IPv6, or as one within the other."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return _name(host)
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)


def _refused(host: str, port: int | None = None) -> PermissionError:
    place = host if port is None else f"{host}:{port}"
    return PermissionError(errno.EACCES, f"The chat may not connect to {place}")
