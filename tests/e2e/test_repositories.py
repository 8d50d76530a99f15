"""Repositories elsewhere, each on a real server."""

import json
import secrets
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from docker import DockerClient
from docker.types import Mount

from backup.plan import Plan, Source
from cli.restore.one_off import OneOff
from cli.restore.recovery import Place, archive_for, reading
from images.catalog import load_catalog
from schema.errors import UserError
from tests.e2e.project import free_ports
from tests.e2e.sshd import ssh_host
from tests.e2e.waiting import until

PASSWORD = "a password"
USER, KEY = "backup", secrets.token_hex(16)


def place(repository: str, **credentials: str) -> Place:
    return Place(repository=repository, password=PASSWORD, credentials=credentials)


@contextmanager
def server(port: int, address: str, *command: str | Path) -> Iterator[None]:
    """Run a server until it is not needed any more."""
    with subprocess.Popen(
        [Path(sys.prefix) / "bin" / command[0], *command[1:]],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as running:
        try:
            until(lambda: _answers(address, port), seconds=60)
            yield
        finally:
            running.terminate()


def _answers(address: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((address, port)) == 0


@contextmanager
def rest(folder: Path, address: str, *options: str) -> Iterator[Place]:
    """`rclone serve restic`."""
    [port] = free_ports(1, address=address)
    listen = ("--addr", f"{address}:{port}", "--user", USER, "--pass", KEY)
    with server(port, address, "rclone", "serve", "restic", *listen, *options, folder):
        yield place(
            f"rest:http://{address}:{port}/acme",
            RESTIC_REST_USERNAME=USER,
            RESTIC_REST_PASSWORD=KEY,
        )


@contextmanager
def append_only(folder: Path, address: str) -> Iterator[Place]:
    """The same, where nothing can be deleted."""
    with rest(folder, address, "--append-only") as found:
        yield found


@contextmanager
def s3(folder: Path, address: str) -> Iterator[Place]:
    """The S3 of SeaweedFS."""
    port, *others = free_ports(7, address=address)
    master, master_grpc, volume, volume_grpc, filer, filer_grpc = map(str, others)
    identity = {
        "name": USER,
        "credentials": [{"accessKey": USER, "secretKey": KEY}],
        "actions": ["Admin", "Read", "Write", "List", "Tagging"],
    }
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [identity]}), encoding="utf-8")
    with server(
        port, address, "weed", "server", f"-dir={folder}", f"-ip={address}", f"-ip.bind={address}",
        "-s3", f"-s3.port={port}", f"-s3.config={config}", f"-master.port={master}",
        f"-master.port.grpc={master_grpc}", f"-volume.port={volume}", "-volume.max=10",
        f"-volume.port.grpc={volume_grpc}", "-filer", f"-filer.port={filer}",
        f"-filer.port.grpc={filer_grpc}", "-master.volumeSizeLimitMB=64",
    ):  # fmt: skip
        weed, where = str(Path(sys.prefix) / "bin" / "weed"), f"{address}:{master}.{master_grpc}"
        make = "s3.bucket.create -name backups\n"
        shell = [weed, "shell", f"-master={where}"]
        subprocess.run(shell, input=make, text=True, check=True, capture_output=True, timeout=60)
        yield place(
            f"s3:http://{address}:{port}/backups/acme",
            AWS_ACCESS_KEY_ID=USER,
            AWS_SECRET_ACCESS_KEY=KEY,
        )


@contextmanager
def sftp(folder: Path, address: str) -> Iterator[Place]:
    """OpenSSH."""
    with ssh_host(folder, address) as host:
        key = (folder / "id").read_text(encoding="utf-8")
        found = place(f"sftp://{host.login}/{folder}/acme", SSH_KEY=key)
        yield replace(found, known_hosts=host.known)


