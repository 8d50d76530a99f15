"""A process of the core: `python3 -m core.services.serve FACTORY PORT...`.

Identity listens on several ports, because Docker gives back the addresses that one port is
published at in whatever order, and each preview would show that as a change.
"""

import socket
import sys

import uvicorn

from asgi.header_timeout import HeaderTimeout


def main() -> None:
    """Serve on all ports that are named, until a signal ends it."""
    factory, *ports = sys.argv[1:]
    sockets = [_listener(int(port)) for port in ports]
    config = uvicorn.Config(
        factory, factory=True, http=HeaderTimeout, access_log=False, server_header=False
    )
    uvicorn.Server(config).run(sockets)


def _listener(port: int) -> socket.socket:
    listener = socket.create_server(("0.0.0.0", port))  # noqa: S104 - inside a container
    listener.setblocking(False)
    return listener


if __name__ == "__main__":
    main()
