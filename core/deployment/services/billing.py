"""The Billing API: what tenants ask for budgets and tell of usage."""

from backup.metrics import PORT as METRICS_PORT
from components.services.backup import NAME as BACKUP
from components.spec import PublishedPort, SecretRef, ServiceSpec
from core.deployment import secrets
from core.deployment.services.python_service import python_service
from core.deployment.stack_config import CoreConfig
from core.model import Core
from images.catalog import Image

PORT = 3000


def service(core: Core, config: CoreConfig, image: Image) -> ServiceSpec:
    """The core's service for tenants, published where only containers of the host reach it."""
    rotation = config.rotation
    return python_service(
        core,
        "billing",
        image=image,
        app="core.services.billing.app:create",
        listens_at=[PORT],
        folders=["billing"],
        secrets={
            "pocketbase_password": SecretRef(secrets.SERVICES),
            "operator_key": SecretRef(secrets.OPERATOR_KEY),
            "tenant_keys": secrets.newest(secrets.KEY, core, rotation),
            "previous_tenant_keys": secrets.previous(secrets.KEY, core, rotation),
            "first_passwords": secrets.first_passwords(core),
            "long_first_passwords": secrets.long_first_passwords(core),
        },
        resources=core.billing,
        ports=[
            PublishedPort(address=str(config.host_gateway), host_port=core.billing.port, port=PORT)
        ],
        env={"BACKUPS_URL": f"http://{BACKUP}:{METRICS_PORT}"} if config.backup else {},
    )
