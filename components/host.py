"""The Docker host a tenant lives on: its provider, and the hooks of what is made there."""

from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_docker as docker


@dataclass(frozen=True)
class Host:
    """Where a tenant's resources are made."""

    provider: docker.Provider
    hooks: pulumi.ResourceHookBinding

    def options(self, **options: Any) -> pulumi.ResourceOptions:
        """Options of a resource on this host."""
        return pulumi.ResourceOptions(provider=self.provider, **options)


def docker_host(slug: str, address: str, *, parent: pulumi.Resource) -> Host:
    """The host at `address` (`unix://`, `tcp://` or `ssh://`), for the tenant `slug`."""

    def remove_leftover(args: pulumi.ResourceHookArgs) -> None:
        from components import recovery

        if args.new_inputs:
            name = args.new_inputs["name"]
            recovery.remove_leftover(address, slug, kind=args.type, name=name)

    def explain(args: pulumi.ErrorHookArgs) -> bool:
        from components import recovery

        if args.new_inputs:
            pulumi.log.error(recovery.explanation(address, args.new_inputs, args.errors))
        return False

    provider = docker.Provider(slug, host=address, opts=pulumi.ResourceOptions(parent=parent))
    hooks = pulumi.ResourceHookBinding(
        before_create=[pulumi.ResourceHook("remove-leftover", remove_leftover)],
        on_error=[pulumi.ErrorHook("explain", explain)],
    )
    return Host(provider, hooks)
