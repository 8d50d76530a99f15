"""Metrics of Redis (Valkey): memory, clients, commands and the append-only file."""

from typing import cast

from components.services.accounts import ValkeyUser
from components.services.exporter import exporter_service
from components.spec import SecretRef, ServiceSpec
from components.stack_config import StackConfig
from images.catalog import Image
from tenants.model import Exporter, Tenant

_PORT = 9121

_READER = ValkeyUser(
    # The slow log is counted and not read, for it shows commands with their data.
    name="redis-exporter",
    rules="+ping +info +client|setname +latency|latest +latency|histogram +slowlog|len",
)
VALKEY_USERS = (_READER,)


def service(tenant: Tenant, _: StackConfig, image: Image) -> ServiceSpec:
    """The exporter of a tenant whose file has its section."""
    return exporter_service(
        cast("Exporter", tenant.redis_exporter),
        image,
        of="redis",
        command=[
            *("/redis_exporter", f"-web.listen-address=:{_PORT}", "-config-command=-"),
            "-connection-timeout=3s",  # less than Prometheus and the health check wait
        ],
        port=_PORT,
        up="redis_up",
        env={"REDIS_ADDR": "redis://redis:6379", "REDIS_USER": _READER.name},
        secret_env={"REDIS_PASSWORD": SecretRef(_READER.secret)},
    )
