"""What the guard is compared with: a callback that asks and tells the Billing API on every request.

It is copied beside `gateway/` into a LiteLLM container, and runs nowhere else.
"""

import json
import os
import uuid
from pathlib import Path
from typing import Any

import aiohttp
from litellm.integrations.custom_logger import CustomLogger

SETTINGS = json.loads(Path("/etc/litellm/gateway.json").read_text(encoding="utf-8"))


class Naive(CustomLogger):  # type: ignore[misc]
    """Two posts a request; it guards nothing when many ask at once."""

    guards_budgets = True

    def __init__(self) -> None:
        super().__init__()
        self._session: aiohttp.ClientSession | None = None

    async def async_pre_call_hook(
        self,
        user_api_key_dict: object,  # noqa: ARG002
        cache: object,  # noqa: ARG002
        data: dict[str, Any],
        call_type: str,  # noqa: ARG002
    ) -> dict[str, Any]:
        """Ask."""
        question = {**self._who(), "model": data["model"], "cost_estimate": "0"}
        assert (await self._post("check_path", question))["allowed"]
        return data

    async def async_log_success_event(
        self,
        kwargs: dict[str, Any],
        response_obj: object,  # noqa: ARG002
        start_time: object,  # noqa: ARG002
        end_time: object,  # noqa: ARG002
    ) -> None:
        """Tell."""
        payload = kwargs["standard_logging_object"]
        event = {
            **self._who(),
            "model": payload["model_group"],
            "request_id": uuid.uuid4().hex,
            "tokens_input": payload["prompt_tokens"],
            "tokens_output": payload["completion_tokens"],
            "cost_total": f"{payload['response_cost']:.9f}",
            "response_time": 1,
            "ended_at": "2026-01-01T00:00:00Z",
            "status": "success",
            "estimated": False,
        }
        await self._post("log_path", event)

    def _who(self) -> dict[str, str]:
        return {"tenant_id": SETTINGS["tenant"], "user_id": SETTINGS["account"]}

    async def _post(self, path: str, body: dict[str, Any]) -> Any:
        self._session = self._session or aiohttp.ClientSession()
        url = SETTINGS["billing"]["url"] + SETTINGS["billing"][path]
        headers = {"X-API-Key": os.environ["BILLING_API_KEY"]}
        async with self._session.post(url, json=body, headers=headers) as response:
            return await response.json()


naive = Naive()
