"""What every part of a core is made from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi

from components.host import Host
from components.network import Networks
from components.program_files import program_files
from components.service import Health, Listener, ServiceArgs, answers
from components.volumes import Volumes
from core.deployment.secrets import CoreSecrets
from core.deployment.settings import settings
from core.deployment.stack_config import CoreConfig
from core.model import Core
from images.catalog import Image
from schema.types import Resources

USER = 65534  # `nobody` in the image
CODE = "/opt/cloudfreedom"


@dataclass(frozen=True, kw_only=True)
class CorePartArgs:
    """The core, what its parts share, and their image."""

    core: Core
    config: CoreConfig
    host: Host
    networks: Networks
    volumes: Volumes
    secrets: CoreSecrets
    image: Image


def code(*patterns: str) -> dict[str, str]:
    """Files of this project, by the path they have in a container of a core."""
    return program_files(*patterns, folder=CODE)


def python_service(
    args: CorePartArgs,
    part: str,
    *,
    app: str,
    ports: Sequence[int],
    folders: Sequence[str],
    secrets: Mapping[str, pulumi.Input[Any]],
    limits: Resources,
    listeners: Sequence[Listener],
) -> ServiceArgs:
    """A process of `core/services`.

    Args:
        args: the core.
        part: its name.
        app: what makes its ASGI application.
        ports: where it listens.
        folders: its own ones there; the files beside them are for all processes.
        secrets: what `core.services.settings` reads as such.
        limits: memory and processors.
        listeners: the ports it publishes; `/health` is asked at the first one's.
    """
    return ServiceArgs(
        part=part,
        image=args.image,
        user=USER,
        command=["python3", "-m", "core.services.serve", app, *map(str, ports)],
        limits=limits,
        networks=[args.networks.data, args.networks.apps],
        health=Health(command=answers(f"http://127.0.0.1:{listeners[0].port}/health")),
        env={"PYTHONPATH": CODE},
        files={
            "/etc/core/settings.json": settings(args.core).model_dump_json(indent=2),
            **code("asgi/*.py", "core/__init__.py", "money/*.py"),
            **code("core/services/*.py", *(f"core/services/{name}/**/*" for name in folders)),
        },
        secret_files={"core.json": pulumi.Output.secret(pulumi.Output.json_dumps(dict(secrets)))},
        listeners=listeners,
    )
