"""A core as the specs of its services, its secrets and its outputs."""

from collections.abc import Mapping
from pathlib import Path

from components.spec import Deployment, SecretJson, SecretRef, StackSpec
from components.stack_config import parse_stack_config
from core.deployment import secrets
from core.deployment.services import billing, identity, pocketbase
from core.deployment.stack_config import PROJECT, CoreConfig
from core.loader import load
from core.model import Core
from images.catalog import Image, load_catalog


def core_deployment(stack: str, folder: Path, settings: Mapping[str, str]) -> Deployment:
    """The core that a stack is named after.

    Args:
        stack: the file is `<folder>/<stack>.yaml`.
        folder: of the Pulumi project.
        settings: config of the stack, by key, as Pulumi hands it over.

    Raises:
        UserError: the core's file, the config or an image cannot be used.
    """
    config = parse_stack_config(CoreConfig, settings, project=PROJECT, stack=stack)
    core = load(stack, folder)
    config.check(core, stack)
    image = load_catalog(config.images, config.image_overrides).running["core"]
    return Deployment(
        spec=core_spec(core, config, image),
        given={},
        docker_host=config.docker_host,
        registries=config.registries,
    )


def core_spec(core: Core, config: CoreConfig, image: Image) -> StackSpec:
    """Everything that tenants share."""
    rotation = config.rotation
    keys = secrets.newest(secrets.KEY, core, rotation)
    clients = secrets.newest(secrets.CLIENT, core, rotation)
    return StackSpec(
        slug=core.slug,
        services=[
            module.service(core, config, image) for module in (pocketbase, billing, identity)
        ],
        secrets=list(secrets.core_secrets(core, rotation)),
        outputs={
            "portal_url": core.public_url,
            "people": SecretJson(secrets.first_passwords(core)),
            # What tenants' stacks refer to.
            "tenants": SecretJson(
                {
                    slug: {
                        "billing_key": key,
                        "login_secret": clients[slug],
                        "currency": core.currency,
                        "usd_rate": core.usd_rate and core.usd_rate.model_dump(mode="json"),
                    }
                    for slug, key in keys.items()
                }
            ),
            "operator_key": SecretRef(secrets.OPERATOR_KEY),
            **pocketbase.outputs(core),
        },
    )
