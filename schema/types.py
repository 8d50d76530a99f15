"""Types of the files of tenants and cores: sections, names, ports, sizes, addresses."""

from contextlib import suppress
from datetime import date
from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, HttpUrl, IPvAnyAddress

from schema.text import constrained_str

Port = Annotated[int, Field(ge=1024, le=65535)]
MiB = Annotated[int, Field(ge=64, le=262_144)]
AppMiB = Annotated[int, Field(ge=512, le=262_144)]
"""Of LiteLLM and Open WebUI, which are killed while they start with less."""

Cpus = Annotated[Decimal, Field(ge=Decimal("0.1"), le=Decimal(64), decimal_places=1)]
Slug = Annotated[
    str,
    *constrained_str(
        r"[a-z]([a-z0-9-]{0,28}[a-z0-9])?",
        "up to 30 small letters, digits and dashes, starting with a letter",
    ),
]

KeyName = Annotated[
    str, *constrained_str(r"[a-z][a-z0-9-]{0,30}", "up to 31 small letters, digits and dashes")
]

UrlPath = Annotated[str, *constrained_str(r"/[A-Za-z0-9._~/-]*", "a path that starts with /")]
HOST_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
HOST_NAME_PATTERN = rf"({HOST_LABEL}\.)*{HOST_LABEL}"


def ascii_name(name: object) -> object:
    """A name as the network writes it: `chat.пример` is `chat.xn--e1afmkfd`."""
    if isinstance(name, str) and not name.isascii():
        with suppress(UnicodeError):
            return name.lower().encode("idna").decode()
    return name


Domain = Annotated[
    str,
    BeforeValidator(ascii_name),
    *constrained_str(
        rf"({HOST_LABEL}\.)+([a-z]{{2,63}}|xn--[a-z0-9-]{{2,59}})",
        "a full domain name in small letters, such as chat.example.com",
    ),
]


class Section(BaseModel):
    """A part of the file: unknown keys and silent conversions are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


MEMORY = "Most memory it may use, in MiB; there is no swap"
"""Description of `memory_mb`, for services with a default of their own."""


class Resources(Section):
    """Memory and processors of a container."""

    memory_mb: MiB = Field(description=MEMORY)
    cpus: Cpus = Field(Decimal(1), description="Most processors it may use, such as 0.5")


Currency = Annotated[str, *constrained_str(r"[A-Z]{3}", "a currency's three letters, such as EUR")]
DOLLAR = "USD"


class UsdRate(Section):
    """The price of a US dollar, in which LiteLLM knows what models cost."""

    rate: Annotated[Decimal, Field(gt=0, le=1_000_000, decimal_places=9)] = Field(
        description="One US dollar in the currency of the budgets, such as 0.86"
    )
    as_of: date = Field(description="Day of the rate, such as 2026-11-20")


def service_sections(stack: BaseModel) -> dict[str, str]:
    """Sections of a tenant or a core that a container runs, by the name of the service."""
    return {
        name.replace("_", "-"): name for name, section in stack if isinstance(section, Resources)
    }


def base_url(url: HttpUrl) -> str:
    """An address that paths are put behind: pydantic ends a mere host with a slash."""
    return str(url).rstrip("/")


def public_url(domain: str | None, bind: IPvAnyAddress, port: int) -> str:
    """Address that people open for a port of the host, which may have a name behind TLS."""
    return f"https://{domain}" if domain else f"http://{url_host(bind)}:{port}"


def url_host(address: IPvAnyAddress) -> str:
    """An address as URLs write it."""
    return f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004


UNSPECIFIED = "an address that people open"
"""The allowed value instead of all addresses, where nothing says another name."""
