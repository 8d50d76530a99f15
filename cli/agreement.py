"""Comparison of the files of tenants and cores in one checkout."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from components.stack_config import (
    LOCAL_DOCKER,
    PROJECT,
    StackConfigError,
    docker_hosts,
    stored,
)
from core.deployment.stack_config import stored_gateway
from core.model import Core, CoreTenant
from schema.diagnostics import Diagnostic, InvalidFileError, Violation
from schema.types import DOLLAR, base_url
from schema.yaml_file import SourceMap, read, stacks
from tenants.address import overlap
from tenants.billing import CORE_BILLING, Billing
from tenants.login import CORE_LOGINS
from tenants.model import Tenant
from tenants.prices import priced_models

_CORE_PROJECT = "cloudfreedom-core"
_Model = TypeVar("_Model", bound=BaseModel)
_Path = tuple[str | int, ...]


@dataclass(frozen=True)
class _Listener:
    """A port of a host, and where a file says so."""

    source: SourceMap
    path: _Path
    address: str
    port: int

    def clashes_with(self, other: "_Listener") -> bool:
        return self.port == other.port and overlap(self.address, other.address)

    def beside(self, other: "_Listener") -> Diagnostic:
        allowed = f"already used by {other.source.file} on this host; choose a free port"
        return self.source.problem(Violation(self.path, self.port, allowed))


@dataclass(frozen=True)
class _CoreFile:
    """A core, where its file says what, and where it is deployed."""

    core: Core
    source: SourceMap
    host: str
    gateway: str

    @property
    def listeners(self) -> Iterator[_Listener]:
        core = self.core
        at = (("identity", "port"), core.identity.port)
        yield _Listener(self.source, at[0], str(core.bind), at[1])
        if not core.bind.is_unspecified:
            yield _Listener(self.source, at[0], self.gateway, at[1])
        yield _Listener(self.source, ("billing", "port"), self.gateway, core.billing.port)
        if core.pocketbase.admin_port:
            path = ("pocketbase", "admin_port")
            yield _Listener(self.source, path, "127.0.0.1", core.pocketbase.admin_port)

    def entry(self, slug: str) -> tuple[int, CoreTenant] | None:
        """A tenant in the core's file, with its position there; None if it has none."""
        found = (item for item in enumerate(self.core.tenants) if item[1].slug == slug)
        return next(found, None)


@dataclass(frozen=True)
class _TenantFile:
    """A tenant, where its file says what, and where it is deployed.

    Attributes:
        core: stack of the core that its config names; empty if it names none.
    """

    tenant: Tenant
    source: SourceMap
    host: str
    core: str

    @property
    def listeners(self) -> Iterator[_Listener]:
        for section, (address, port) in self.tenant.listeners.items():
            yield _Listener(self.source, (section, "port"), address, port)

    def leads_to(self, name: str) -> int | None:
        """Port of the Docker host where `login` or `billing` looks for a core's, if it does.

        Other names without a dot lead to the Docker host, too, but to services of the tenant's own.
        """
        section = getattr(self.tenant, name)
        url = section and (section.issuer if name == "login" else section.url)
        of_core = CORE_LOGINS if name == "login" else (CORE_BILLING,)
        return url.port if url and url.host in of_core else None

    def asks_core(self, billing: Billing) -> bool:
        """Whether the budgets are a core's: another name without a dot is not, whoever logs in."""
        elsewhere = any(mark in (billing.url.host or "") for mark in ".:")
        return self.leads_to("billing") is not None or (bool(self.core) and elsewhere)


def disagreements(root: Path) -> list[Diagnostic]:
    """Everything that cannot be right in two files at once, where it has to be changed.

    A file that is broken itself is not looked at here.
    """
    return _Checkout(root).problems()


class _Checkout:
    def __init__(self, root: Path) -> None:
        self._root = root

    @cached_property
    def _cores(self) -> dict[str, _CoreFile]:
        folder, found = self._root / "core", {}
        for stack, (core, source) in _valid(folder, Core).items():
            config = folder / f"Pulumi.{stack}.yaml"
            host = stored(config, f"{_CORE_PROJECT}:dockerHost")
            # One that is no address is told by `check_gateways`.
            with suppress(StackConfigError):
                gateway = str(stored_gateway(config))
                found[stack] = _CoreFile(core, source, host or LOCAL_DOCKER, gateway)
        return found

    @cached_property
    def _tenants(self) -> dict[str, _TenantFile]:
        hosts, found = docker_hosts(self._root), {}
        for stack, (tenant, source) in _valid(self._root / "tenants", Tenant).items():
            core = stored(self._root / f"Pulumi.{stack}.yaml", f"{PROJECT}:core") or ""
            found[stack] = _TenantFile(tenant, source, hosts[stack], core.rpartition("/")[2])
        return found

    def problems(self) -> list[Diagnostic]:
        """All of them."""
        found = list(self._port_clashes())
        for tenant in self._tenants.values():
            if core := self._core_of(tenant):
                found += _between(tenant, core)
        return found

    def _core_of(self, tenant: _TenantFile) -> _CoreFile | None:
        """The core of a tenant: that of its config, of its slug, or of its login."""
        if tenant.core:
            return self._cores.get(tenant.core)
        near = [core for core in self._cores.values() if core.host == tenant.host]
        login = tenant.leads_to("login")
        ports = [core for core in near if login == core.core.identity.port]
        listed = [core for core in near if core.entry(tenant.tenant.slug)]
        both = [core for core in ports if core in listed]
        uses_it = login or tenant.leads_to("billing")
        return next(iter([*both, *ports, *(listed if uses_it else [])]), None)

    def _port_clashes(self) -> Iterator[Diagnostic]:
        """Between cores, and of cores with tenants; tenants look at each other themselves."""
        for one, other in combinations(self._cores.values(), 2):
            if one.host == other.host:
                yield from _clashes(one, other)
        for core in self._cores.values():
            for tenant in self._tenants.values():
                if core.host == tenant.host:
                    yield from _clashes(core, tenant)


