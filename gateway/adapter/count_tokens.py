"""Counting the tokens of a prompt of Anthropic's API, here and at no cost.

LiteLLM's own route asks the provider, of which many cannot count.
"""

import asyncio
from typing import Annotated, Any

import litellm
from fastapi import Depends, FastAPI, Request
from litellm.proxy import proxy_server
from litellm.proxy._types import UserAPIKeyAuth
from litellm.proxy.auth.user_api_key_auth import user_api_key_auth
from litellm.proxy.common_utils.http_parsing_utils import read_request_body

from gateway import refusal
from gateway.adapter.auth import proxy_exception
from gateway.callers import check_models
from gateway.contents import contents
from gateway.images import most_tokens
from gateway.tools import added_tokens

PATH = "/v1/messages/count_tokens"


def add_route(app: FastAPI) -> None:
    """Answer in front of LiteLLM's own route."""
    app.add_api_route(PATH, _answer, methods=["POST"], include_in_schema=False)
    app.router.routes.insert(0, app.router.routes.pop())


async def _answer(
    request: Request, caller: Annotated[UserAPIKeyAuth, Depends(user_api_key_auth)]
) -> dict[str, int]:
    body: dict[str, Any] = await read_request_body(request)
    router = proxy_server.llm_router
    try:
        check_models(caller.models, body["model"])
        if router is None or body["model"] not in router.get_model_names():
            raise refusal.unknown_model(body["model"])
    except refusal.Refusal as refused:
        raise proxy_exception(refused) from None
    return {"input_tokens": await asyncio.to_thread(_count, body)}


def _count(body: dict[str, Any]) -> int:
    """An estimate: the words by OpenAI's tokenizer, and what images and tools add at most."""
    found = contents(body)
    prompt = {name: found.words[name] for name in ("system", "messages", "tools") if body.get(name)}
    found.words = prompt
    images = sum(most_tokens([body["model"]], image) or 0 for image in found.images)
    tools = added_tokens(body.get("tools") or ())
    return int(litellm.token_counter(text=found.text)) + images + tools
