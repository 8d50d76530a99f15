"""A core, whole."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from components.host import docker_host
from components.network import Networks
from components.preflight import NOTHING, Claims, Survey
from components.volumes import Volumes
from core.deployment.billing_api import BillingApi
from core.deployment.identity import Identity
from core.deployment.part import CorePartArgs
from core.deployment.pocketbase import PocketBase
from core.deployment.secrets import CoreSecrets
from core.deployment.stack_config import CoreConfig
from core.model import Core
from images.catalog import Image


def claims(core: Core, config: CoreConfig) -> Claims:
    """What a core has on its Docker host."""
    slug, gateway, admin = core.slug, str(config.host_gateway), core.pocketbase.admin_port
    ports = [(str(core.bind), core.identity.port), (gateway, core.billing.port)]
    if not core.bind.is_unspecified:
        ports.append((gateway, core.identity.port))
    return Claims(
        slug=slug,
        containers=[f"{slug}-{part}" for part in ("pocketbase", "billing", "identity")],
        networks=[f"{slug}-{part}" for part in ("data", "apps")],
        volumes=[f"{slug}-pocketbase"],
        ports=[*ports, *([("127.0.0.1", admin)] if admin else [])],
    )


@dataclass(frozen=True, kw_only=True)
class CoreStackArgs:
    """What a core is, and where and from what it is deployed.

    `found` is what is on its Docker host already.
    """

    core: Core
    config: CoreConfig
    image: Image
    found: Survey = NOTHING


class CoreStack(pulumi.ComponentResource):
    """Everything that tenants share: networks, a volume, secrets and three containers.

    Attributes:
        outputs: addresses, logins and keys, by the name they are exported under. `tenants` is
            what tenants' stacks refer to.
    """

    outputs: Mapping[str, Any]

    def __init__(self, *, args: CoreStackArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        core = args.core
        super().__init__("cloudfreedom:core:CoreStack", core.slug, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        config = args.config
        host = docker_host(
            config.docker_host,
            claims(core, config),
            args.found,
            registries=config.registries,
            parent=self,
        )
        volumes = Volumes(parts=("pocketbase",), host=host, opts=child)
        secrets = CoreSecrets(core=core, rotation=config.rotation, opts=child)
        part = CorePartArgs(
            core=core,
            config=config,
            host=host,
            networks=Networks(host=host, after=volumes.resources, opts=child),
            volumes=volumes,
            secrets=secrets,
            image=args.image,
        )
        pocketbase = PocketBase(args=part, opts=child)
        BillingApi(args=part, after=pocketbase.service, opts=child)
        Identity(args=part, after=pocketbase.service, opts=child)
        self.outputs = {
            "portal_url": core.public_url,
            "people": secrets.first_passwords,
            "tenants": {
                slug: {
                    "billing_key": key,
                    "login_secret": secrets.client_secrets[slug],
                    "currency": core.currency,
                    "usd_rate": core.usd_rate and core.usd_rate.model_dump(mode="json"),
                }
                for slug, key in secrets.tenant_keys.items()
            },
            "operator_key": secrets.operator_key,
            **pocketbase.outputs,
        }
        self.register_outputs(dict(self.outputs))
