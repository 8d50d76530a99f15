"""LiteLLM's callback: no request without a reservation, no end without an event.

LiteLLM calls `guard` before each request and when one has ended. It knows a request by an id of
ours, which travels in LiteLLM's own metadata.
"""

import asyncio
import logging
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import replace
from decimal import Decimal
from functools import cached_property
from typing import Any

import litellm
from litellm.integrations.custom_logger import CustomLogger
from litellm.proxy import proxy_server
from litellm.proxy._types import UserAPIKeyAuth
from redis.exceptions import OutOfMemoryError, RedisError

from gateway import refusal
from gateway.answers import words_of
from gateway.auth import check_models, is_guarded, proxy_exception
from gateway.auth import payer as payer_of
from gateway.billing import Billing
from gateway.billing_health import BillingHealth
from gateway.bookkeeper import Bookkeeper, InFlightRequest, ReservationRequest
from gateway.budgets import Budgets
from gateway.contents import contents
from gateway.estimate import Estimate, Request, limit_answer
from gateway.health import Health, add_routes
from gateway.ledger import Event, Ledger, Reservation, ReserveResult, Verdict
from gateway.log import write as _write
from gateway.metrics import ALLOWED, GUARD_SECONDS, REFUSALS
from gateway.outbox_worker import connect
from gateway.payer import Payer
from gateway.prices import Model, dearest, words_cost
from gateway.request_policy import FREE, OUTPUT_LIMITS, RequestError, validate_call
from gateway.settings import Settings, settings
from gateway.usage import is_estimate, mark_estimates
from money.nanos import from_decimal, from_float, with_markup

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

# Counted byte by byte, a longer text would have to pay for far more than it is.
_LONG = 100_000

# A try's own failure may be reported after the request's.
_LATE_SECONDS = 1.0

_NO_LEDGER = "Your budget cannot be looked up at the moment. Try again in a moment."
_FULL_LEDGER = (
    "Your budget cannot be looked up, because Redis is full. Tell your administrator, or try again"
    " later."
)

log = logging.getLogger("gateway")


