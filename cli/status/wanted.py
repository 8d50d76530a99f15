"""The spec of a stack as it was last asked for, without its secrets."""

import json
from collections.abc import Mapping
from pathlib import Path

from cli.demo import demo
from cli.doctor.condition import compose_folder
from cli.environment import CORE, ROOT
from cli.export.export import SETTINGS, plain_config
from cli.running import RunningStack
from components.credentials import CoreCredentials
from components.spec import StackSpec
from components.tenant import describe_tenant
from core.deployment.core import describe_core
from core.loader import load as load_core
from schema.errors import UserError


def wanted(name: str, stack: RunningStack, *, core: bool) -> StackSpec:
    """The spec that the files of this checkout ask for.

    Raises:
        UserError: the files cannot be used.
    """
    root = CORE if core else ROOT
    config = plain_config(name, root=root, settings=_settings(name, stack, root))
    if core:
        return describe_core(name, root, config)[1]
    return describe_tenant(name, root, config, _currency_of).spec


def _settings(name: str, stack: RunningStack, root: Path) -> Mapping[str, str]:
    """Settings that won over those of the stack's own file when it was brought up."""
    folder = compose_folder(stack.containers.values())
    if not folder:
        return demo.settings_of(name, root)
    path = Path(folder) / SETTINGS
    if not path.is_file():  # of an export before version 0.2, or on another machine
        return {}
    settings: dict[str, str] = json.loads(path.read_text(encoding="utf-8"))
    return settings


def _currency_of(core: str, _: str) -> CoreCredentials | None:
    """The currency of a core of this checkout; of one elsewhere nothing is known."""
    try:
        found = load_core(core.rpartition("/")[2])
    except UserError:
        return None
    return CoreCredentials(
        billing_key="", login_secret="", currency=found.currency, usd_rate=found.usd_rate
    )