def _valid(folder: Path, model: type[_Model]) -> Mapping[str, tuple[_Model, SourceMap]]:
    found = {}
    for stack in stacks(folder):
        try:
            found[stack] = read(folder / f"{stack}.yaml", model)
        except InvalidFileError:
            continue
    return found


def _clashes(one: _CoreFile, other: _CoreFile | _TenantFile) -> Iterator[Diagnostic]:
    for ours in one.listeners:
        for theirs in other.listeners:
            if ours.clashes_with(theirs):
                yield ours.beside(theirs)
                yield theirs.beside(ours)


def _between(tenant: _TenantFile, core: _CoreFile) -> Iterator[Diagnostic]:
    listed = core.entry(tenant.tenant.slug)
    if listed is None:
        yield tenant.source.problem(
            Violation(
                ("slug",),
                tenant.tenant.slug,
                f"{core.source.file} must have it under `tenants`, since `login` or `billing` leads"
                " there",
            )
        )
        return
    yield from _chat_url(tenant, core, *listed)
    yield from _ports(tenant, core)
    yield from _money(tenant, core)


def _chat_url(
    tenant: _TenantFile, core: _CoreFile, index: int, listed: CoreTenant
) -> Iterator[Diagnostic]:
    it = tenant.tenant
    url = it.chat_url
    if it.login and listed.chat_url and base_url(listed.chat_url) != url:
        path = ("tenants", index, "chat_url")
        allowed = f"people open the chat at {url}, says {tenant.source.file}"
        yield core.source.problem(Violation(path, str(listed.chat_url), allowed))


def _ports(tenant: _TenantFile, core: _CoreFile) -> Iterator[Diagnostic]:
    places = {
        "login": ("issuer", core.core.identity.port),
        "billing": ("url", core.core.billing.port),
    }
    for section, (key, port) in places.items():
        leads_to = tenant.leads_to(section)
        if leads_to is None:
            continue
        value = str(getattr(getattr(tenant.tenant, section), key))
        if core.host != tenant.host:
            allowed = (
                f"this name leads to the tenant's own Docker host, and"
                f" {core.source.file} is on {core.host}: an address that leads there"
            )
            yield tenant.source.problem(Violation((section, key), value, allowed))
        elif leads_to != port:
            allowed = f"port {port}, which {core.source.file} says"
            yield tenant.source.problem(Violation((section, key), value, allowed))


def _money(tenant: _TenantFile, core: _CoreFile) -> Iterator[Diagnostic]:
    billing = tenant.tenant.billing
    if billing is None or not tenant.asks_core(billing):
        return
    counted = core.core.currency
    if billing.usd_rate and counted == DOLLAR:
        allowed = f"none: {core.source.file} counts {DOLLAR} already"
        yield tenant.source.problem(Violation(("billing", "usd_rate"), "", allowed))
    if billing.currency and billing.currency != counted:
        allowed = f"{counted}, in which {core.source.file} counts"
        yield tenant.source.problem(Violation(("billing", "currency"), billing.currency, allowed))
    elif counted != DOLLAR and not (billing.usd_rate or core.core.usd_rate):
        yield from _priced_in_dollars(tenant, core)


def _priced_in_dollars(tenant: _TenantFile, core: _CoreFile) -> Iterator[Diagnostic]:
    for index, model in enumerate(tenant.tenant.litellm.models):
        for number, deployment in enumerate(model.deployments):
            own = deployment.price and deployment.price.input_per_million is not None
            if own or deployment.model not in priced_models():
                continue
            path = ("litellm", "models", index, "deployments", number, "model")
            allowed = (
                f"its price is known in US dollars, and {core.source.file} counts"
                f" {core.core.currency}: `usd_rate` there or under `billing`, or a `price`"
            )
            yield tenant.source.problem(Violation(path, deployment.model, allowed))