class Guard(CustomLogger):  # type: ignore[misc]
    """The one instance is `guard`, below."""

    guards_budgets = True

    def __init__(self) -> None:
        super().__init__()
        self._models: dict[str, Model] = {}

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
    def _budgets(self) -> Budgets:
        grace_seconds = self._settings.billed.grace_seconds
        return Budgets(self.ledger, self._bookkeeper, self._billing, grace_seconds=grace_seconds)

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
        try:
            check_models(user_api_key_dict, data.get("model"))
            await self._admit(payer, data, call_type)
        except refusal.Refusal as refused:
            REFUSALS.labels(refused.kind).inc()
            model = str(data.get("model"))[:64]
            _write("refused", reason=refused.kind, user=payer.user_id, model=model)
            raise proxy_exception(refused) from None
        ALLOWED.inc()
        GUARD_SECONDS.observe(time.perf_counter() - started)
        return data

    async def _admit(self, payer: Payer, data: dict[str, Any], call_type: str) -> None:
        asked = {name: value for name, value in data.items() if name not in _LITELLMS_OWN}
        request_id = uuid.uuid4().hex
        try:
            validate_call(call_type, asked)
            estimate, reservation = await self._reserve(request_id, payer, call_type, asked)
        except RequestError as error:
            raise refusal.bad_request(str(error), error.param) from None
        except OutOfMemoryError:
            log.warning("Redis is full")
            raise refusal.away(_FULL_LEDGER) from None
        except (RedisError, OSError) as error:
            log.warning("Redis does not answer: %s", error)
            raise refusal.away(_NO_LEDGER) from None
        limit = limit_answer(call_type, data, estimate, reservation.amount)
        _metadata(data).update({_ID: request_id, _LIMIT: limit})

    async def _reserve(
        self, request_id: str, payer: Payer, call_type: str, asked: Mapping[str, Any]
    ) -> tuple[Estimate, Reservation]:
        """Reserve by a quick estimate, or by a close one where that is too much."""
        request = Request(
            call_type=call_type,
            body=asked,
            model=self._model(asked["model"]),
            markup_percent=self._settings.markup_percent,
        )

        async def reserve(estimate: Estimate, min_cost: int) -> tuple[ReserveResult, Reservation]:
            reservation = Reservation(
                user=payer.key,
                user_id=payer.user_id,
                subject=payer.subject,
                model=asked["model"],
                tokens_in=estimate.tokens_in,
                tokens_out=estimate.tokens_out,
                at=_now(),
            )
            wanted = ReservationRequest(
                request_id=request_id,
                reservation=reservation,
                max_cost=estimate.max_cost,
                min_cost=min_cost,
                former_key=payer.former_key,
                thinks=request.thinks,
            )
            reply = await self._budgets.reserve(wanted)
            return reply, replace(reservation, amount=reply.amount)

        estimate = request.bound()
        if estimate.tokens_in <= _LONG:
            reply, reservation = await reserve(estimate, min_cost=estimate.max_cost)
            if reply.verdict not in (Verdict.BUSY, Verdict.SPENT):
                return estimate, _granted(reply, reservation, estimate)
        estimate = await asyncio.to_thread(request.counted, _count)
        reply, reservation = await reserve(estimate, min_cost=estimate.min_cost)
        return estimate, _granted(reply, reservation, estimate)

    def _model(self, name: str) -> Model:
        """A model of this tenant, with everything it may fall back to.

        Raises:
            RequestError: there is none of this name. LiteLLM itself would also take the name of
                a deployment, or several names at once.
        """
        if name not in self._models:
            router = proxy_server.llm_router
            names = set(router.get_model_names()) if router else set()
            if name not in names:
                raise RequestError(f"There is no model `{name[:64]}` here.", "model")
            could_answer = _could_answer(router, name)
            self._models[name] = dearest(
                info for info in self._infos.values() if info["name"] in could_answer
            )
        return self._models[name]

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
        counts = payload["prompt_tokens"] or 0, payload["completion_tokens"] or 0
        info = self._info(payload)
        if payload["response_cost"] or (any(counts) and words_cost(info, *counts) == 0):
            self._add(request, payload)
            request.estimated |= is_estimate(payload)
            if _left(payload):
                _cut(request)
            return
        request.model_used = _answered_by(payload, request.reservation.model)
        request.estimated = True
        if not any(counts) and payload["call_type"] in OUTPUT_LIMITS:
            counts = await asyncio.to_thread(_words, payload["call_type"], kwargs, answer)
        price = words_cost(info, *counts) if any(counts) else None
        if price is None:
            # Nobody can tell what it cost, and nothing is free.
            _charge_all(request)
            return
        self._charge_for(request, counts, from_decimal(price))

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
            self._add(request, payload)
            _cut(request)

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
        held = request.reservation
        at = _now()
        event = Event(
            request_id=request_id,
            user=held.user,
            user_id=held.user_id,
            subject=held.subject,
            model=held.model,
            model_used=request.model_used,
            tokens_in=request.tokens_in,
            tokens_out=request.tokens_out,
            cost=request.cost,
            milliseconds=max(0, at - held.at),
            ended_at=at,
            failed=failed,
            estimated=request.estimated,
            over_reserved=max(0, request.cost - held.amount),
        )
        self._bookkeeper.end(event)
        _write("request", **self._billing.on_wire(event))

    def _add(self, request: InFlightRequest, payload: Mapping[str, Any]) -> None:
        counts = payload["prompt_tokens"] or 0, payload["completion_tokens"] or 0
        rate = self._info(payload).get("rate", Decimal(1))
        self._charge_for(request, counts, from_float(payload["response_cost"] or 0, rate))
        request.model_used = _answered_by(payload, request.reservation.model)

    def _charge_for(self, request: InFlightRequest, counts: tuple[int, int], nanos: int) -> None:
        request.tokens_in += counts[0]
        request.tokens_out += counts[1]
        request.cost += with_markup(nanos, self._settings.markup_percent)

    def _info(self, payload: Mapping[str, Any]) -> Mapping[str, Any]:
        """What is known of the deployment that answered."""
        return self._infos.get(str(payload["model_id"]), {})

    @cached_property
    def _infos(self) -> Mapping[str, Mapping[str, Any]]:
        """What is known of every deployment, by its id."""
        return {info["id"]: info for info in _infos(proxy_server.llm_router, self._settings)}


