"""What every part of a core is made from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
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
_PROJECT = Path(__file__).parents[2]


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


def code(*patterns: str) -> dict[str, str]:
    """Files of this project, by the path they have in a container.

    Args:
        patterns: of paths below the project's folder.
    """
    paths = (path for pattern in patterns for path in sorted(_PROJECT.glob(pattern)))
    return {
        f"{CODE}/{path.relative_to(_PROJECT).as_posix()}": path.read_text(encoding="utf-8")
        for path in paths
        if path.is_file() and path.suffix != ".pyc"
    }


def service_code(*folders: str) -> dict[str, str]:
    """What a Python process of the core needs: what all share, and its own folders."""
    return code(
        "core/__init__.py",
        "core/services/*.py",
        *(f"core/services/{folder}/**/*" for folder in folders),
        "gateway/__init__.py",
        "gateway/money.py",
    )


def secret_file(content: Mapping[str, Any]) -> dict[str, pulumi.Output[str]]:
    """What `core.services.settings` reads as a process's secrets."""
    return {"core.json": pulumi.Output.secret(pulumi.Output.json_dumps(dict(content)))}


def _budget(budget: Budget | None) -> dict[str, str] | None:
    return {"amount": f"{budget.amount:f}", "period": budget.period.value} if budget else None
