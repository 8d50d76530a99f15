"""Looks at stacks: everything at once, since each answer is waited for."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from docker.errors import DockerException
from docker.models.containers import Container
from pydantic import ValidationError

from cli.running import RunningStack, running_stack
from cli.status.drift import drift, image_name
from cli.status.guard import guard_numbers
from cli.status.model import (
    MISSING,
    BackupStatus,
    DiskStatus,
    GuardStatus,
    ServiceStatus,
    StackStatus,
)
from cli.status.wanted import wanted
from components.services.backup import NAME as BACKUP
from components.spec import ServiceSpec, StackSpec
from schema.errors import UserError

_SIZES = "SELECT json_object_agg(datname, pg_database_size(datname)) FROM pg_database" \
    " WHERE datname <> 'postgres' AND NOT datistemplate"  # fmt: skip
_MIB = 2**20
_FULL_PERCENT = 95
_LATE_SECONDS = 300
_ANSWERS = "answers"
_AT_ONCE = 8


def stack_status(name: str, *, core: bool) -> StackStatus:
    """How a stack stands; what cannot be found out is a problem of its own."""
    kind: Any = "core" if core else "tenant"
    try:
        stack = running_stack(name, core=core)
        if not stack.containers:
            return StackStatus(name=name, kind=kind, address=stack.address, problems=["is not up"])
        return look(name, stack, wanted(name, stack, core=core), core=core)
    except (UserError, DockerException) as error:
        return StackStatus(name=name, kind=kind, problems=[str(error)])


def look(name: str, stack: RunningStack, spec: StackSpec, *, core: bool) -> StackStatus:
    """How a stack stands that is up.

    Args:
        name: of the stack.
        stack: its containers.
        spec: that they should be as.
        core: it is no tenant.
    """
    status = StackStatus(
        name=name,
        kind="core" if core else "tenant",
        address=stack.address,
        up=True,
        **_answers(stack, spec),
    )
    return status.model_copy(update={"problems": list(problems_of(status))})


def _answers(stack: RunningStack, spec: StackSpec) -> dict[str, Any]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        services = [
            pool.submit(_service, spec, each, stack.containers.get(each.name))
            for each in spec.services
        ]
        looks: dict[str, Callable[[RunningStack], Any]] = {
            "backup": _backup,
            "guard": _guard,
            "disk": _disk,
            "databases_mb": _databases,
        }
        others = {what: pool.submit(_optional, look, stack) for what, look in looks.items()}
        found = {what: each.result() for what, each in others.items()}
        return {what: each for what, each in found.items() if each is not None} | {
            "services": [each.result() for each in services]
        }


def _optional(look: Callable[[RunningStack], Any], stack: RunningStack) -> Any:
    """An answer; none of a service that is not there, or does not say."""
    try:
        return look(stack)
    except (UserError, DockerException, ValueError, ValidationError):
        return None


def _service(spec: StackSpec, service: ServiceSpec, container: Container | None) -> ServiceStatus:
    if container is None:
        return ServiceStatus(service=service.name, state=MISSING)
    state = container.attrs["State"]
    healthy = container.status == "running" and container.health != "unknown"
    return ServiceStatus(
        service=service.name,
        state=container.health if healthy else container.status,
        image=image_name(container),
        started=state["StartedAt"][:19] + "Z",
        restarts=container.attrs["RestartCount"],
        memory_mb=container.attrs["HostConfig"]["Memory"] // _MIB,
        drift=drift(spec, service, container),
    )


def _backup(stack: RunningStack) -> BackupStatus | None:
    if BACKUP not in stack.containers:
        return None
    printed = stack.output(stack.existing(BACKUP), ["python3", "-m", "backup", "state"])
    return BackupStatus.model_validate_json(printed)


def _guard(stack: RunningStack) -> GuardStatus | None:
    container = stack.running("litellm")
    if container is None:
        return None
    found = guard_numbers(stack, container)
    return GuardStatus.model_validate(found) if found else None


def _disk(stack: RunningStack) -> DiskStatus | None:
    for container in stack.containers.values():
        if container.status == "running":
            printed = stack.execute(container, ["df", "-Pm", "/"])
            _, _, _, free, used, *_ = printed.splitlines()[1].split()
            return DiskStatus(used_percent=int(used.rstrip("%")), free_mb=int(free))
    return None


def _databases(stack: RunningStack) -> dict[str, int] | None:
    container = stack.running("postgres")
    if container is None:
        return None
    sizes = json.loads(stack.execute(container, ["psql", "-XqAt", "-c", _SIZES]))
    return {name: size // _MIB for name, size in sizes.items()}


def problems_of(status: StackStatus) -> Iterator[str]:
    """A sentence for each thing that is wrong with a stack."""
    for service in status.services:
        if service.state != "healthy":
            yield f"{service.service} is {service.state}"
        if service.drift:
            what = ", ".join(each.what for each in service.drift)
            yield f"{service.service}: {what}: not as the files say"
    backup, guard, disk = status.backup, status.guard, status.disk
    if backup and backup.state != "fine":
        yield f"backup: {backup.state}: {backup.reason}"
    if guard and guard.billing != _ANSWERS:
        yield f"the Billing API {guard.billing}"
    if guard and guard.outbox_seconds > _LATE_SECONDS:
        yield f"{guard.outbox} events wait for the Billing API"
    if guard and guard.refused:
        yield f"the Billing API refused {guard.refused} events"
    if disk and disk.used_percent >= _FULL_PERCENT:
        yield f"the disk is full to {disk.used_percent} %"
