"""A stack from nothing: its files, secrets and keys out of a repository and its password."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from docker import DockerClient
from docker.types import Mount

from backup.plan import Plan
from cli.container_files import pack
from cli.given_keys import variable, write_keys
from cli.restore.one_off import ENVIRONMENT, OneOff, backup_image
from cli.yaml_io import project_name, write_yaml
from components.compose.secret_file import SecretFile
from components.docker.connection import shared
from components.docker.preflight import survey
from components.services.backup import FILES, program
from components.spec import SECRETS, START, script, stack_name
from core.deployment.stack_config import PROJECT as CORE_PROJECT
from images.catalog import ImageSource
from schema.errors import UserError

_REPOSITORY = "/repository"
_SSH_KEY = "SSH_KEY"


@dataclass(frozen=True, kw_only=True)
class Place:
    """A repository, and what lets us into it.

    Attributes:
        repository: as restic has it; a path is one of the Docker host.
        password: of the repository.
        credentials: by their name at restic.
        known_hosts: of `sftp:`.
    """

    repository: str
    password: str
    credentials: Mapping[str, str]
    known_hosts: str = ""


@dataclass(frozen=True, kw_only=True)
class Recovered:
    """The files that were written.

    Attributes:
        project: that the stack is of.
        stack: its name.
        set_id: that was read.
        file: of the tenant or the core.
        config: of the stack.
        keys: a shell script that sets variables to the keys that others gave.
        variables: of these keys, by their place in the config.
    """

    project: str
    stack: str
    set_id: str
    file: Path
    config: Path
    keys: Path
    variables: Mapping[str, str]


def recover(
    place: Place, *, set_id: str, address: str, images: ImageSource, root: Path, folder: Path
) -> Recovered:
    """Write the files of a stack as a set has them.

    Args:
        place: of the set.
        set_id: of the set, or `latest`.
        address: Docker host that reads it.
        images: source of the image that does, which is built if it is missing.
        root: the Pulumi project's folder.
        folder: of the secrets; an export or an import finds them there.

    Raises:
        UserError: the set cannot be read, is of another project, or a file is there already.
    """
    survey(address)
    found = json.loads(_read(place, set_id, shared(address), images))
    stack, project = found["stack"], found["project"]
    if project != project_name(root):
        other = "with" if project == CORE_PROJECT else "without"
        raise UserError(f"the set is of {found['slug']}, of {project}: try it {other} `--core`")
    secrets, keys = SecretFile(folder), folder / "keys"
    file = (root if project == CORE_PROJECT else root / "tenants") / f"{stack}.yaml"
    config = root / f"Pulumi.{stack}.yaml"
    if there := [path for path in (file, config, secrets.path) if path.exists()]:
        raise UserError("\n".join(f"{path}: is there already: move it away" for path in there))
    folder.mkdir(parents=True, exist_ok=True)
    generated = found["generated"].items()
    secrets.take({stack_name(found["slug"], name): value for name, value in generated})
    secrets.save()
    write_keys(keys, found["given"])
    settings = {f"{project}:{key}": _said(value) for key, value in found["config"].items()}
    write_yaml(config, {"config": settings})
    file.write_text(found["file"], encoding="utf-8")
    return Recovered(
        project=project,
        stack=stack,
        set_id=found["set"],
        file=file,
        config=config,
        keys=keys,
        variables={path: variable(path) for path in found["given"]},
    )


def _said(value: str) -> Any:
    """A setting as a person writes it, of what Pulumi hands over."""
    return json.loads(value) if value.startswith(("{", "[")) else value


def _read(place: Place, set_id: str, client: DockerClient, images: ImageSource) -> str:
    """All that the data of a set cannot be read without, as JSON."""
    mounts, repository = [], place.repository
    if repository.startswith("/"):
        mounts = [Mount(_REPOSITORY, repository, type="bind", read_only=True)]
        repository = _REPOSITORY
    return OneOff(
        client=client,
        image=backup_image(client, images),
        name="cloudfreedom-recover",
        archives={"/": archive_for(reading(repository), place)},
        mounts=mounts,
        network="none" if mounts else "bridge",
        environment=ENVIRONMENT,
        capabilities=["DAC_READ_SEARCH"],
    ).run("stack", set_id)


def archive_for(plan: Plan, place: Place, **secrets: str) -> bytes:
    """The files of a backup's container, as a tar of its root.

    Args:
        plan: that it follows.
        place: that it is let into.
        secrets: more of them, by name.
    """
    others = {name: key for name, key in place.credentials.items() if name != _SSH_KEY}
    return pack(
        {
            **program_of(plan),
            f"{FILES}/known_hosts": place.known_hosts,
            f"{SECRETS}/backup-password": place.password,
            f"{SECRETS}/ssh-key": place.credentials.get(_SSH_KEY, ""),
            **{f"{SECRETS}/{name}": text for name, text in secrets.items()},
            **{f"{SECRETS}/env/{name}": key for name, key in others.items()},
        }
    )


def program_of(plan: Plan) -> dict[str, str]:
    """The program of a backup's container with its plan, by path."""
    return {
        START: script("start.sh"),
        **program(),
        f"{FILES}/backup.json": json.dumps(asdict(plan)),
    }


def reading(repository: str) -> Plan:
    """The plan of somebody who only reads a repository."""
    return Plan(
        slug="",
        program="",
        images={},
        repository=repository,
        schedule="",
        proofs="",
        keep={},
        append_only=True,
        upload_kib=0,
        sources=[],
    )
