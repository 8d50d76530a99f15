"""A core as the specs of its services, its secrets and its outputs."""

from collections.abc import Mapping
from pathlib import Path

from components.credentials import backup_credentials
from components.secrets import backup_secrets
from components.services.backup import StackFiles, with_backups
from components.spec import Deployment, SecretJson, SecretRef, StackSpec
from components.stack_config import StackConfigError, parse_stack_config, plain_settings
from core.deployment import secrets
from core.deployment.services import billing, identity, pocketbase
from core.deployment.stack_config import PROJECT, CoreConfig
from core.loader import load
from core.model import Core
from images.catalog import Image, load_catalog


def describe_core(
    stack: str, folder: Path, settings: Mapping[str, str]
) -> tuple[CoreConfig, StackSpec]:
    """The core that a stack is named after, whether its secrets are known or not.

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
    images = load_catalog(config.images, config.image_overrides).running
    file = (folder / f"{stack}.yaml").read_text(encoding="utf-8")
    files = StackFiles(project=PROJECT, stack=stack, file=file, config=plain_settings(settings))
    return config, core_spec(core, config, images, files)


def core_deployment(stack: str, folder: Path, settings: Mapping[str, str]) -> Deployment:
    """The core that a stack is named after, with its secrets.

    Args:
        stack: see `describe_core`.
        folder: see there.
        settings: see there.

    Raises:
        UserError: see there; or a secret is missing.
    """
    config, spec = describe_core(stack, folder, settings)
    credentials, missing = backup_credentials(config)
    if missing:
        raise StackConfigError("\n".join(f"core/{stack}.yaml: {each}" for each in missing))
    return Deployment(
        spec=spec,
        given=credentials,
        docker_host=config.docker_host,
        registries=config.registries,
    )


def core_spec(
    core: Core, config: CoreConfig, images: Mapping[str, Image], files: StackFiles
) -> StackSpec:
    """Everything that tenants share.

    Args:
        core: its file.
        config: of the stack.
        images: that run.
        files: that describe the stack, for its backups.
    """
    rotation = config.rotation
    keys = secrets.newest(secrets.KEY, core, rotation)
    clients = secrets.newest(secrets.CLIENT, core, rotation)
    spec = StackSpec(
        slug=core.slug,
        services=[
            module.service(core, config, images["core"])
            for module in (pocketbase, billing, identity)
        ],
        secrets=[*secrets.core_secrets(core, rotation), *backup_secrets(config)],
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
    return with_backups(spec, config.backup, images["backup"], files)
