"""The section `login`: the OpenID provider that people log in at."""

from typing import Annotated

from pydantic import Field, HttpUrl

from schema.text import constrained_str
from schema.types import Section
from tenants.url import ReachableUrl

CORE_LOGINS = ("identity-core", "pocketbase-core")
"""Host names of the core's login; files that came from the original template have the second."""

Role = Annotated[str, *constrained_str(r"[^\s,]([^,\n]*[^\s,])?", "a name without commas")]
Scope = Annotated[str, *constrained_str(r"[!#-\[\]-~]+", "a word without spaces and quotes")]


class Login(Section):
    """Logins at an OpenID provider, such as the core's; without it Open WebUI has passwords.

    An account belongs to the provider's subject, whatever e-mail it has. One that the chat made
    itself is taken over by the same e-mail, if the provider says that it is verified.
    """

    issuer: ReachableUrl = Field(
        HttpUrl(f"http://{CORE_LOGINS[0]}:8090"),
        description="Its address as the tenant's containers reach it; below it is"
        " /.well-known/openid-configuration",
    )
    name: str = Field("PocketBase", min_length=1, max_length=64, description="On the button")
    client_id: str | None = Field(
        None, min_length=1, max_length=254, description="The tenant's; SLUG unless given"
    )
    scopes: list[Scope] = Field(
        [], description="Asked for besides openid, email and profile, such as groups"
    )
    roles_claim: str = Field(
        "role", min_length=1, description="Where it says who may do what; a.b is b within a"
    )
    email_claim: str = Field(
        "email", min_length=1, description="Where it says a person's e-mail, such as upn"
    )
    name_claim: str = Field(
        "name",
        min_length=1,
        description="Where it says a person's name; without one the e-mail is shown",
    )
    users: list[Role] = Field(
        ["user"],
        min_length=1,
        description='Roles that may chat; "*" is whoever the provider lets in. Whoever has none of'
        " these and of `admins` is refused",
    )
    admins: list[Role] = Field(["admin"], description="Roles that administer Open WebUI, too")
    passwords: bool = Field(
        False, description="Whether accounts of Open WebUI's own, such as its first admin's, stay"
    )
