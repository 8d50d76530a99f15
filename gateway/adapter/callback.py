"""LiteLLM's callback: no request without a reservation, no end without an event.

LiteLLM calls `guard` before each request and when one has ended. It knows a request by an id of
ours, which travels in LiteLLM's own metadata.
"""

import asyncio
import os
import time
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import litellm
from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy import proxy_server
from litellm.proxy._types import UserAPIKeyAuth

from gateway import log, refusal
from gateway.adapter.auth import is_guarded, proxy_exception
from gateway.adapter.auth import payer as payer_of
from gateway.adapter.models import Models
from gateway.adapter.usage import is_estimate, mark_estimates
from gateway.admission import Admission
from gateway.answers import words_of
from gateway.billing import Billing
from gateway.billing_health import BillingHealth
from gateway.bookkeeper import Bookkeeper, InFlightRequest
from gateway.budgets import Budgets
from gateway.callers import check_models
from gateway.contents import contents
from gateway.estimate import limit_answer
from gateway.health import Health, add_routes
from gateway.ledger import Ledger
from gateway.metrics import ALLOWED, GUARD_SECONDS, REFUSALS
from gateway.outbox_worker import connect
from gateway.request_policy import FREE, OUTPUT_LIMITS
from gateway.settings import Settings, settings
from gateway.settlement import Outcome, charge, charge_counts, event_of

_ID = "cloudfreedom_request"
_LIMIT = "cloudfreedom_limit"

# What LiteLLM puts beside the caller's own parameters.
_LITELLMS_OWN = {
    "litellm_call_id",
    "litellm_logging_obj",
    "litellm_metadata",
    "metadata",
    "proxy_server_request",
    "secret_fields",
    "_litellm_strip_stream_usage",
}

# A try's own failure may be reported after the request's.
_LATE_SECONDS = 1.0


