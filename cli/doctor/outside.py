"""Asks what a Docker host publishes, from where people are: outside of every container."""

import re
import socket
import subprocess
from base64 import b64encode
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import SplitResult, urljoin, urlsplit

from components.docker.ssh import ssh_command

_SECONDS = 10
_HOPS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_UPGRADE = {
    "Connection": "Upgrade",
    "Upgrade": "websocket",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": b64encode(bytes(16)).decode(),
}


class Answer(NamedTuple):
    """An answer; `url` is the one that gave it after all redirects."""

    status: int
    text: str
    url: str


@dataclass(frozen=True)
class Outside:
    """The way to a Docker host's ports.

    Attributes:
        address: the Docker host, `unix://`, `tcp://` or `ssh://`.
    """

    address: str

    def reaches(self, url: str) -> bool:
        """Whether this machine can ask there: another host's loopback is its own."""
        return not (self.address.startswith("tcp://") and _is_hosts_own(urlsplit(url)))

    def get(self, url: str, *, until: str = "") -> Answer:
        """The answer after all redirects; one to an address that begins with `until` is the last.

        Raises:
            OSError: nothing is answered.
        """
        for _ in range(_HOPS):
            answer, leads_to = self._once(url)
            if not leads_to:
                return answer
            url = urljoin(url, leads_to)
            if until and url.startswith(until):
                return Answer(answer.status, "", url)
        return answer

    def websocket(self, url: str, origin: str) -> int:
        """The status of a WebSocket's opening by a page of `origin`: 101 is well.

        The host is asked under that page's name, wherever it is found.

        Raises:
            OSError: nothing is answered.
        """
        headers = {**_UPGRADE, "Origin": origin, "Host": urlsplit(origin).netloc}
        with closing(self._connection(urlsplit(url))) as connection:
            return _asked(connection, url, headers).status

    def _once(self, url: str) -> tuple[Answer, str]:
        with closing(self._connection(urlsplit(url))) as connection:
            response = _asked(connection, url, {"Accept": "text/html, */*"})
            text = response.read().decode(errors="replace")
            leads_to = response.getheader("Location", "") if response.status in _REDIRECTS else ""
            return Answer(response.status, text, url), leads_to or ""

    def _connection(self, url: SplitResult) -> HTTPConnection:
        host = url.hostname or ""
        if url.scheme == "https":
            return HTTPSConnection(host, url.port, timeout=_SECONDS)
        connection = HTTPConnection(host, url.port, timeout=_SECONDS)
        if self.address.startswith("ssh://") and _is_hosts_own(url):
            connection.sock = _through_ssh(self.address, host, url.port or 80)
        return connection


def _asked(connection: HTTPConnection, url: str, headers: dict[str, str]) -> HTTPResponse:
    parts = urlsplit(url)
    path = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse()
    except HTTPException as error:
        raise OSError(f"no HTTP: {error!r}") from None


def _is_hosts_own(url: SplitResult) -> bool:
    """Whether an address is one that only the host itself, or its containers, can reach."""
    try:
        address = ip_address(url.hostname or "")
    except ValueError:
        return url.hostname == "localhost"
    return address.is_loopback or address.is_private


def _through_ssh(address: str, host: str, port: int) -> socket.socket:
    """A connection that the Docker host makes for us."""
    ours, theirs = socket.socketpair()
    ours.settimeout(_SECONDS)
    to = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    with closing(theirs):
        subprocess.Popen(
            ssh_command(address, "-W", to),
            stdin=theirs.fileno(),
            stdout=theirs.fileno(),
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    return ours


def words(text: str) -> str:
    """The text of a page or an answer, short and without its markup."""
    without = re.sub(r"<(script|style|head)\b.*?</\1>|<[^>]*>", " ", text, flags=re.S | re.I)
    return " ".join(without.split())[:200]
