"""The config of a core's stack: all that belongs to a deployment and not to the core's file."""

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path

from pydantic import Field, IPvAnyAddress

from components.stack_config import (
    Deployment,
    Generation,
    Section,
    StackConfigError,
    stored,
)
from core.model import Core

PROJECT = "cloudfreedom-core"


class Rotation(Section):
    """Raise a number and run `pulumi up` to replace what it stands for.

    There is none for the key that encrypts the signing keys, nor for first passwords.
    """

    pocketbase: Generation = Field(1, description="Passwords of PocketBase's superusers")
    tenants: Generation = Field(
        1, description="Keys and secrets of all tenants, and the operator's: `up` each of them, too"
    )
    tenant_keys: dict[str, Generation] = Field(
        {}, description="Key and secret of one tenant, by its slug: `up` it, too"
    )
    now: list[str] = Field(
        [],
        description="Tenants whose keys before the last rotation stop at once, since they leaked;"
        " else they count until the tenant comes with the new ones",
    )

    def generation(self, slug: str) -> int:
        """Which key and secret of a tenant is the newest, from 1."""
        return self.tenants + self.tenant_keys.get(slug, 1) - 1

    def check_tenants(self, core: Core) -> None:
        """Refuse tenants that the core does not have.

        Raises:
            StackConfigError: with the first one.
        """
        known = [tenant.slug for tenant in core.tenants]
        for name, slugs in (("tenantKeys", self.tenant_keys), ("now", self.now)):
            for slug in slugs:
                if slug not in known:
                    raise StackConfigError(
                        f"cloudfreedom-core:rotation.{name}: the core has no tenant {slug!r};"
                        f" it has {', '.join(known) or 'none'}"
                    )


class CoreConfig(Deployment):
    """Everything under `cloudfreedom-core:` in `Pulumi.<stack>.yaml`."""

    rotation: Rotation = Rotation()
    host_gateway: IPvAnyAddress = Field(
        default="172.17.0.1",
        validate_default=True,
        description="The Docker host as its containers reach it: the address of its bridge"
        " (`ip address show docker0`)",
    )

    def check(self, core: Core, stack: str) -> None:
        """See to it that the config fits the core.

        Raises:
            StackConfigError: people and containers would reach the core at the same address, or
                the config names a tenant that the core does not have.
        """
        self.rotation.check_tenants(core)
        if core.bind == self.host_gateway:
            raise StackConfigError(
                f"core/{stack}.yaml: bind = {core.bind}: the containers' way to the Docker host"
                " (`hostGateway` in the stack's config), where the login listens already:"
                " another address of the host, or 0.0.0.0 with `domain`"
            )


def check_gateways(cores: Mapping[str, Core], folder: Path) -> None:
    """The same for cores that are not running, by the config files of their stacks.

    Raises:
        StackConfigError: see `CoreConfig.check` and `stored_gateway`.
    """
    for stack, core in cores.items():
        gateway = stored_gateway(folder / f"Pulumi.{stack}.yaml")
        CoreConfig(host_gateway=gateway).check(core, stack)


def stored_gateway(path: Path) -> IPvAnyAddress:
    """The Docker host as its containers reach it, by the config file of a core's stack.

    Raises:
        StackConfigError: it is no address.
    """
    gateway = stored(path, "cloudfreedom-core:hostGateway")
    try:
        return CoreConfig().host_gateway if gateway is None else ip_address(gateway)
    except ValueError:
        raise StackConfigError(
            f"core/{path.name}: cloudfreedom-core:hostGateway: must be an address of the Docker"
            " host, such as 172.17.0.1"
        ) from None
