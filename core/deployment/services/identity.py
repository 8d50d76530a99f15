"""Identity and portal: where all people log in, and see what they spend."""

from components.spec import PublishedPort, SecretRef, ServiceSpec
from core.deployment import secrets
from core.deployment.services.python_service import python_service
from core.deployment.stack_config import CoreConfig
from core.model import Core
from images.catalog import Image

PEOPLE, CONTAINERS = 8090, 8091
"""Ports of the container, for each of whom it serves."""


def service(core: Core, config: CoreConfig, image: Image) -> ServiceSpec:
    """The core's service for people, and the tenants' identity provider."""
    rotation = config.rotation
    return python_service(
        core,
        "identity",
        image=image,
        app="core.services.web.app:create",
        listens_at=[PEOPLE, CONTAINERS],
        folders=["identity", "portal", "web"],
        secrets={
            "pocketbase_password": SecretRef(secrets.SERVICES),
            "client_secrets": secrets.newest(secrets.CLIENT, core, rotation),
            "previous_client_secrets": secrets.previous(secrets.CLIENT, core, rotation),
            "storage_key": SecretRef(secrets.STORAGE_KEY),
        },
        resources=core.identity,
        ports=_ports(core, str(config.host_gateway)),
    )


def _ports(core: Core, host_gateway: str) -> list[PublishedPort]:
    port = core.identity.port
    people = PublishedPort(address=str(core.bind), host_port=port, port=PEOPLE)
    if core.bind.is_unspecified:  # all addresses of the host, the containers' way to it too
        return [people]
    return [people, PublishedPort(address=host_gateway, host_port=port, port=CONTAINERS)]
