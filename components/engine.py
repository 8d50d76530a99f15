"""Pulumi's engine, as a program that it runs sees it."""

import os
import signal

import pulumi

from components.credentials import CoreCredentials, core_credentials, unusable_core


def end_quietly_on_failure() -> None:
    """The engine interrupts a program whose resource failed, and Python would show where."""
    signal.signal(signal.SIGINT, lambda *_: os._exit(1))


def stack_settings() -> dict[str, str]:
    """The config of the running stack, by key: text, or JSON for anything else."""
    prefix = f"{pulumi.get_project()}:"
    settings = pulumi.runtime.config.CONFIG.get()
    return {
        key.removeprefix(prefix): value for key, value in settings.items() if key.startswith(prefix)
    }


def credentials_of_core(core: str, slug: str) -> CoreCredentials:
    """Credentials that a core has made for the tenant of the running stack.

    Args:
        core: name of its stack.
        slug: the tenant.

    Raises:
        StackConfigError: the core is not there, is not up, or cannot be read.
    """
    stack = pulumi.get_stack()
    try:
        answer = pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", {"name": core})
    except Exception as error:  # noqa: BLE001 - the SDK has no narrower one
        raise unusable_core(_unreadable(str(error)), core=core, stack=stack) from None
    return core_credentials(answer.value["outputs"], slug, core=core, stack=stack)


def _unreadable(error: str) -> str:
    if "unknown stack" in error:
        return "is not in this backend: `pulumi stack ls --all` lists the stacks that are"
    return f"cannot be read: {error}"
