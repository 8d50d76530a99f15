"""The Pulumi program: the tenant that this stack is named after."""

from pathlib import Path

import pulumi

from components.docker.preflight import NOTHING, claims_of, preflight
from components.engine import credentials_of_core, end_quietly_on_failure, stack_settings
from components.tenant import tenant_deployment
from components.tenant_stack import TenantStack
from schema.errors import UserError

try:
    deployment = tenant_deployment(
        pulumi.get_stack(), Path(__file__).parent, stack_settings(), credentials_of_core
    )
    found = NOTHING
    if __name__ == "__main__":  # a test runs the program too, and needs no engine
        end_quietly_on_failure()
        found = preflight(deployment.docker_host, claims_of(deployment.spec))
    stack = TenantStack(deployment=deployment, found=found)
except UserError as error:
    raise pulumi.RunError(str(error)) from None

for name, value in stack.outputs.items():
    pulumi.export(name, value)
