"""What every part of a core is made from."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

import pulumi

from components.host import Host
from components.network import Networks
from components.volumes import Volumes
from core.deployment.secrets import CoreSecrets
from core.deployment.stack_config import CoreConfig
from core.model import Budget, Core
from images.catalog import Image

USER = 65534  # `nobody` in the image
POCKETBASE = "http://pocketbase:8090"
CODE = "/opt/cloudfreedom"
SETTINGS = "/etc/core/settings.json"


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


def settings(core: Core) -> str:
    """What `core.services.settings` reads."""
    return json.dumps(
        {
            "name": core.name,
            "public_url": core.public_url,
            "internal_url": f"http://pocketbase-core:{core.identity.port}",
            "pocketbase_url": POCKETBASE,
            "currency": core.currency,
            "session_seconds": core.identity.session,
            "tenants": [
                {
                    "slug": tenant.slug,
                    "name": tenant.name,
                    "chat_url": str(tenant.chat_url).rstrip("/"),
                    "default_budget": _budget(tenant.default_budget),
                    "people": [
                        {
                            "email": person.email,
                            "name": person.name,
                            "role": person.role.value,
                            "budget": _budget(person.budget),
                        }
                        for person in tenant.people
                    ],
                }
                for tenant in core.tenants
            ],
        },
        indent=2,
    )


def code(*places: str) -> dict[str, str]:
    """Files of this project, by the path they have in a container.

    Args:
        places: files and folders below the project's own.
    """
    return {
        f"{CODE}/{path.as_posix()}": (root / path).read_text(encoding="utf-8")
        for place in places
        for root, path in _below(place)
    }


def secret_file(content: Mapping[str, Any]) -> dict[str, pulumi.Output[str]]:
    """What `core.services.settings` reads as a process's secrets."""
    return {"core.json": pulumi.Output.secret(pulumi.Output.json_dumps(dict(content)))}


def _below(place: str) -> Iterator[tuple[Path, Path]]:
    package, _, rest = place.partition("/")
    root = Path(str(package_files(package))).parent
    found = root / package / rest
    files = [found] if found.is_file() else sorted(found.rglob("*"))
    for path in files:
        if path.is_file() and "__pycache__" not in path.parts:
            yield root, path.relative_to(root)


def _budget(budget: Budget | None) -> dict[str, str] | None:
    return {"amount": f"{budget.amount:f}", "period": budget.period.value} if budget else None
