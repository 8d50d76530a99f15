"""The applications that people log in to: each tenant's Open WebUI."""

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from core.services.settings import Tenant, settings


@dataclass(frozen=True)
class Client:
    """A tenant's Open WebUI."""

    tenant: Tenant

    @property
    def id(self) -> str:
        """The `client_id`."""
        return self.tenant.slug

    @property
    def url(self) -> str:
        """Address at which people open it."""
        return self.tenant.chat_url

    @property
    def origin(self) -> str:
        """Scheme and host of the URL."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def redirect_uri(self) -> str:
        """The only address that a code may be sent to."""
        return f"{self.url}/oauth/oidc/callback"

    @property
    def signed_out_uri(self) -> str:
        """The address that somebody who signed out may be sent to."""
        return f"{self.url}/auth"

    @property
    def logout_uri(self) -> str:
        """Address that is told when somebody has signed out everywhere."""
        return f"{self.url}/oauth/backchannel-logout"

    @property
    def is_in_reach(self) -> bool:
        """Whether we can tell it anything: a loopback address would lead to ourselves."""
        host = urlsplit(self.url).hostname or ""
        try:
            return not ip_address(host).is_loopback
        except ValueError:
            return host != "localhost" and not host.endswith(".localhost")


def find_client(client_id: str) -> Client | None:
    """A client, if there is one of that id."""
    return next((client for client in all_clients() if client.id == client_id), None)


def all_clients() -> list[Client]:
    """Every client."""
    return [Client(tenant) for tenant in settings().tenants]