@dataclass(frozen=True)
class Container:
    """The container of backups, with files of its own to keep."""

    engine: DockerClient
    volumes: tuple[str, str]
    place: Place
    plan: Plan
    repository: str = ""  # a volume, if it is no server

    def run(self, *command: str, password: str = PASSWORD) -> str:
        place = replace(self.place, password=password)
        files = archive_for(self.plan, place, **{"stack.json": "{}"})
        data, source = self.volumes
        here = [Mount("/repository", self.repository)] if self.repository else []
        return OneOff(
            client=self.engine,
            image=load_catalog("built").running["backup"].reference,
            name=f"backup-{secrets.token_hex(4)}",
            archives={"/": files},
            mounts=[Mount("/data", data), Mount("/sources/files", source), *here],
            network="bridge",
            environment=["PYTHONPATH=/etc/cloudfreedom"],
            capabilities=["DAC_READ_SEARCH"],
        ).run(*command)


@pytest.fixture
def volumes(engine: DockerClient) -> Iterator[tuple[str, str]]:
    made = [engine.volumes.create(f"backup-{secrets.token_hex(4)}") for _ in range(2)]
    data, source = (str(volume.name) for volume in made)
    write_file(engine, (data, source), "head -c 3000000 /dev/urandom > /v/file")
    yield data, source
    for volume in made:
        volume.remove()


def plan_of(repository: str) -> Plan:
    """A plan of a stack that has files alone."""
    return replace(
        reading(repository),
        slug="acme",
        schedule="30 2 * * *",
        proofs="0 4 * * 0",
        keep={"last": 1},
        append_only=False,
        sources=[Source(service="files", kind="files")],
    )


@pytest.mark.parametrize("serve", [
    rest,
    *(pytest.param(each, marks=pytest.mark.all_only) for each in (append_only, s3, sftp)),
])  # fmt: skip
def test_sets_are_made_and_proven(
    engine: DockerClient,
    volumes: tuple[str, str],
    bridge: str,
    tmp_path: Path,
    serve: Callable[[Path, str], AbstractContextManager[Place]],
) -> None:
    with serve(tmp_path, bridge) as found:
        plan = replace(plan_of(found.repository), append_only=serve is append_only)
        container = Container(engine, volumes, found, plan)
        container.run("make")
        container.run("make")
        container.run("prove")
        listed = json.loads(container.run("list", "--json"))
        assert listed["state"] == "fine"
        assert len(listed["sets"]) == (2 if plan.append_only else 1)
        with pytest.raises(UserError, match="has another password than this stack"):
            container.run("make", password="another")


@pytest.fixture
def small_disk(engine: DockerClient) -> Iterator[str]:
    """A volume of 16 MiB, which is there for as long as somebody uses it."""
    options = {"type": "tmpfs", "device": "tmpfs", "o": "size=16m"}
    volume = engine.volumes.create(f"backup-{secrets.token_hex(4)}", driver_opts=options)
    keeper = engine.containers.run(
        load_catalog("built").running["backup"].reference,
        ["sleep", "600"],
        volumes={str(volume.name): {"bind": "/repository"}},
        user="0",
        detach=True,
    )
    yield str(volume.name)
    keeper.remove(force=True)
    volume.remove()


def test_a_full_disk_loses_nothing(
    engine: DockerClient, volumes: tuple[str, str], small_disk: str
) -> None:
    container = Container(
        engine, volumes, place("/repository"), plan_of("/repository"), repository=small_disk
    )
    container.run("make")
    write_file(engine, volumes, "head -c 30000000 /dev/urandom > /v/large")
    with pytest.raises(UserError, match="no space left on device"):
        container.run("make")
    container.run("prove")
    state = json.loads(container.run("state"))
    assert state["state"] == "failed"
    assert "no space left on device" in state["reason"]
    write_file(engine, volumes, "rm /v/large")
    container.run("make")
    container.run("prove")
    assert json.loads(container.run("list", "--json"))["state"] == "fine"


def write_file(engine: DockerClient, volumes: tuple[str, str], script: str) -> None:
    image = load_catalog("built").running["backup"].reference
    of_files = {volumes[1]: {"bind": "/v"}}
    engine.containers.run(image, ["sh", "-c", script], user="0", volumes=of_files, remove=True)
