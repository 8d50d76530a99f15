"""`cloudfreedom doctor`: what is wrong with a tenant or core that is up, and what mends it.

It asks what a person or a program would need: from outside at the published ports, and from inside
of the containers at the Billing API and the login. It changes nothing.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from ipaddress import ip_address
from shlex import quote

from docker.models.containers import Container

from cli.doctor.condition import compose_folder, network_problem, past, published, state_problem
from cli.doctor.inside import probed
from cli.doctor.outside import Outside, words
from cli.environment import shown_compose
from cli.running import RunningStack, environment_of
from components.docker.preflight import DockerHostError, survey
from components.services.backup import NAME as BACKUP
from components.spec import APPS, DATA, stack_name
from core.model import Core
from schema.types import base_url, service_sections
from tenants.billing import Billing
from tenants.model import Tenant

_FULL_PERCENT, _LITTLE_BYTES = 95, 2**30


@dataclass(frozen=True)
class Check:
    """One thing that was looked at; `problem` is empty if all is well."""

    what: str
    problem: str = ""


@dataclass(frozen=True)
class Stack:
    """The stack that is examined.

    Attributes:
        file: that describes it.
        address: the Docker host.
        up: the command that brings it to what its file says.
        mend: the command that also brings back what was stopped or removed.
    """

    file: str
    address: str
    up: str
    mend: str

    @classmethod
    def of_pulumi(cls, stack: str, address: str, *, core: bool = False) -> "Stack":
        """A stack of Pulumi; what Compose made says so itself."""
        up = f"pulumi{' --cwd core' if core else ''} up --stack {stack}"
        folder = "core" if core else "tenants"
        return cls(f"{folder}/{stack}.yaml", address, up, f"{up} --refresh")


def examine(tenant: Tenant, stack: Stack) -> Iterator[Check]:
    """Look at a tenant."""
    if problem := _unreachable(stack.address):
        yield problem
    else:
        yield from _TenantExamination(tenant.slug, stack).of(tenant)


def examine_core(core: Core, stack: Stack) -> Iterator[Check]:
    """Look at a core."""
    if problem := _unreachable(stack.address):
        yield problem
    else:
        yield from _CoreExamination(core.slug, stack).of(core)


def _unreachable(address: str) -> Check | None:
    try:
        survey(address)
    except DockerHostError as error:
        return Check(f"Docker at {address}", str(error))
    return None


class _Examination:
    """Checks that a tenant and a core have in common."""

    apps: Sequence[str]

    def __init__(self, slug: str, stack: Stack) -> None:
        self._stack = RunningStack(stack.address, slug)
        self._slug, self._file = slug, stack.file
        self._up, self._mend = stack.up, stack.mend
        if folder := compose_folder(self._stack.containers.values()):
            self._mend = f"{shown_compose()} --project-directory {quote(folder)} up --wait"
            self._up = f"cloudfreedom export --to {quote(folder)}, then {self._mend}"
        self._outside = Outside(stack.address)

    def engine(self, sections: Mapping[str, str]) -> Iterator[Check]:
        """Containers, networks, and the disk that they are on."""
        for service, section in sections.items():
            name, container = stack_name(self._slug, service), self._stack.containers.get(service)
            problem = state_problem(
                container,
                past(self._stack.client, container),
                mend=self._mend,
                memory=f"`{section}.memory_mb` in {self._file}",
            )
            yield Check(name, problem)
        every = self._stack.containers
        on_apps = [every[service] for service in self.apps if service in every]
        for network, members in ((DATA, list(every.values())), (APPS, on_apps)):
            name = stack_name(self._slug, network)
            problem = network_problem(self._stack.client, name, members, mend=self._mend)
            yield Check(name, problem)
        if BACKUP in every:
            yield self._backups(every[BACKUP])
        for container in [self._stack.running(service) for service in self.apps][:1]:
            if container:
                yield Check("disk of the Docker host", self._disk(container))

    def published_port(
        self, container: Container, inner: str, said: tuple[str | None, int], path: str
    ) -> Check:
        """Whether what a container publishes answers, and is where the file says.

        Args:
            container: whose.
            inner: port of the container.
            said: address, if the file says one, and port of the host.
            path: what is asked there.
        """
        address, port = published(container).get(inner, ("", 0))
        bind = said[0] or address
        what = f"{container.name} at {bind}:{said[1]}"
        if (bind, said[1]) != (address, port):
            is_at = f"is published at {address}:{port}" if port else "is not published"
            return Check(what, f"{is_at}, which is not what {self._file} says: `{self._up}`")
        url = f"http://{_reachable(address)}:{port}"
        if not self._outside.reaches(url):
            return Check(f"{what} (not asked: only its own host can)")
        problem = _answers(self._outside, f"{url}{path}")
        again = f": `docker restart {container.name}` publishes it anew" if problem else ""
        return Check(what, f"{problem}{again}")

    def _backups(self, container: Container) -> Check:
        what = str(container.name)
        if container.status != "running":
            return Check(what, f"is {container.status}: `{self._mend}` starts it")
        try:
            found = json.loads(self._stack.output(container, ["python3", "-m", "backup", "state"]))
        except ValueError:
            return Check(what, f"does not say how backups stand: `docker logs {what}`")
        return Check(what, f"{found['state']}: {found['reason']}" if found["reason"] else "")

    def _disk(self, container: Container) -> str:
        found = probed(self._stack, container, "disk", "/")
        used, free = int(found.get("used_percent", 0)), int(found.get("free", _LITTLE_BYTES))
        if used < _FULL_PERCENT and free >= _LITTLE_BYTES:
            return ""
        return (
            f"is full to {used} %, {free // 2**20} MiB are left: `docker system df` there shows"
            " what takes it"
        )


class _CoreExamination(_Examination):
    """A core."""

    apps = ("identity", "billing")

    def of(self, core: Core) -> Iterator[Check]:
        """All that can be found out."""
        yield from self.engine(service_sections(core))
        if identity := self._stack.running("identity"):
            said = str(core.bind), core.identity.port
            yield self.published_port(identity, "8090", said, "/health")
            if core.domain:
                url = core.public_url
                yield Check(f"login at {url}", _answers(self._outside, f"{url}/health"))
        if billing := self._stack.running("billing"):
            yield self.published_port(billing, "3000", (None, core.billing.port), "/health")


class _TenantExamination(_Examination):
    """A tenant."""

    apps = ("litellm", "openwebui")

    def of(self, tenant: Tenant) -> Iterator[Check]:
        """All that can be found out."""
        yield from self.engine(service_sections(tenant))
        if chat := self._stack.running("openwebui"):
            yield from self._chat(chat, tenant)
        if gateway := self._stack.running("litellm"):
            said = str(tenant.bind), tenant.litellm.port
            yield self.published_port(gateway, "4000", said, "/health/liveliness")
            if tenant.billing:
                url = base_url(tenant.billing.url)
                yield Check(f"Billing API at {url}", self._billing(gateway, tenant, tenant.billing))
        if chat and tenant.login:
            yield from self._login(chat, base_url(tenant.login.issuer))

    def _chat(self, container: Container, tenant: Tenant) -> Iterator[Check]:
        said = str(tenant.bind), tenant.openwebui.port
        direct = self.published_port(container, "8080", said, "/ready")
        yield direct
        url = tenant.chat_url
        place = url if tenant.domain else f"http://{_reachable(said[0])}:{said[1]}"
        if direct.problem or not self._outside.reaches(place):
            return
        problem = _answers(self._outside, f"{place}/ready") if tenant.domain else ""
        yield Check(f"chat at {url}", problem or _websocket(self._outside, place, url))

    def _billing(self, litellm: Container, tenant: Tenant, billing: Billing) -> str:
        url = f"{base_url(billing.url)}{billing.check_path}"
        account = billing.account or f"api@{tenant.slug}"
        problem = str(probed(self._stack, litellm, "billing", url, tenant.slug, account)["problem"])
        return self._with_rotation(problem, "refuses the tenant's key")

    def _login(self, openwebui: Container, issuer: str) -> Iterator[Check]:
        found = probed(self._stack, openwebui, "login")
        problem = self._with_rotation(str(found["problem"]), "refuses the client")
        yield Check(f"login at {issuer}", problem)
        url = str(found.get("authorize", ""))
        if url and self._outside.reaches(url):
            redirect = environment_of(openwebui)["OPENID_REDIRECT_URI"]
            page = url.partition("?")[0]
            yield Check(f"login page at {page}", _login_page(self._outside, url, redirect))

    def _with_rotation(self, problem: str, refusal: str) -> str:
        if refusal not in problem:
            return problem
        return f"{problem}: it was rotated there, or is not set: `{self._up}`"


def _reachable(address: str) -> str:
    """An address to ask at, for one that a port is bound to."""
    found = ip_address(address or "127.0.0.1")
    if found.is_unspecified:
        return "127.0.0.1"
    return f"[{found}]" if ":" in str(found) else str(found)


def _answers(outside: Outside, url: str) -> str:
    try:
        answer = outside.get(url)
    except OSError as error:
        return f"does not answer: {error}"
    if answer.status >= HTTPStatus.BAD_REQUEST:
        return f"answered {answer.status}: {words(answer.text)}"
    return ""


def _websocket(outside: Outside, place: str, origin: str) -> str:
    """Whether answers can be shown: they come by a WebSocket."""
    path = "/ws/socket.io/?EIO=4&transport=websocket"
    try:
        status = outside.websocket(f"{place}{path}", origin)
    except OSError as error:
        return f"does not open a WebSocket, so that no answer is shown: {error}"
    if status != HTTPStatus.SWITCHING_PROTOCOLS:
        return (
            f"does not open a WebSocket ({status}), so that no answer is shown: what is in front"
            " of it must pass the upgrade on, see docs/proxy.md"
        )
    return ""


def _login_page(outside: Outside, url: str, redirect: str) -> str:
    """Whether a browser that the chat sends to log in is asked to."""
    try:
        answer = outside.get(url, until=redirect)
    except OSError as error:
        return f"does not answer, so that nobody can log in: {error}"
    if answer.url.startswith(redirect):
        return f"sends people back at once: {answer.url.partition('?')[2]}"
    if answer.status >= HTTPStatus.BAD_REQUEST:
        chat = redirect.removesuffix("/oauth/oidc/callback")
        return (
            f"answered {answer.status} ({words(answer.text)}): the provider must know the chat at"
            f" {chat}; of a core, that is `chat_url` in its file"
        )
    return ""
