"""Aliases of resources that had another place before version 0.2: none is made anew."""

import pulumi

_COMPONENTS = {
    "postgres": "tenant:Postgres",
    "redis": "tenant:Redis",
    "litellm": "tenant:LiteLLM",
    "openwebui": "tenant:OpenWebUI",
    "pocketbase": "core:PocketBase",
    "billing": "core:BillingApi",
    "identity": "core:Identity",
}
"""Each service was inside of a component of its own."""


def formerly(opts: pulumi.ResourceOptions | None, *types: str) -> pulumi.ResourceOptions:
    """Options of a component that had another type before.

    Args:
        opts: its other options.
        types: that it had.
    """
    aliases = [pulumi.Alias(type_=f"cloudfreedom:{each}") for each in types]
    return pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(aliases=aliases))


def service_before_specs(service: str, name: str, stack: pulumi.Resource) -> list[pulumi.Alias]:
    """The place of a service; none if it came later.

    Args:
        service: its name in the stack.
        name: of the resource, and of the component that it was inside of.
        stack: the tenant or the core.
    """
    if service not in _COMPONENTS:
        return []
    parent = pulumi.create_urn(name, f"cloudfreedom:{_COMPONENTS[service]}", stack)
    return [pulumi.Alias(type_="cloudfreedom:tenant:Service", parent=parent)]
