"""The Docker host a tenant or the core lives on, and the hooks of what is made there."""

import asyncio
import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_docker as docker
from pulumi.resource_hooks import ResourceHookOptions

from components.docker.preflight import (
    DockerHostError,
    Survey,
    check_move,
    check_new_volume,
    claims_of,
)
from components.docker.secrets import generated
from components.docker.ssh import SSH_OPTIONS
from components.spec import Deployment, ServiceSpec, stack_name

_FINGERPRINT_CHARACTERS = 8


@dataclass(frozen=True, kw_only=True)
class Placement:
    """The place of resources: their provider, stack and labels.

    Attributes:
        slug: the tenant or the core; in every name and label there.
        address: `unix://`, `tcp://` or `ssh://`.
        found: what was there before; nothing in an export.
        provider: makes resources there.
        network_hooks: heal a network that a killed `up` left.
        container_hooks: the same for a container; say why it could not be made, and wait for
            one that is started again.
        volume_hooks: refuse to take over the data of another state.
        seal: keys the fingerprints of secrets.
    """

    slug: str
    address: str
    found: Survey
    provider: docker.Provider
    network_hooks: pulumi.ResourceHookBinding
    container_hooks: pulumi.ResourceHookBinding
    volume_hooks: pulumi.ResourceHookBinding
    seal: pulumi.Output[str]

    def options(self, **options: Any) -> pulumi.ResourceOptions:
        """Options of a resource on this host."""
        return pulumi.ResourceOptions(provider=self.provider, **options)

    def name(self, of: str) -> str:
        """Name of a container, network or volume."""
        return stack_name(self.slug, of)

    def fingerprint(self, value: pulumi.Input[str]) -> pulumi.Output[str]:
        """Another text for another secret, from which nobody finds out the secret."""
        return pulumi.Output.unsecret(
            pulumi.Output.all(self.seal, value).apply(lambda both: _fingerprint(*both))
        )

    def ready_hooks(self, service: ServiceSpec) -> pulumi.ResourceHookBinding:
        """Hooks of the resource that stands for a container that is ready.

        Args:
            service: that the container runs.
        """
        name = self.name(service.name)

        async def wait(_: pulumi.ResourceHookArgs) -> None:
            await _make_ready(self.address, name, service)

        hook = pulumi.ResourceHook(f"{name}-ready", wait)
        return pulumi.ResourceHookBinding(before_create=[hook])


def place(deployment: Deployment, found: Survey, *, parent: pulumi.Resource) -> Placement:
    """The Docker host of a tenant or a core, for what it has there.

    Args:
        deployment: the tenant or the core.
        found: what is on the host already.
        parent: of the provider.
    """
    spec, address = deployment.spec, deployment.docker_host
    slug = spec.slug
    services = {spec.name(service.name): service for service in spec.services}

    async def remove_leftover(args: pulumi.ResourceHookArgs) -> None:
        from components.docker import recovery

        inputs = args.new_inputs or {}
        await asyncio.to_thread(recovery.remove_leftover, address, slug, args.type, inputs)

    async def make_ready(args: pulumi.ResourceHookArgs) -> None:
        # One that was stopped, or could not be started: the provider starts it, and waits for none.
        name = (args.new_inputs or {})["name"]
        await _make_ready(address, name, services[name])

    async def explain(args: pulumi.ErrorHookArgs) -> bool:
        from components.docker import recovery

        inputs = args.new_inputs or {}
        pulumi.log.error(
            await asyncio.to_thread(recovery.explanation, address, inputs, args.errors)
        )
        return False

    told: list[str] = []

    def same_data(args: pulumi.ResourceHookArgs) -> None:
        inputs = args.new_inputs or {}
        labels = {each["label"]: each["value"] for each in inputs.get("labels", ())}
        try:
            check_new_volume(found, slug, inputs["name"], labels)
        except DockerHostError as error:
            told.append(args.name)
            raise DockerHostError(
                str(error) if len(told) == 1 else f"see the error of {told[0]}"
            ) from None

    def same_host(args: pulumi.ResourceHookArgs) -> None:
        old, new = (args.old_inputs or {}).get("host"), (args.new_inputs or {}).get("host")
        if old and new != old:
            check_move(found, claims_of(spec), old)

    def early(name: str, hook: pulumi.ResourceHookFunction) -> pulumi.ResourceHook:
        return pulumi.ResourceHook(name, hook, ResourceHookOptions(on_dry_run=True))

    heal = pulumi.ResourceHook("remove-leftover", remove_leftover)
    tell = pulumi.ErrorHook("explain", explain)
    return Placement(
        slug=slug,
        address=address,
        found=found,
        provider=docker.Provider(
            slug,
            host=address,
            ssh_opts=[*SSH_OPTIONS] if address.startswith("ssh://") else None,
            registry_auth=[
                docker.ProviderRegistryAuthArgs(address=each) for each in deployment.registries
            ]
            or None,
            opts=pulumi.ResourceOptions(
                parent=parent,
                hooks=pulumi.ResourceHookBinding(before_update=[early("same-host", same_host)]),
            ),
        ),
        network_hooks=pulumi.ResourceHookBinding(before_create=[heal], on_error=[tell]),
        container_hooks=pulumi.ResourceHookBinding(
            before_create=[heal],
            after_update=[pulumi.ResourceHook("make-ready", make_ready)],
            on_error=[tell],
        ),
        volume_hooks=pulumi.ResourceHookBinding(before_create=[early("same-data", same_data)]),
        seal=generated(f"{slug}-fingerprints", parent=parent),
    )


async def _make_ready(address: str, name: str, service: ServiceSpec) -> None:
    from components.docker import recovery

    await asyncio.to_thread(
        recovery.make_ready,
        address,
        name,
        seconds=service.healthcheck.start_seconds,
        processes=service.processes,
    )


def _fingerprint(seal: str, value: str) -> str:
    digest = hmac.new(seal.encode(), value.encode(), hashlib.sha256).hexdigest()
    return digest[:_FINGERPRINT_CHARACTERS]
