"""The Pulumi program: the core that this stack is named after."""

from pathlib import Path

import pulumi

from components.docker.preflight import NOTHING, claims_of, preflight
from components.engine import end_quietly_on_failure, stack_settings
from core.deployment.core import core_deployment
from core.deployment.core_stack import CoreStack
from schema.errors import UserError

try:
    deployment = core_deployment(pulumi.get_stack(), Path(__file__).parent, stack_settings())
    found = NOTHING
    if __name__ == "__main__":  # a test runs the program too, and needs no engine
        end_quietly_on_failure()
        found = preflight(deployment.docker_host, claims_of(deployment.spec))
    stack = CoreStack(deployment=deployment, found=found)
except UserError as error:
    raise pulumi.RunError(str(error)) from None

for name, value in stack.outputs.items():
    pulumi.export(name, value)
