"""A tenant as the specs of its services, its secrets and its outputs."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path

from components.credentials import CoreCredentials, credentials
from components.secrets import program_key, tenant_secrets
from components.services.backup import StackFiles, with_backups
from components.services.modules import service_modules
from components.services.openwebui import admin_email
from components.spec import Deployment, SecretRef, ServiceSpec, StackSpec
from components.stack_config import (
    PROJECT,
    StackConfig,
    docker_hosts,
    parse_stack_config,
    plain_settings,
)
from images.catalog import Image, ImageError, load_catalog
from schema.types import service_sections
from tenants.loader import load
from tenants.model import Tenant


@dataclass(frozen=True, kw_only=True)
class DescribedTenant:
    """A tenant as its file and the config of its stack describe it.

    Attributes:
        tenant: the file, with the currency of the core.
        config: of the stack.
        core: what it has made for the tenant, if the config names one.
        spec: everything that the customer has.
    """

    tenant: Tenant
    config: StackConfig
    core: CoreCredentials | None
    spec: StackSpec


def describe_tenant(
    stack: str,
    project: Path,
    settings: Mapping[str, str],
    credentials_of_core: Callable[[str, str], CoreCredentials | None],
) -> DescribedTenant:
    """The tenant that a stack is named after, whether its secrets are known or not.

    Args:
        stack: the file is `tenants/<stack>.yaml`.
        project: folder of the Pulumi project.
        settings: config of the stack, by key, as Pulumi hands it over.
        credentials_of_core: tells, by the name of a core's stack and the tenant's slug, what the
            core has made for the tenant.

    Raises:
        UserError: the tenant's file, the config or an image cannot be used.
    """
    config = parse_stack_config(StackConfig, settings, project=PROJECT, stack=stack)
    tenant = load(stack, project / "tenants", hosts=docker_hosts(project))
    images = load_catalog(config.images, config.image_overrides)
    core = credentials_of_core(config.core, tenant.slug) if config.core else None
    budgets = core or config
    tenant = tenant.with_currency_of_core(budgets.currency, budgets.usd_rate)
    try:
        file = (project / "tenants" / f"{stack}.yaml").read_text(encoding="utf-8")
        files = StackFiles(project=PROJECT, stack=stack, file=file, config=plain_settings(settings))
        spec = tenant_spec(tenant, images.running, config, files)
    except ImageError as error:
        raise ImageError(f"tenants/{stack}.yaml: {error}") from None
    return DescribedTenant(tenant=tenant, config=config, core=core, spec=spec)


def tenant_deployment(
    stack: str,
    project: Path,
    settings: Mapping[str, str],
    credentials_of_core: Callable[[str, str], CoreCredentials],
) -> Deployment:
    """The tenant that a stack is named after, with its secrets.

    Args:
        stack: see `describe_tenant`.
        project: see there.
        settings: see there.
        credentials_of_core: see there.

    Raises:
        UserError: see there; or a secret is missing.
    """
    found = describe_tenant(stack, project, settings, credentials_of_core)
    return Deployment(
        spec=found.spec,
        given=credentials(found.tenant, found.config, found.core, stack=stack),
        docker_host=found.config.docker_host,
        registries=found.config.registries,
    )


def tenant_spec(
    tenant: Tenant, images: Mapping[str, Image], config: StackConfig, files: StackFiles
) -> StackSpec:
    """Everything one customer has.

    Args:
        tenant: the customer.
        images: that run, by service.
        config: of the stack.
        files: that describe the stack, for its backups.

    Raises:
        ImageError: an image cannot do what the tenant's file asks for.
    """
    secrets = list(tenant_secrets(tenant, config))
    services = list(_services(tenant, images, config))
    spec = StackSpec(
        slug=tenant.slug,
        services=services,
        secrets=secrets,
        outputs={
            "openwebui_url": tenant.chat_url,
            "openwebui_admin_email": admin_email(tenant),
            "openwebui_admin_password": SecretRef("openwebui-admin"),
            "litellm_url": tenant.litellm_url,
            "litellm_master_key": SecretRef("litellm-master"),
            **{
                f"litellm_key_{key.name.replace('-', '_')}": SecretRef(program_key(key.name))
                for key in tenant.litellm.keys
            },
        },
    )
    return with_backups(spec, config.backup, images["backup"], files)


def _services(
    tenant: Tenant, images: Mapping[str, Image], config: StackConfig
) -> Iterator[ServiceSpec]:
    """The spec of each service of the tenant's file, in order of start."""
    specs = {
        name: module.service(tenant, config, images[name])
        for name, module in service_modules(tenant, config).items()
        if name in service_sections(tenant)
    }
    order = TopologicalSorter({name: sorted(spec.after) for name, spec in sorted(specs.items())})
    yield from (specs[name] for name in order.static_order())
