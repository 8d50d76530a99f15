"""An SSH server on loopback with stock settings, and an `ssh` that knows only it."""

import getpass
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.project import free_ports
from tests.programs import program


@dataclass(frozen=True)
class SSHHost:
    """This machine, as a Docker host that is reached over ssh."""

    folder: Path
    port: int
    listen: str = "127.0.0.1"

    @property
    def address(self) -> str:
        return f"ssh://{self.login}"

    @property
    def login(self) -> str:
        """User, host and port."""
        return f"{getpass.getuser()}@{self.listen}:{self.port}"

    @property
    def known(self) -> str:
        """The line by which a client knows the host."""
        key = (self.folder / "host_key.pub").read_text()
        return f"[{self.listen}]:{self.port} {key}"

    @property
    def logins(self) -> int:
        """How often somebody has logged in."""
        return (self.folder / "log").read_text().count("Accepted publickey")

    def forget(self) -> None:
        """Let the client not know the host's key."""
        (self.folder / "known").write_text("")

    def know(self) -> None:
        """Let the client know the host's key."""
        (self.folder / "known").write_text(self.known)


@contextmanager
def ssh_host(folder: Path, listen: str = "127.0.0.1") -> Iterator[SSHHost]:
    """Run the server; `PATH` finds its own client first meanwhile."""
    client, server = program("openssh-client", "ssh"), program("openssh-server", "sshd")
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    host = SSHHost(folder, free_ports(1, address=listen)[0], listen)
    for name in ("host_key", "id"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True)
    host.know()
    (folder / "sshd_config").write_text(
        f"Port {host.port}\nListenAddress {listen}\nHostKey {folder}/host_key\n"
        f"AuthorizedKeysFile {folder}/id.pub\nPidFile {folder}/pid\nStrictModes no\n"
        "Subsystem sftp internal-sftp\n"
    )
    (folder / "config").write_text(
        f"IdentityFile {folder}/id\nIdentitiesOnly yes\nUserKnownHostsFile {folder}/known\n"
        "GlobalKnownHostsFile /dev/null\n"
    )
    wrapper = folder / "bin" / "ssh"
    wrapper.parent.mkdir()
    wrapper.write_text(f'#!/bin/sh\nexec {client} -F {folder}/config "$@"\n')
    wrapper.chmod(0o755)
    path = os.environ["PATH"]
    with (folder / "log").open("w") as log:
        running = subprocess.Popen([server, "-D", "-e", "-f", folder / "sshd_config"], stderr=log)
    os.environ["PATH"] = f"{wrapper.parent}:{path}"
    try:
        _wait_for(running, folder / "log")
        yield host
    finally:
        os.environ["PATH"] = path
        running.terminate()
        running.wait()


def _wait_for(server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 10
    while "Server listening" not in log.read_text():
        if server.poll() is not None or time.monotonic() > deadline:
            sys.exit(log.read_text())
        time.sleep(0.05)
