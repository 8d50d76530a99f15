"""The callers of the gateway: the administrator, the chat and programs, each known by a key.

The environment carries the keys `LITELLM_MASTER_KEY` and `OPENWEBUI_API_KEY`, and the secret
`OPENWEBUI_JWT_SECRET` that Open WebUI signs with; the keys of programs are in `gateway.settings`.
"""

import hmac
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from gateway import refusal
from gateway.payer import Payer, account_payer, chat_payer, program_payer
from gateway.request_policy import PASSED
from gateway.settings import ApiKey, Limits, settings

# What a chat needs, and what lies below.
CHAT_ROUTES = (
    "/v1/models",
    "/v1/models/{model}",
    "/v1/chat/completions",
    "/v1/embeddings",
    "/v1/audio/speech",
    "/v1/audio/transcriptions",
    "/v1/images/generations",
)
PROGRAM_ROUTES = (
    *CHAT_ROUTES,
    "/v1/completions",
    "/v1/messages",
    "/v1/messages/count_tokens",
    "/v1/responses",
    "/v1/responses/{response}",
)
ADMIN_ROUTES = (
    "/model/info",
    "/v1/model/info",
    "/v2/model/info",
    "/model_group/info",
    "/get/config/callbacks",
    "/active/callbacks",
    "/routes",
    "/cache/ping",
    "/cache/redis/info",
    "/cache/delete",
    "/metrics",
)

# What costs nothing about a model, and about an answer that a provider keeps: LiteLLM's names of
# answers say whose they are, and it refuses them to others.
_DETAILS = (
    ("GET", re.compile("/v1/models/.+"), "/v1/models/{model}"),
    ("GET", re.compile("/v1/responses/[^/]+(/input_items)?"), "/v1/responses/{response}"),
    ("DELETE", re.compile("/v1/responses/[^/]+"), "/v1/responses/{response}"),
    ("POST", re.compile("/v1/responses/[^/]+/cancel"), "/v1/responses/{response}"),
)

_NO_LIMITS = Limits(requests_per_minute=None, tokens_per_minute=None)


@dataclass(frozen=True, kw_only=True)
class Caller:
    """Whoever a request is from.

    Attributes:
        key_id: unlike that of any other key.
        key_name: of the key, as people know it.
        payer: has the budget.
        user: that the tenant's file names for the key; None if it names nobody.
        is_administrator: it may see the gateway's configuration.
        models: that it may use; empty for all of them.
        limits: of the key.
        person: whose requests are counted together; empty if nobody's are.
        person_limits: of that person.
    """

    key_id: str
    key_name: str
    payer: Payer
    user: str | None = None
    is_administrator: bool = False
    models: Sequence[str] = ()
    limits: Limits = _NO_LIMITS
    person: str = ""
    person_limits: Limits = _NO_LIMITS


@dataclass(frozen=True)
class KeyHolder:
    """Holder of a key.

    Attributes:
        routes: that the key may call.
        caller: made from Open WebUI's header about the person, which only the chat sends.
    """

    routes: tuple[str, ...]
    caller: Callable[[str | None], Caller]

    def may_call(self, method: str, route: str) -> bool:
        """Whether the key is for a route."""
        if route in self.routes:
            return route not in PASSED or method == "POST"
        path = route if route.startswith("/v1/") else f"/v1{route}"
        return any(
            method == allowed and pattern.fullmatch(path) and listed in self.routes
            for allowed, pattern, listed in _DETAILS
        )


def key_holder(api_key: str | None) -> KeyHolder | None:
    """The holder of a key; None for a key that is not known."""
    if _is(api_key, os.environ["LITELLM_MASTER_KEY"]):
        return KeyHolder((*PROGRAM_ROUTES, *ADMIN_ROUTES), _administrator)
    if _is(api_key, os.environ["OPENWEBUI_API_KEY"]):
        return KeyHolder(CHAT_ROUTES, _chat)
    for key in settings().keys:
        if _is(api_key, key.secret):
            return KeyHolder(PROGRAM_ROUTES, partial(_program, key))
    return None


def routes_of(api_key: str) -> tuple[str, ...] | None:
    """The routes that a key may call; None for a key that is not known."""
    holder = key_holder(api_key)
    return holder.routes if holder else None


def check_models(models: Sequence[str], model: object) -> None:
    """Refuse a model that is none of those of a key, if it is not for all of them.

    Raises:
        Refusal: it is not.
    """
    if models and model not in models:
        raise refusal.not_allowed(f"This key is for {', '.join(models)} only.")


def _is(api_key: str | None, expected: str) -> bool:
    return bool(api_key) and hmac.compare_digest(str(api_key).encode(), expected.encode())


def _administrator(_header: str | None) -> Caller:
    return Caller(
        key_id="administrator",
        key_name="administrator",
        payer=account_payer(settings()),
        is_administrator=True,
    )


def _chat(header: str | None) -> Caller:
    payer = chat_payer(header, os.environ["OPENWEBUI_JWT_SECRET"], settings())
    return Caller(
        key_id="openwebui",
        key_name="openwebui",
        payer=payer,
        # The limits are a person's; the tenant's account has none.
        person="" if payer == account_payer(settings()) else payer.key,
        person_limits=settings().person,
    )


def _program(key: ApiKey, _header: str | None) -> Caller:
    return Caller(
        key_id=f"program-{key.name}",
        key_name=key.name,
        payer=program_payer(key),
        user=key.user,
        models=key.models or (),
        limits=key,
    )
