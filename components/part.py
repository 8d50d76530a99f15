"""What every part of a tenant is made from."""

from dataclasses import dataclass

from components.host import Host
from components.network import Networks
from components.secrets import Secrets
from components.volumes import Volumes
from images.catalog import Image
from tenants.model import Tenant


@dataclass(frozen=True, kw_only=True)
class PartArgs:
    """The tenant, what its parts share, and the image of this one."""

    tenant: Tenant
    host: Host
    networks: Networks
    volumes: Volumes
    secrets: Secrets
    image: Image