class Guard(CustomLogger):  # type: ignore[misc]
    """The one instance is `guard`, below."""

    guards_budgets = True

    # What needs a running loop is made when LiteLLM first calls, from within its own.

    @cached_property
    def _settings(self) -> Settings:
        return settings()

    @cached_property
    def ledger(self) -> Ledger:
        """The tenant's ledger."""
        return connect()

    @cached_property
    def _bookkeeper(self) -> Bookkeeper:
        longest = self._settings.longest_request_seconds
        return Bookkeeper(self.ledger, longest_request_seconds=longest)

    @cached_property
    def _billing(self) -> Billing:
        return Billing(self._settings, os.environ["BILLING_API_KEY"])

    @cached_property
    def _admission(self) -> Admission:
        grace_seconds = self._settings.billed.grace_seconds
        return Admission(
            Budgets(self.ledger, self._bookkeeper, self._billing, grace_seconds=grace_seconds),
            markup_percent=self._settings.markup_percent,
            model=self._models.model,
            count=_count,
        )

    @cached_property
    def _models(self) -> Models:
        return Models(proxy_server.llm_router, self._settings.billed.usd_rate)

    @cached_property
    def billing_health(self) -> BillingHealth:
        """Whether the tenant's Billing API answers."""
        grace_seconds = self._settings.billed.grace_seconds
        return BillingHealth(self._billing, self._settings.account, grace_seconds=grace_seconds)

    # --- before a request

    async def async_pre_call_hook(
        self,
        user_api_key_dict: UserAPIKeyAuth,
        cache: object,  # noqa: ARG002
        data: dict[str, Any],
        call_type: str,
    ) -> dict[str, Any]:
        """Let a request through, with a reservation.

        Raises:
            ProxyException: it is refused.
        """
        if call_type in FREE:
            return data
        started = time.perf_counter()
        payer = payer_of(user_api_key_dict)
        own = {name: value for name, value in data.items() if name not in _LITELLMS_OWN}
        try:
            check_models(user_api_key_dict.models, data.get("model"))
            admitted = await self._admission.admit(payer, call_type, own)
            limit = limit_answer(call_type, data, admitted.estimate, admitted.amount)
        except refusal.Refusal as refused:
            REFUSALS.labels(refused.kind).inc()
            model = str(data.get("model"))[:64]
            log.write("refused", reason=refused.kind, user=payer.user_id, model=model)
            raise proxy_exception(refused) from None
        _metadata(data).update({_ID: admitted.request_id, _LIMIT: limit})
        ALLOWED.inc()
        GUARD_SECONDS.observe(time.perf_counter() - started)
        return data

    async def async_post_call_response_headers_hook(
        self,
        data: dict[str, Any],
        user_api_key_dict: UserAPIKeyAuth,  # noqa: ARG002
        response: object,  # noqa: ARG002
        request_headers: dict[str, str] | None = None,  # noqa: ARG002
    ) -> dict[str, str]:
        """Say how long the answer may be, where the budget holds no longer one."""
        limit = _metadata(data).get(_LIMIT)
        return {"x-cloudfreedom-answer-tokens": str(limit)} if limit else {}

    # --- after it

    async def async_log_success_event(
        self,
        kwargs: Mapping[str, Any],
        response_obj: object,
        start_time: object,  # noqa: ARG002
        end_time: object,  # noqa: ARG002
    ) -> None:
        """A provider, or the cache, has answered; also to a caller who did not wait for all."""
        request_id = _id_in(kwargs)
        request = self._bookkeeper.under_way(request_id)
        if request is None:
            return
        payload = kwargs["standard_logging_object"]
        if not payload["cache_hit"]:
            await self._charge(request, payload, kwargs, response_obj)
        # Somebody else may have seen its end while words were counted.
        if self._bookkeeper.under_way(request_id):
            self._end(request_id, request)

    async def _charge(
        self,
        request: InFlightRequest,
        payload: Mapping[str, Any],
        kwargs: Mapping[str, Any],
        answer: object,
    ) -> None:
        outcome, markup_percent = self._outcome(payload), self._settings.markup_percent
        if outcome.has_price:
            charge(request, outcome, markup_percent)
            return
        counts, call_type = outcome.counts, payload["call_type"]
        if not any(counts) and call_type in OUTPUT_LIMITS:
            counts = await asyncio.to_thread(_counted_words, call_type, kwargs, answer)
        charge_counts(request, outcome, counts, markup_percent)

    async def async_log_failure_event(
        self,
        kwargs: Mapping[str, Any],
        response_obj: object,  # noqa: ARG002
        start_time: object,  # noqa: ARG002
        end_time: object,  # noqa: ARG002
    ) -> None:
        """One try has failed; it has a cost if the provider had begun to answer."""
        request = self._bookkeeper.under_way(_id_in(kwargs))
        payload = kwargs.get("standard_logging_object")
        if request and payload and payload["response_cost"]:
            charge(request, self._outcome(payload, failed=True), self._settings.markup_percent)

    async def async_post_call_failure_hook(
        self,
        request_data: dict[str, Any],
        original_exception: Exception,  # noqa: ARG002
        user_api_key_dict: UserAPIKeyAuth,  # noqa: ARG002
        traceback_str: str | None = None,  # noqa: ARG002
    ) -> None:
        """The caller gets an error."""
        loop = asyncio.get_running_loop()
        loop.call_later(_LATE_SECONDS, self._end_failed, _metadata(request_data).get(_ID, ""))

    def _end_failed(self, request_id: str) -> None:
        request = self._bookkeeper.under_way(request_id)
        if request:
            self._end(request_id, request, failed=True)

    def _end(self, request_id: str, request: InFlightRequest, *, failed: bool = False) -> None:
        ended_at = int(time.time() * 1000)
        event = event_of(request_id, request, ended_at=ended_at, failed=failed)
        self._bookkeeper.end(event)
        log.write("request", **self._billing.on_wire(event))

    def _outcome(self, payload: Mapping[str, Any], *, failed: bool = False) -> Outcome:
        """One try, out of LiteLLM's report of it."""
        deployment_id = str(payload["model_id"] or "")
        error = payload["error_information"] or {}
        return Outcome(
            # The ids of a model's deployments begin with its name.
            model=deployment_id.rpartition("/")[0],
            tokens_in=payload["prompt_tokens"] or 0,
            tokens_out=payload["completion_tokens"] or 0,
            cost=payload["response_cost"] or 0,
            info=self._models.info(str(payload["model_id"])),
            estimated=is_estimate(payload),
            cut=failed or error.get("error_class") == "ClientDisconnected",
        )


def _metadata(data: dict[str, Any]) -> dict[str, Any]:
    """LiteLLM's metadata of a request, under whichever of its two names it is."""
    for name in ("litellm_metadata", "metadata"):
        if isinstance(data.get(name), dict) and "user_api_key" in data[name]:
            return data[name]  # type: ignore[no-any-return]
    return {}


def _id_in(kwargs: Mapping[str, Any]) -> str:
    metadata = (kwargs.get("litellm_params") or {}).get("metadata") or {}
    return str(metadata.get(_ID, ""))


def _counted_words(call_type: str, kwargs: Mapping[str, Any], answer: object) -> tuple[int, int]:
    """Tokens of a prompt and an answer whose provider did not count them; none without words."""
    prompt = contents({"messages": kwargs.get("input") or kwargs.get("messages")}).text
    words = words_of(answer)
    if not words and call_type != "aembedding":
        return 0, 0
    return _count(prompt), _count(words)


def _count(text: str) -> int:
    return int(litellm.token_counter(text=text))


mark_estimates()
guard = Guard()
add_routes(
    proxy_server.app,
    Health(loaded=is_guarded, ledger=lambda: guard.ledger, billing=lambda: guard.billing_health),
)
