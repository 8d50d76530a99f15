"""The model of a core: the shape of its file, with every default."""

from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self

from pydantic import AfterValidator, Field, HttpUrl, IPvAnyAddress, field_validator, model_validator

from money.nanos import LARGEST, NANOS
from schema.diagnostics import Violation, raise_violations, repeated
from schema.duration import Duration
from schema.text import constrained_str
from schema.types import (
    DOLLAR,
    MEMORY,
    UNSPECIFIED,
    Currency,
    Domain,
    MiB,
    Port,
    Resources,
    Section,
    Slug,
    UsdRate,
    public_url,
)

CoreSlug = Annotated[
    str,
    *constrained_str(
        r"core(-[a-z0-9]{1,20})?", "`core`, or `core-` and up to 20 letters and digits"
    ),
]
Email = Annotated[
    str,
    *constrained_str(r"[^\s@]+@[^\s@]+\.[^\s@]+", "an e-mail address"),
    AfterValidator(str.lower),
]
Amount = Annotated[Decimal, Field(ge=0, le=LARGEST // NANOS, decimal_places=9)]

_Path = tuple[str | int, ...]
_UNUSED = "one that is not used above"


class Period(StrEnum):
    """The period after which a budget starts anew."""

    MONTH = "month"  # with each month of UTC
    NEVER = "never"


class Role(StrEnum):
    """Rights of a person."""

    USER = "user"  # chat, and see what is their own
    ADMIN = "admin"  # that, administer the chat, and set budgets of the tenant


class Budget(Section):
    """An amount that may be spent in a period."""

    amount: Amount = Field(description="In the core's currency")
    period: Period = Field(
        Period.MONTH, description="When it starts anew: with each month of UTC, or never"
    )


class Person(Section):
    """Somebody who exists from the start; what becomes of them later is kept."""

    email: Email = Field(description="The login, and where it can be reached")
    name: str = Field(min_length=1, max_length=64, description="Shown in the chat and the portal")
    role: Role = Field(
        Role.USER,
        description="A user chats and sees their own usage; an admin also administers the chat, and"
        " sets budgets of the tenant",
    )
    budget: Budget | None = Field(None, description="The tenant's `default_budget` unless given")


class CoreTenant(Section):
    """A tenant that this core serves."""

    slug: Slug = Field(description="As in the tenant's own file")
    name: str = Field(min_length=1, max_length=64, description="Shown to its people")
    chat_url: HttpUrl | None = Field(
        None,
        description="Where its people open the chat; what the tenant's own file says, if it is in"
        " the same checkout, unless given",
    )
    default_budget: Budget | None = Field(
        None, description="Of whoever is not known; without it they are refused"
    )
    people: list[Person] = Field([], description="Those who exist from the start")

    @field_validator("people")
    @classmethod
    def _emails_differ(cls, people: list[Person]) -> list[Person]:
        raise_violations(repeated((person.email for person in people), "email", _UNUSED))
        return people


class PocketBase(Resources):
    """The store of people, budgets and usage."""

    memory_mb: MiB = Field(256, description=MEMORY)
    admin_port: Port | None = Field(
        None,
        description="Port of the host's loopback for its own administration; none unless given",
    )


class BillingApi(Resources):
    """The service that tenants ask for budgets and report usage to."""

    port: Port = Field(3000, description="Where tenants reach it on the Docker host's bridge")
    memory_mb: MiB = Field(256, description=MEMORY)


class Identity(Resources):
    """The login of all tenants, and the portal."""

    port: Port = Field(8090, description="Where people and tenants reach it on the host")
    memory_mb: MiB = Field(256, description=MEMORY)
    session: Duration = Field(43_200, description="How long a login lasts after the last click")


class Core(Section):
    """The shared services of a company's tenants."""

    slug: CoreSlug = Field("core", description="In every container's, network's and volume's name")
    name: str = Field(min_length=1, max_length=64, description="Shown at the login")
    currency: Currency = Field("EUR", description="Of all budgets")
    usd_rate: UsdRate | None = Field(
        None,
        description="What a US dollar is in that currency: the prices that LiteLLM knows are in"
        " dollars, and tenants multiply them by it, unless their own files have a rate",
    )
    domain: Domain | None = Field(None, description="Public name of login and portal, behind TLS")
    bind: IPvAnyAddress = Field(
        default="127.0.0.1",
        validate_default=True,
        description="Address of the host where people reach login and portal",
    )
    pocketbase: PocketBase = PocketBase()
    billing: BillingApi = BillingApi()
    identity: Identity = Identity()
    tenants: list[CoreTenant] = Field([], description="Those that it serves")

    @property
    def public_url(self) -> str:
        """Address of login and portal for people's browsers."""
        return public_url(self.domain, self.bind, self.identity.port)

    @field_validator("tenants")
    @classmethod
    def _slugs_differ(cls, tenants: list[CoreTenant]) -> list[CoreTenant]:
        raise_violations(repeated((tenant.slug for tenant in tenants), "slug", _UNUSED))
        emails: dict[_Path, str] = {
            (tenant_at, "people", person_at, "email"): person.email
            for tenant_at, tenant in enumerate(tenants)
            for person_at, person in enumerate(tenant.people)
        }
        raise_violations(_shared(emails, "a person of one tenant only"))
        return tenants

    @model_validator(mode="after")
    def _rate_is_needed(self) -> Self:
        if self.usd_rate and self.currency == DOLLAR:
            raise_violations(
                [Violation(("usd_rate",), "", f"none: the budgets are in {DOLLAR} already")]
            )
        return self

    @model_validator(mode="after")
    def _has_an_address(self) -> Self:
        if self.bind.is_unspecified and not self.domain:
            raise_violations(
                [Violation(("bind",), self.bind, f"{UNSPECIFIED}, or `domain` beside it")]
            )
        return self

    @model_validator(mode="after")
    def _ports_differ(self) -> Self:
        ports: dict[_Path, int | None] = {
            ("pocketbase", "admin_port"): self.pocketbase.admin_port,
            ("billing", "port"): self.billing.port,
            ("identity", "port"): self.identity.port,
        }
        raise_violations(_shared(ports, "already used by another service; choose another"))
        return self


def _shared(values: Mapping[_Path, object], allowed: str) -> Iterator[Violation]:
    """The places whose value is another place's, too."""
    times = Counter(values.values())
    return (Violation(path, value, allowed) for path, value in values.items() if times[value] > 1)
