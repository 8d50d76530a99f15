"""The Pulumi program: the tenant that this stack is named after."""

from pathlib import Path

import pulumi

from components.engine import end_quietly_on_failure
from components.preflight import NOTHING, preflight
from components.stack_config import (
    StackConfig,
    core_keys,
    docker_hosts,
    read_stack_config,
)
from components.tenant_stack import TenantStack, TenantStackArgs, claims
from images.catalog import load_catalog
from schema.errors import UserError
from tenants.loader import load

PROJECT = Path(__file__).parent

try:
    config = read_stack_config(StackConfig)
    tenant = load(pulumi.get_stack(), PROJECT / "tenants", hosts=docker_hosts(PROJECT))
    images = load_catalog(config.images, config.image_overrides)
    found = NOTHING
    if __name__ == "__main__":  # an export runs the program too, and needs no engine
        end_quietly_on_failure()
        found = preflight(config.docker_host, claims(tenant))
    core = core_keys(config.core, tenant.slug) if config.core else None
    told = core or config
    tenant = tenant.with_currency_of_core(told.currency, told.usd_rate)
    args = TenantStackArgs(
        tenant=tenant,
        config=config,
        keys=config.keys_of(tenant, core),
        images=images,
        found=found,
    )
    stack = TenantStack(args=args)
except UserError as error:
    raise pulumi.RunError(str(error)) from None

for name, value in stack.outputs.items():
    pulumi.export(name, value)
