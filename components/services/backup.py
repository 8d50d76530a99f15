"""Backups: the service that makes them, with the code of `backup/` loaded into it.

It is the one exception to "each service its own data": it reads all of them, and can change none.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version

from components.program_files import program_files
from components.secrets import (
    BACKUP_PASSWORD,
    backup_credential,
    config_path,
    value_of,
    with_values,
)
from components.services.accounts import DatabaseRole, ValkeyUser
from components.spec import (
    APPS,
    DATA,
    Healthcheck,
    HostFolder,
    SecretJson,
    SecretRef,
    SecretSpec,
    ServiceSpec,
    SharedVolume,
    StackSpec,
    Storage,
)
from components.stack_config import Backups
from images.catalog import Image

NAME = "backup"
_USER = 65534  # `nobody` in the image
FILES = "/etc/cloudfreedom"
"""Folder of the plan and the program in the container."""

_KNOWN_HOSTS = f"{FILES}/known_hosts"
_REPOSITORY = "/repository"
_SSH_KEY = "SSH_KEY"

DATABASE_ROLES = (DatabaseRole(name=NAME, visits=True, member_of=("pg_read_all_data",)),)
VALKEY_USERS = (ValkeyUser(name=NAME, rules="+ping +psync +sync +replconf"),)


@dataclass(frozen=True, kw_only=True)
class StackFiles:
    """The files that describe a stack, from which it can be made again.

    Attributes:
        project: the Pulumi project.
        stack: its name.
        file: text of the tenant's or the core's file.
        config: plain config of the stack, as Pulumi hands it over.
    """

    project: str
    stack: str
    file: str
    config: Mapping[str, str]


def with_backups(
    spec: StackSpec, backups: Backups | None, image: Image, files: StackFiles
) -> StackSpec:
    """A tenant or a core with the service that backs it up, if its config asks for it.

    Args:
        spec: without it.
        backups: section of the config.
        image: of the service.
        files: that describe the stack.
    """
    if not backups:
        return spec
    secrets = list(with_values(spec.secrets))
    return replace(
        spec,
        services=[*spec.services, _service(spec, backups, image, secrets, files)],
        secrets=secrets,
        outputs={**spec.outputs, "backup_password": SecretRef(BACKUP_PASSWORD)},
    )


def _service(
    spec: StackSpec,
    backups: Backups,
    image: Image,
    secrets: Sequence[SecretSpec],
    files: StackFiles,
) -> ServiceSpec:
    sources = [service for service in spec.services if service.backup]
    kinds = {service.name: service.backup.kind for service in sources if service.backup}
    folder = backups.repository if backups.repository.startswith("/") else ""
    names = {each.name for each in secrets}
    credentials = {name: SecretRef(backup_credential(name)) for name in _given(names)}
    key = credentials.pop(_SSH_KEY, None)
    accounts = [each.secret for each in DATABASE_ROLES] + [each.secret for each in VALKEY_USERS]
    return ServiceSpec(
        name=NAME,
        image=image,
        user=_USER,
        command=["python3", "-m", "backup", "serve"],
        resources=backups,
        networks=[DATA] if folder else [DATA, APPS],
        healthcheck=Healthcheck(command="python3 -m backup alive"),
        after=[*kinds],  # so that the first set is one of services that are ready
        env={"PYTHONPATH": FILES, "PYTHONDONTWRITEBYTECODE": "1"},
        secret_env=credentials,
        files={
            f"{FILES}/backup.json": json.dumps(_plan(spec, backups, image), indent=2),
            **({_KNOWN_HOSTS: "\n".join(backups.known_hosts)} if backups.known_hosts else {}),
            **program(),
        },
        secret_files={
            BACKUP_PASSWORD: SecretRef(BACKUP_PASSWORD),
            "stack.json": _stack_file(spec.slug, secrets, files),
            **{name: SecretRef(name) for name in accounts if name in names},
            **({"ssh-key": key} if key else {}),
        },
        storage=Storage(path="/data", chown=True, disposable=True),
        shared_volumes=[
            SharedVolume(service=name, path=f"/sources/{name}")
            for name, kind in kinds.items()
            if kind == "files"
        ],
        host_folders=[HostFolder(folder=folder, path=_REPOSITORY)] if folder else [],
        reads_all_files=True,
        stop_seconds=30,
        temporary_mb=512,
    )


def program() -> dict[str, str]:
    """Files of the program, by their place in the container."""
    return program_files("backup/*.py", folder=FILES)


def _given(names: set[str]) -> list[str]:
    prefix = backup_credential("")
    return sorted(name.removeprefix(prefix) for name in names if name.startswith(prefix))


def _plan(spec: StackSpec, backups: Backups, image: Image) -> dict[str, object]:
    """The plan that `backup/plan.py` reads: databases before the files that they name."""
    folder = backups.repository.startswith("/")
    sources = [
        {"service": service.name, **asdict(service.backup)}
        for service in spec.services
        if service.backup
    ]
    return {
        "slug": spec.slug,
        "program": version("cloudfreedom-tenants"),
        "images": {each.name: each.image.reference for each in spec.services}
        | {NAME: image.reference},
        "repository": _REPOSITORY if folder else backups.repository,
        "schedule": backups.schedule,
        "proofs": backups.proofs,
        "keep": backups.keep.model_dump(),
        "append_only": backups.append_only,
        "upload_kib": backups.upload_kib,
        "sources": sorted(sources, key=lambda source: source["kind"] == "files"),
    }


def _stack_file(slug: str, secrets: Sequence[SecretSpec], files: StackFiles) -> SecretJson:
    """All that the data cannot be read without."""
    return SecretJson(
        {
            "slug": slug,
            **asdict(files),
            "given": {
                config_path(each.name): SecretRef(each.name) for each in secrets if each.given
            },
            "generated": {
                each.value_name: {
                    "keepers": {"rotation": str(each.generation)},
                    "hex": SecretRef(value_of(each)),
                }
                for each in secrets
                if not each.given
            },
        }
    )
