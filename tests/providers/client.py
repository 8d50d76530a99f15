"""What the tests say to the providers of `server.py`, and ask them."""

from dataclasses import dataclass
from urllib.parse import quote

import httpx
from pydantic import TypeAdapter

from .server import Behaviour, Call

CALLS = TypeAdapter(list[Call])


@dataclass(frozen=True)
class Deployment:
    """LiteLLM's `api_base` is `url` for Anthropic, `url/v1` for OpenAI, `url/v1beta` for Gemini."""

    base_url: str
    name: str

    @property
    def url(self) -> str:
        return f"{self.base_url}/{quote(self.name, safe='')}"

    @property
    def _control(self) -> str:
        return f"{self.base_url}/_control/{quote(self.name, safe='')}"

    def set(self, **behaviour: object) -> None:
        body = Behaviour.model_validate(behaviour).model_dump()
        httpx.put(self._control, json=body).raise_for_status()

    def calls(self) -> list[Call]:
        return CALLS.validate_json(httpx.get(self._control).raise_for_status().content)


@dataclass(frozen=True)
class Providers:
    base_url: str

    def deployment(self, name: str) -> Deployment:
        return Deployment(self.base_url, name)

    def reset(self) -> None:
        httpx.delete(f"{self.base_url}/_control").raise_for_status()
