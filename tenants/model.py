"""The model of a tenant: the shape of one file in `tenants/`, with every default.

The descriptions here and in the sections beside are the documentation of the file:
`schema.json`, which editors read, is generated from them.
"""

from collections.abc import Iterator
from typing import ClassVar, Self

from pydantic import Field, HttpUrl, IPvAnyAddress, ValidationInfo, field_validator, model_validator

from schema.diagnostics import Violation, raise_violations
from schema.types import (
    DOLLAR,
    MEMORY,
    UNSPECIFIED,
    Domain,
    MiB,
    Port,
    Resources,
    Section,
    Slug,
    UsdRate,
    public_url,
    service_sections,
    url_host,
)
from tenants.billing import Billing, UserId
from tenants.litellm import LiteLLM
from tenants.login import CORE_LOGINS, Login
from tenants.openwebui import OpenWebUI


class Postgres(Resources):
    """The database of LiteLLM and Open WebUI."""

    memory_mb: MiB = Field(512, description=MEMORY)


class Redis(Resources):
    """Cache, rate limits, sessions (Valkey)."""

    memory_mb: MiB = Field(256, description=MEMORY)


class Exporter(Resources):
    """Metrics of a database, for Prometheus."""

    memory_mb: MiB = Field(64, description=MEMORY)
    port: Port = Field(
        description="Port of 127.0.0.1 on the Docker host; nobody is asked to log in"
    )

    address: ClassVar[str] = "127.0.0.1"
    """Metrics are published nowhere else, for they have no password."""


class Tenant(Section):
    """One customer: an AI stack of its own."""

    slug: Slug = Field(description="Short name, in every container's, network's and volume's name")
    name: str = Field(min_length=1, max_length=64, description="Shown to the users")
    domain: Domain | None = Field(None, description="Public name of the chat, behind TLS")
    bind: IPvAnyAddress = Field(
        default="127.0.0.1",
        validate_default=True,
        description="Address of the host that chat and gateway listen on",
    )
    openwebui: OpenWebUI
    litellm: LiteLLM
    postgres: Postgres = Postgres()
    redis: Redis = Redis()
    postgres_exporter: Exporter | None = Field(None, description="Metrics of PostgreSQL")
    redis_exporter: Exporter | None = Field(None, description="Metrics of Redis")
    billing: Billing | None = None
    login: Login | None = None

    @property
    def listeners(self) -> dict[str, tuple[str, int]]:
        """Address and port of the host that a service publishes, by its section.

        The address is the tenant's, unless the section has one of its own.
        """
        sections = {name: getattr(self, name) for name in service_sections(self).values()}
        return {
            name: (getattr(each, "address", str(self.bind)), each.port)
            for name, each in sections.items()
            if hasattr(each, "port")
        }

    @property
    def chat_url(self) -> str:
        """Address of the chat, for people."""
        if self.domain or not self.openwebui.names:
            return public_url(self.domain, self.bind, self.openwebui.port)
        return f"http://{self.openwebui.names[0]}"

    @property
    def chat_names(self) -> list[str]:
        """Every host[:port] that the chat answers under."""
        if self.domain:
            return [self.domain, *self.openwebui.names]
        here = "[::1]" if self.bind.version == 6 else "127.0.0.1"  # noqa: PLR2004
        hosts = [here if self.bind.is_unspecified else url_host(self.bind)]
        hosts += ["localhost"] if self.bind.is_loopback or self.bind.is_unspecified else []
        return [*self.openwebui.names, *(f"{host}:{self.openwebui.port}" for host in hosts)]

    @property
    def litellm_url(self) -> str:
        """Address of the gateway, for programs."""
        host = "127.0.0.1" if self.bind.is_unspecified else url_host(self.bind)
        return f"http://{host}:{self.litellm.port}"

    @property
    def account(self) -> str:
        """The account that pays for requests of nobody in particular."""
        return (self.billing and self.billing.account) or f"api@{self.slug}"

    @property
    def user_id(self) -> UserId:
        """The kind of name that people have at the Billing API."""
        if self.billing and self.billing.user_id:
            return self.billing.user_id
        # Another provider's subjects mean nothing to the core.
        of_core = self.login and self.login.issuer.host in CORE_LOGINS
        speaks_two = self.billing and self.billing.contract_version > 1
        return UserId.SUBJECT if of_core and speaks_two else UserId.EMAIL

    def with_currency_of_core(self, currency: str | None, usd_rate: UsdRate | None) -> "Tenant":
        """The same tenant with what its file leaves to the core."""
        if not self.billing:
            return self
        ours = self.billing.currency or currency
        # A rate is one to the core's own currency.
        rate = self.billing.usd_rate or (usd_rate if ours == currency else None)
        rate = None if ours == DOLLAR else rate
        billing = self.billing.model_copy(update={"currency": ours, "usd_rate": rate})
        return self.model_copy(update={"billing": billing})

    @model_validator(mode="after")
    def _has_an_address(self) -> Self:
        if self.bind.is_unspecified and not self.domain and not self.openwebui.names:
            allowed = f"{UNSPECIFIED}, or `domain` or `openwebui.names` beside it"
            raise_violations([Violation(("bind",), self.bind, allowed)])
        return self

    @model_validator(mode="after")
    def _addresses_lead_out_of_its_containers(self) -> Self:
        own = service_sections(self)
        raise_violations(
            Violation(
                path,
                str(url),
                f"must be another name than {url.host}, which is a container of this tenant",
            )
            for path, url in self._addresses()
            if (url.host or "").rstrip(".") in own
        )
        return self

    def _addresses(self) -> Iterator[tuple[tuple[str | int, ...], HttpUrl]]:
        """Every address of another service, and where it stands in the file."""
        if self.billing:
            yield ("billing", "url"), self.billing.url
        if self.login:
            yield ("login", "issuer"), self.login.issuer
        for number, model in enumerate(self.litellm.models):
            for place, deployment in enumerate(model.deployments):
                if deployment.api_base:
                    path = ("litellm", "models", number, "deployments", place, "api_base")
                    yield path, deployment.api_base

    @field_validator("slug")
    @classmethod
    def _is_no_core(cls, slug: str) -> str:
        if slug.partition("-")[0] == "core":
            raise ValueError("another name than `core` or `core-…`, which the shared services have")
        return slug

    @field_validator("*")
    @classmethod
    def _port_is_its_own(cls, section: object, info: ValidationInfo) -> object:
        port = getattr(section, "port", None)
        raise_violations(
            Violation(("port",), port, f"a port other than {name}.port")
            for name, earlier in info.data.items()
            if port and getattr(earlier, "port", None) == port
        )
        return section

    @field_validator("postgres_exporter", "redis_exporter", "billing", "login")
    @classmethod
    def _is_said(cls, section: Section | None, info: ValidationInfo) -> Section | None:
        # The key with nothing below it would mean a tenant without budgets or logins.
        if section is None:
            raise ValueError(
                f"a mapping, such as {{}}; a tenant without leaves out the key `{info.field_name}`"
            )
        return section
