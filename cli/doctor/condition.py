"""The condition of containers and networks of a tenant or a core, as Docker sees it."""

import json
import time
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from docker import DockerClient
from docker.models.containers import Container

_LOOK_BACK_SECONDS = 3600
_YOUNG = timedelta(minutes=2)
_COMPOSE_FOLDER = "com.docker.compose.project.working_dir"


@dataclass(frozen=True)
class Past:
    """Events of a container in the last hour, as far as its engine remembers.

    Attributes:
        deaths: ends of its process that nobody asked for.
    """

    kills_for_memory: int
    deaths: int


def past(client: DockerClient, container: Container | None) -> Past:
    """Look at what the engine remembers of a container; of one that had its name, nothing."""
    if container is None:
        return Past(kills_for_memory=0, deaths=0)
    now = time.time()
    filters = {"container": container.id, "event": ["oom", "die", "stop"]}
    # Finer than docker-py's type: a whole second would leave out the one that has begun.
    until: Any = f"{now:.9f}"
    since = int(now) - _LOOK_BACK_SECONDS
    events = client.events(since=since, until=until, filters=filters, decode=True)
    actions = Counter(event["Action"] for event in events)
    # `docker stop` and `docker restart` are a "die" and a "stop"; a crash is a "die" alone.
    return Past(kills_for_memory=actions["oom"], deaths=actions["die"] - actions["stop"])


def state_problem(container: Container | None, happened: Past, *, mend: str, memory: str) -> str:
    """The problem of a container, and the command that mends it; empty if it has none.

    Args:
        container: none if it is not there.
        happened: to it lately.
        mend: command that brings back what was stopped or removed.
        memory: where its limit of memory is set.
    """
    if container is None:
        return f"is not there: `{mend}` makes it again"
    state = container.attrs["State"]
    deaths = f"restarted {container.attrs['RestartCount']} times"
    if container.status != "running":  # else its exit code is none yet
        deaths += f", exit {state['ExitCode']}"
    if happened.kills_for_memory or state.get("OOMKilled"):
        limit = container.attrs["HostConfig"]["Memory"] // 2**20
        return (
            f"was killed for memory ({deaths}): raise {memory}, which is {limit} now, and `{mend}`"
        )
    if _ends_again(container, happened):
        return f"ends again and again ({deaths}); it said last: {_last_line(container)}"
    if container.status == "paused":
        return f"is paused: `docker unpause {container.name}`"
    if container.status != "running":
        exit_code = f" (exit {state['ExitCode']})" if container.status == "exited" else ""
        return f"is {container.status}{exit_code}: `{mend}` starts it"
    return _health_problem(container)


def _ends_again(container: Container, happened: Past) -> bool:
    if container.status == "restarting":
        return True
    # An engine starts again whatever has ended by itself: "exited" was stopped by somebody.
    if container.status == "exited" or container.health == "healthy":
        return False
    # A busy engine forgets its events within seconds; its count goes back to the last start.
    started = datetime.fromisoformat(container.attrs["State"]["StartedAt"])
    is_young = datetime.now(UTC) - started < _YOUNG
    return happened.deaths > 1 or (is_young and container.attrs["RestartCount"] > 1)


def _health_problem(container: Container) -> str:
    if container.health in ("healthy", "unknown"):
        return ""
    checks = container.attrs["State"]["Health"]["Log"]
    last = checks[-1]["Output"].strip() if checks else "it was not asked yet"
    return f"is {container.health}: {in_words(last)}"


def _last_line(container: Container) -> str:
    lines = container.logs(tail=1).decode(errors="replace").strip().splitlines()
    return lines[-1][:300] if lines else "(nothing)"


def in_words(said: str) -> str:
    """A health check's answer; the gateway's guard gives one of JSON."""
    try:
        found = json.loads(said)
    except ValueError:
        return said or "its health check did not end in time"
    if not isinstance(found, dict):
        return said
    wrong = {
        "loaded": "the budget guard is not loaded",
        "redis": "Redis",
        "billing": "the Billing API",
    }
    parts = [_part(wrong[name], value) for name, value in found.items() if name in wrong]
    return "; ".join(filter(None, parts)) or said


def _part(what: str, value: object) -> str:
    if value is True or value in ("", "answers"):
        return ""
    return f"{what} {value}" if isinstance(value, str) else what


def network_problem(
    client: DockerClient, name: str, members: Collection[Container], *, mend: str
) -> str:
    """The problem of a network that some containers must be on; empty if it has none."""
    if not client.networks.list(names=[f"^{name}$"]):
        return f"is not there: `{mend}` makes it again"
    apart = [
        str(member.name)
        for member in members
        if member.status == "running" and name not in _networks(member)
    ]
    if apart:
        away = f"docker rm --force {' '.join(sorted(apart))}"
        return f"{', '.join(sorted(apart))} is not on it: `{away} && {mend}`"
    return ""


def _networks(container: Container) -> Mapping[str, Any]:
    networks: Mapping[str, Any] = container.attrs["NetworkSettings"]["Networks"]
    return networks


def published(container: Container) -> dict[str, tuple[str, int]]:
    """Address and port of the host, by port of the container, that it was made to have."""
    bindings = container.attrs["HostConfig"]["PortBindings"] or {}
    return {
        port.partition("/")[0]: (bound[0]["HostIp"], int(bound[0]["HostPort"]))
        for port, bound in bindings.items()
        if bound
    }


def compose_folder(containers: Collection[Container]) -> str:
    """Folder of the Compose project that made containers; empty if something else did."""
    folders = (container.labels.get(_COMPOSE_FOLDER, "") for container in containers)
    return next(filter(None, folders), "")