def _granted(reply: ReserveResult, reservation: Reservation, estimate: Estimate) -> Reservation:
    match reply.verdict:
        case Verdict.GRANTED:
            return reservation
        case Verdict.REFUSED:
            raise refusal.refused(reply.words)
        case Verdict.BUSY:
            raise refusal.busy(reply)
        case Verdict.SPENT:
            raise refusal.spent(reply, estimate.min_cost)
        case Verdict.LATE:
            raise refusal.away(_NO_LEDGER)
        case _:
            raise refusal.away(
                "Your budget cannot be looked up, because the Billing API does not answer. "
                "Try again later."
            )


def _infos(router: litellm.Router, settings: Settings) -> Iterator[Mapping[str, Any]]:
    """What LiteLLM knows of every deployment, the tenant's own prices included."""
    for deployment in router.get_model_list() or []:
        own, model = deployment["model_info"], deployment["litellm_params"]["model"]
        known = router.get_deployment_model_info(model_id=own["id"], model_name=model)
        yield {
            **(known or {}),
            "id": own["id"],
            "name": deployment["model_name"],
            "model": model,
            "request_at_most": own.get("request_at_most"),
            # LiteLLM's own prices are in US dollars.
            "rate": Decimal(1) if own.get("own_price") else settings.billed.usd_rate,
        }


def _could_answer(router: litellm.Router, name: str) -> set[str]:
    """A model, what it may fall back to, and what that may fall back to."""
    found = {name}
    waiting = [name]
    while waiting:
        others = set(_fallbacks(router, waiting.pop())) - found
        found |= others
        waiting += others
    return found


def _fallbacks(router: litellm.Router, name: str) -> list[str]:
    kinds = (router.fallbacks, router.context_window_fallbacks)
    return [other for kind in kinds for rule in kind or [] for other in rule.get(name, [])]


def _metadata(data: dict[str, Any]) -> dict[str, Any]:
    """LiteLLM's metadata of a request, under whichever of its two names it is."""
    for name in ("litellm_metadata", "metadata"):
        if isinstance(data.get(name), dict) and "user_api_key" in data[name]:
            return data[name]  # type: ignore[no-any-return]
    return {}


def _id_in(kwargs: Mapping[str, Any]) -> str:
    metadata = (kwargs.get("litellm_params") or {}).get("metadata") or {}
    return str(metadata.get(_ID, ""))


def _answered_by(payload: Mapping[str, Any], asked: str) -> str:
    """Name of the model that answered: the ids of its deployments begin with it."""
    return str(payload["model_id"] or "").rpartition("/")[0] or asked


def _cut(request: InFlightRequest) -> None:
    """The provider had no chance to count; what it thought out of sight is billed all the same."""
    request.estimated = True
    if request.thinks:
        _charge_all(request)


def _words(call_type: str, kwargs: Mapping[str, Any], answer: object) -> tuple[int, int]:
    """Tokens of a prompt and an answer whose provider did not count them; none without words."""
    prompt = contents({"messages": kwargs.get("input") or kwargs.get("messages")}).text
    words = words_of(answer)
    if not words and call_type != "aembedding":
        return 0, 0
    return _count(prompt), _count(words)


def _charge_all(request: InFlightRequest) -> None:
    """As if nobody had seen the end of the request."""
    held = request.reservation
    request.cost, request.estimated = max(held.amount, request.cost), True
    request.tokens_in, request.tokens_out = held.tokens_in, held.tokens_out


def _left(payload: Mapping[str, Any]) -> bool:
    """Whether the caller left before the provider could count."""
    error = payload["error_information"] or {}
    return error.get("error_class") == "ClientDisconnected"


def _count(text: str) -> int:
    return int(litellm.token_counter(text=text))


def _now() -> int:
    return int(time.time() * 1000)


mark_estimates()
guard = Guard()
add_routes(
    proxy_server.app,
    Health(loaded=is_guarded, ledger=lambda: guard.ledger, billing=lambda: guard.billing_health),
)
