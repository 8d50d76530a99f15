"""Accounts of services at PostgreSQL and Valkey, each with a password of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

from components.services.modules import service_modules
from components.spec import SecretRef, SecretText
from components.stack_config import StackConfig
from tenants.model import Tenant

MAINTENANCE = "postgres"
"""The database that is always there, and that belongs to no service."""


@dataclass(frozen=True, kw_only=True)
class DatabaseRole:
    """A role of PostgreSQL.

    Attributes:
        name: of the role.
        owns_database: it has a database of its own name; otherwise it is let into `MAINTENANCE`.
        visits: it is let into the databases of all owners instead.
        member_of: the roles of PostgreSQL's own that say what it may read.
        on_restore: a statement that its restored database is given before it is used.
    """

    name: str
    owns_database: bool = False
    visits: bool = False
    member_of: Sequence[str] = ()
    on_restore: str = ""

    @property
    def database(self) -> str:
        """The only database that it is let into."""
        return self.name if self.owns_database else MAINTENANCE

    @property
    def secret(self) -> str:
        """Name of the password's secret."""
        return f"{self.name}-database"

    def url(self, scheme: str, *, query: str = "") -> SecretText:
        """Address of its database."""
        password = SecretRef(self.secret)
        return SecretText(
            [
                f"{scheme}://{self.name}:",
                password,
                f"@postgres:5432/{self.database}{query and f'?{query}'}",
            ]
        )


@dataclass(frozen=True, kw_only=True)
class ValkeyUser:
    """A user of Valkey, who has its own keys and commands and nothing else.

    Attributes:
        name: of the user.
        rules: as Valkey's access lists have them; a new user may do nothing.
    """

    name: str
    rules: str

    @property
    def secret(self) -> str:
        """Name of the password's secret."""
        return f"redis-{self.name}"

    def url(self, *, database: int) -> SecretText:
        """Address of one of the numbered databases."""
        password = SecretRef(self.secret)
        return SecretText([f"redis://{self.name}:", password, f"@redis:6379/{database}"])


def database_roles(tenant: Tenant, config: StackConfig) -> list[DatabaseRole]:
    """The roles of all services of a tenant, by name."""
    modules = service_modules(tenant, config).values()
    roles = (role for module in modules for role in getattr(module, "DATABASE_ROLES", ()))
    return sorted(roles, key=lambda role: role.name)


def valkey_users(tenant: Tenant, config: StackConfig) -> list[ValkeyUser]:
    """The users of all services of a tenant, by name."""
    modules = service_modules(tenant, config).values()
    users = (user for module in modules for user in getattr(module, "VALKEY_USERS", ()))
    return sorted(users, key=lambda user: user.name)
