"""The Pulumi program: the core that this stack is named after."""

from pathlib import Path

import pulumi

from components.engine import end_quietly_on_failure
from components.preflight import NOTHING, preflight
from components.stack_config import read_stack_config
from core.deployment.core_stack import CoreStack, CoreStackArgs, claims
from core.deployment.stack_config import CoreConfig
from core.loader import load
from images.catalog import load_catalog
from schema.errors import UserError

try:
    config = read_stack_config(CoreConfig)
    core = load(pulumi.get_stack(), Path(__file__).parent)
    config.check(core, pulumi.get_stack())
    images = load_catalog(config.images, config.image_overrides)
    found = NOTHING
    if __name__ == "__main__":  # an export runs the program too, and needs no engine
        end_quietly_on_failure()
        found = preflight(config.docker_host, claims(core, config))
    stack = CoreStack(args=CoreStackArgs(core=core, config=config, image=images.core, found=found))
except UserError as error:
    raise pulumi.RunError(str(error)) from None

for name, value in stack.outputs.items():
    pulumi.export(name, value)
