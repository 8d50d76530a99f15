"""Where resources were in the tree of a stack before version 0.2, so that none is made anew."""

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


def service_before_specs(service: str, name: str, stack: pulumi.Resource) -> pulumi.Alias:
    """The place of a service.

    Args:
        service: its name in the stack.
        name: of the resource, and of the component that it was inside of.
        stack: the tenant or the core.
    """
    token = f"cloudfreedom:{_COMPONENTS.get(service, 'tenant:Service')}"
    parent = pulumi.create_urn(name, token, stack)
    return pulumi.Alias(type_="cloudfreedom:tenant:Service", parent=parent)
