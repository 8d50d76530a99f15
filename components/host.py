"""The Docker host a tenant or the core lives on, and the hooks of what is made there."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_docker as docker


@dataclass(frozen=True)
class Host:
    """Where resources are made, and whose they are.

    Attributes:
        slug: the tenant or the core; in every name and label there.
        network_hooks: heal a network that a killed `up` left.
        container_hooks: the same for a container, and see to it that it is ready or say why
            it is not.
    """

    slug: str
    provider: docker.Provider
    network_hooks: pulumi.ResourceHookBinding
    container_hooks: pulumi.ResourceHookBinding

    def options(self, **options: Any) -> pulumi.ResourceOptions:
        """Options of a resource on this host."""
        return pulumi.ResourceOptions(provider=self.provider, **options)

    def name(self, part: str) -> str:
        """Name of a container, network or volume.

        A fixed one is also a guard: two databases on one volume would destroy it.
        """
        return f"{self.slug}-{part}"


def docker_host(slug: str, address: str, *, parent: pulumi.Resource) -> Host:
    """The host at `address` (`unix://`, `tcp://` or `ssh://`), for what belongs to `slug`."""

    async def remove_leftover(args: pulumi.ResourceHookArgs) -> None:
        from components import recovery

        name = (args.new_inputs or {})["name"]
        await asyncio.to_thread(recovery.remove_leftover, address, slug, kind=args.type, name=name)

    async def retry(args: pulumi.ResourceHookArgs) -> None:
        # Pulumi updates a container whose creation failed although nothing has changed.
        if _plain(args.old_inputs) == _plain(args.new_inputs):
            await make_ready(args)

    async def make_ready(args: pulumi.ResourceHookArgs) -> None:
        from components import recovery

        await asyncio.to_thread(recovery.make_ready, address, args.new_inputs or {})

    async def explain(args: pulumi.ErrorHookArgs) -> bool:
        from components import recovery

        inputs = args.new_inputs or {}
        pulumi.log.error(
            await asyncio.to_thread(recovery.explanation, address, inputs, args.errors)
        )
        return False

    heal = pulumi.ResourceHook("remove-leftover", remove_leftover)
    return Host(
        slug=slug,
        provider=docker.Provider(slug, host=address, opts=pulumi.ResourceOptions(parent=parent)),
        network_hooks=pulumi.ResourceHookBinding(before_create=[heal]),
        container_hooks=pulumi.ResourceHookBinding(
            before_create=[heal],
            before_update=[pulumi.ResourceHook("retry", retry)],
            after_update=[pulumi.ResourceHook("make-ready", make_ready)],
            on_error=[pulumi.ErrorHook("explain", explain)],
        ),
    )


def _plain(inputs: Mapping[str, Any] | None) -> dict[str, Any]:
    """Inputs that can be compared; a changed secret would have replaced the container."""
    return {
        name: value
        for name, value in (inputs or {}).items()
        if not isinstance(value, pulumi.Output)
    }
