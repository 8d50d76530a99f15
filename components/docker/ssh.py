"""Commands of ssh for a Docker host; without Docker's client, which takes time to load."""

from urllib.parse import urlsplit

# Never a question: nobody can answer it. `up` would wait for ever, with the stack locked.
SSH_OPTIONS = (
    *("-o", "BatchMode=yes"),
    *("-o", "ConnectTimeout=10"),
    *("-o", "ServerAliveInterval=15"),
)


def ssh_command(address: str, *options: str) -> list[str]:
    """The `ssh` to a Docker host, without a command there; `options` are of ssh's own."""
    parts = urlsplit(address)
    user = ["-l", parts.username] if parts.username else []
    port = ["-p", str(parts.port)] if parts.port else []
    return ["ssh", "-T", *SSH_OPTIONS, *options, *user, *port, "--", parts.hostname or ""]
