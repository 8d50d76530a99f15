"""A tenant, whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import pulumi

from components.host import docker_host
from components.litellm import LiteLLM
from components.network import Networks
from components.openwebui import OpenWebUI
from components.part import PartArgs
from components.postgres import Postgres
from components.preflight import NOTHING, Claims, Survey
from components.redis import Redis
from components.secrets import Secrets
from components.stack_config import Keys, StackConfig
from components.volumes import Volumes
from images.catalog import Catalog, Image, ImageError
from tenants.model import Tenant

STORES = ("postgres", "redis", "openwebui")
"""Parts that keep data."""


def claims(tenant: Tenant) -> Claims:
    """What a tenant has on its Docker host."""
    slug, address = tenant.slug, str(tenant.bind)
    return Claims(
        slug=slug,
        containers=[f"{slug}-{part}" for part in ("postgres", "redis", "litellm", "openwebui")],
        networks=[f"{slug}-{part}" for part in ("data", "apps")],
        volumes=[f"{slug}-{part}" for part in STORES],
        ports=[(address, tenant.openwebui.port), (address, tenant.litellm.port)],
    )


@dataclass(frozen=True, kw_only=True)
class TenantStackArgs:
    """What a tenant is, and where and from what it is deployed.

    `found` is what is on its Docker host already.
    """

    tenant: Tenant
    config: StackConfig
    keys: Keys
    images: Catalog
    found: Survey = NOTHING


class TenantStack(pulumi.ComponentResource):
    """Everything one customer has: networks, volumes, secrets and four containers.

    Attributes:
        outputs: addresses, logins and keys, by the name they are exported under.
    """

    outputs: Mapping[str, pulumi.Input[str]]

    def __init__(
        self, *, args: TenantStackArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        tenant = args.tenant
        _check_database(tenant, args.images.litellm)
        super().__init__("cloudfreedom:tenant:TenantStack", tenant.slug, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        config = args.config
        host = docker_host(
            config.docker_host,
            claims(tenant),
            args.found,
            registries=config.registries,
            parent=self,
        )
        volumes = Volumes(parts=STORES, host=host, opts=child)
        secrets = Secrets(tenant=tenant, rotation=config.rotation, opts=child)
        part = partial(
            PartArgs,
            tenant=tenant,
            host=host,
            networks=Networks(host=host, after=volumes.resources, opts=child),
            volumes=volumes,
            secrets=secrets,
        )
        images = args.images
        postgres = Postgres(args=part(image=images.postgres), opts=child)
        redis = Redis(args=part(image=images.redis), opts=child)
        stores = [postgres.service, redis.service]
        LiteLLM(
            args=part(image=images.litellm),
            keys=args.keys,
            after=stores if tenant.litellm.database else [redis.service],
            opts=child,
        )
        openwebui = OpenWebUI(
            args=part(image=images.openwebui), keys=args.keys, after=stores, opts=child
        )
        self.outputs = {
            "openwebui_url": openwebui.url,
            "openwebui_admin_email": openwebui.admin_email,
            "openwebui_admin_password": secrets.openwebui_admin,
            "litellm_url": tenant.litellm_url,
            "litellm_master_key": secrets.litellm_master,
            **{
                f"litellm_key_{name.replace('-', '_')}": key
                for name, key in secrets.litellm_keys.items()
            },
        }
        self.register_outputs(dict(self.outputs))


def _check_database(tenant: Tenant, image: Image) -> None:
    if tenant.litellm.database and not image.can("database"):
        raise ImageError(
            f"tenants/{pulumi.get_stack()}.yaml: litellm.database: {image.reference} cannot use a"
            f" database: {image.lacks['database']}. Use the official image of LiteLLM, or leave"
            " the key out."
        )
