"""Identity's and the portal's process: `python3 -m core.services.serve PORT...`.

It listens on several ports, because Docker gives back the addresses that one port is published at
in whatever order, and each preview would show that as a change.
"""

import socket
import sys

import uvicorn


def main() -> None:
    """Serve on all ports that are named, until a signal ends it."""
    sockets = [_listener(int(port)) for port in sys.argv[1:]]
    config = uvicorn.Config(
        "core.services.web:create", factory=True, access_log=False, server_header=False
    )
    uvicorn.Server(config).run(sockets)


def _listener(port: int) -> socket.socket:
    listener = socket.create_server(("0.0.0.0", port))  # noqa: S104 - inside a container
    listener.setblocking(False)
    return listener


if __name__ == "__main__":
    main()
