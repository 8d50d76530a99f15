"""The two services of a core that are Python."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from components.program_files import program_files
from components.spec import (
    APPS,
    DATA,
    Healthcheck,
    PublishedPort,
    SecretJson,
    ServiceSpec,
    http_healthcheck,
)
from core.deployment.settings import settings
from core.model import Core
from images.catalog import Image
from schema.types import Resources

USER = 65534  # `nobody` in the image
CODE = "/opt/cloudfreedom"


def code(*patterns: str) -> dict[str, str]:
    """Files of this project, by the path they have in a container of a core."""
    return program_files(*patterns, folder=CODE)


def python_service(
    core: Core,
    name: str,
    *,
    image: Image,
    app: str,
    listens_at: Sequence[int],
    folders: Sequence[str],
    secrets: Mapping[str, Any],
    resources: Resources,
    ports: Sequence[PublishedPort],
    env: Mapping[str, str] = MappingProxyType({}),
) -> ServiceSpec:
    """A process of `core/services`.

    Args:
        core: whose.
        name: of the service.
        image: that it runs.
        app: makes its ASGI application.
        listens_at: ports of the container.
        folders: its own ones there; the files beside them are for both processes.
        secrets: what `core.services.settings` reads as such.
        resources: memory and processors.
        ports: that it publishes; `/health` is asked at the first one's.
        env: plain settings of its own.
    """
    return ServiceSpec(
        name=name,
        image=image,
        user=USER,
        command=["python3", "-m", "core.services.serve", app, *map(str, listens_at)],
        resources=resources,
        networks=[DATA, APPS],
        healthcheck=Healthcheck(
            command=http_healthcheck(f"http://127.0.0.1:{ports[0].port}/health")
        ),
        after=["pocketbase"],
        env={"PYTHONPATH": CODE, **env},
        files={
            "/etc/core/settings.json": settings(core).model_dump_json(indent=2),
            **code("asgi/*.py", "core/__init__.py", "money/*.py"),
            **code("core/services/*.py", *(f"core/services/{each}/**/*" for each in folders)),
        },
        secret_files={"core.json": SecretJson(dict(secrets))},
        ports=ports,
    )
