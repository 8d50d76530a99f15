"""The chat's part of the tenant's file: JSON that `components/services/openwebui.py` writes."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_MEBIBYTE = 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class ChatConfig:
    """The tenant's file, as far as the chat needs it.

    Attributes:
        url: where people open the chat; logins return there.
        names: each name that people open it under, host[:port] in small letters.
        destinations: hosts and ports that its process may connect to.
        plugins: whether admins may add functions, tools and pipelines.
        connections: whether admins may add addresses of other services.
        login: whether people log in at an OpenID provider.
        email_claim: the claim that holds a person's e-mail.
        name_claim: the claim that holds a person's name.
        max_file_mb: the size of the largest file that somebody may upload.
        max_files: the number of files that a message may bring.
        answer_seconds: the longest time that Redis keeps a cached answer.
    """

    url: str
    names: tuple[str, ...]
    destinations: tuple[tuple[str, int], ...]
    plugins: bool = False
    connections: bool = False
    login: bool = False
    email_claim: str = "email"
    name_claim: str = "name"
    max_file_mb: int = 20
    max_files: int = 10
    answer_seconds: int = 3600

    @property
    def max_file_bytes(self) -> int:
        """The size of the largest file."""
        return self.max_file_mb * _MEBIBYTE


def load() -> ChatConfig:
    """The file that the environment names."""
    path = Path(os.environ["CLOUDFREEDOM_CHAT_CONFIG"])
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    values["names"] = tuple(values["names"])
    values["destinations"] = tuple((host, port) for host, port in values["destinations"])
    return ChatConfig(**values)
