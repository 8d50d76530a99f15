"""PocketBase: people, budgets and usage, and the only service of a core that keeps data."""

from components.spec import (
    APPS,
    DATA,
    Backup,
    Healthcheck,
    PublishedPort,
    Secret,
    SecretRef,
    ServiceSpec,
    Storage,
    http_healthcheck,
)
from core.deployment import secrets
from core.deployment.services.python_service import CODE, USER, code
from core.deployment.settings import POCKETBASE
from core.deployment.stack_config import CoreConfig
from core.model import Core
from images.catalog import Image

PORT = 8090
_ADMIN = "admin@core.internal"
_FILES = f"{CODE}/core/pocketbase"
_DATA = "/data"


def service(core: Core, _: CoreConfig, image: Image) -> ServiceSpec:
    """The core's database, which only the core's own services reach."""
    admin = core.pocketbase.admin_port
    return ServiceSpec(
        name="pocketbase",
        image=image,
        user=USER,
        command=[
            *("pocketbase", "serve", "--http", f"0.0.0.0:{PORT}", "--dir", _DATA),
            *("--migrationsDir", f"{_FILES}/migrations", "--hooksDir", f"{_FILES}/hooks"),
            *("--automigrate=false", "--hooksWatch=false"),
        ],
        resources=core.pocketbase,
        networks=[DATA, APPS] if admin else [DATA],
        healthcheck=Healthcheck(command=http_healthcheck(f"http://127.0.0.1:{PORT}/api/health")),
        env={"SUPERUSER_EMAIL": _ADMIN, "GOMEMLIMIT": _heap(core.pocketbase.memory_mb)},
        secret_env={
            "SUPERUSER_PASSWORD": SecretRef(secrets.SUPERUSER),
            "SERVICES_PASSWORD": SecretRef(secrets.SERVICES),
        },
        files=code("core/pocketbase/**/*"),
        storage=Storage(path=_DATA),
        backup=Backup(kind="files", exclude=["backups"]),
        ports=[PublishedPort(address="127.0.0.1", host_port=admin, port=PORT)] if admin else [],
    )


def outputs(core: Core) -> dict[str, str | Secret]:
    """Address and login of its operator."""
    admin = core.pocketbase.admin_port
    return {
        "pocketbase_admin_url": f"http://127.0.0.1:{admin}/_/" if admin else POCKETBASE,
        "pocketbase_admin_email": _ADMIN,
        "pocketbase_admin_password": SecretRef(secrets.SUPERUSER),
    }


def _heap(memory_mb: int) -> str:
    """Memory that Go may keep, so that the container's limit is not met by it."""
    return f"{memory_mb * 8 // 10}MiB"
