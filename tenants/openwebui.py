"""The section `openwebui`: the chat."""

import re
from contextlib import suppress
from ipaddress import ip_address
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from schema.duration import Duration
from schema.types import HOST_NAME_PATTERN, MEMORY, AppMiB, Port, Resources, ascii_name, url_host


def _chat_name(text: str) -> str:
    """A host with or without a port, as a browser sends it."""
    found = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]+)(?::([0-9]{1,5}))?", text)
    host = _host(found[1]) if found else ""
    if not found or not host or not 0 < int(found[2] or 1) <= 65_535:  # noqa: PLR2004
        raise ValueError(
            "a name or an address that people open the chat at, in small letters, with the port"
            " where the browser shows one: chat.example.com, 192.0.2.7:3000, [2001:db8::1]:3000"
        )
    return host + (f":{found[2]}" if found[2] else "")


def _host(text: str) -> str:
    """A host in the form that browsers send; empty if it is none."""
    with suppress(ValueError):
        address = ip_address(text.strip("[]"))
        return url_host(address) if text.startswith("[") == (address.version == 6) else ""  # noqa: PLR2004
    last = text.rpartition(".")[2]
    return text if re.fullmatch(HOST_NAME_PATTERN, text) and not last.isdigit() else ""


ChatName = Annotated[str, BeforeValidator(ascii_name), AfterValidator(_chat_name)]


class OpenWebUI(Resources):
    """The chat."""

    port: Port = Field(description="Where it listens on the host")
    memory_mb: AppMiB = Field(1024, description=MEMORY)
    signup: bool = Field(False, description="Whether anyone may make an account")
    session: Duration = Field(43_200, description="How long a login lasts")
    names: list[ChatName] = Field(
        [],
        description="Every name and address that people open the chat at, besides `domain`, with"
        " the port where the browser shows one; under any other the chat says where it is."
        " Without `domain` the first is where logins return to",
    )
    connections: bool = Field(
        False,
        description="Whether admins of the chat may add addresses of other services: models that"
        " no budget covers, web search, images. They then reach what its networks reach",
    )
    plugins: bool = Field(
        False,
        description="Whether admins of the chat may add functions, tools and pipelines. Their code"
        " runs with all of the chat's secrets",
    )
    max_file_mb: int = Field(
        20, ge=1, le=1024, description="Largest file that somebody may upload, in MiB"
    )
    max_files: int = Field(10, ge=1, le=100, description="Files that one message may bring")
