"""The models of LiteLLM's router, as `gateway.prices` reads them."""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from functools import cached_property
from typing import Any

from litellm import Router

from gateway.prices import Model, dearest
from gateway.request_policy import RequestError


class Models:
    """Models of a tenant by name, and deployments by id.

    Args:
        router: LiteLLM's, once it is there.
        usd_rate: of a US dollar, in which LiteLLM's own prices are, in the budgets' currency.
    """

    def __init__(self, router: Router, usd_rate: Decimal) -> None:
        self._router = router
        self._usd_rate = usd_rate
        self._models: dict[str, Model] = {}

    def model(self, name: str) -> Model:
        """A model, with everything it may fall back to.

        Raises:
            RequestError: there is none of this name. LiteLLM itself would also take the name of
                a deployment, or several names at once.
        """
        if name not in self._models:
            if name not in set(self._router.get_model_names()):
                raise RequestError(f"There is no model `{name[:64]}` here.", "model")
            could_answer = self._could_answer(name)
            self._models[name] = dearest(
                info for info in self._infos.values() if info["name"] in could_answer
            )
        return self._models[name]

    def info(self, deployment_id: str) -> Mapping[str, Any]:
        """LiteLLM's and the tenant's facts about a deployment."""
        return self._infos.get(deployment_id, {})

    @cached_property
    def _infos(self) -> Mapping[str, Mapping[str, Any]]:
        return {info["id"]: info for info in self._every_info()}

    def _every_info(self) -> Iterator[Mapping[str, Any]]:
        """Facts about every deployment, the tenant's own prices included."""
        for deployment in self._router.get_model_list() or []:
            own, model = deployment["model_info"], deployment["litellm_params"]["model"]
            known = self._router.get_deployment_model_info(model_id=own["id"], model_name=model)
            yield {
                **(known or {}),
                "id": own["id"],
                "name": deployment["model_name"],
                "model": model,
                "request_at_most": own.get("request_at_most"),
                "rate": Decimal(1) if own.get("own_price") else self._usd_rate,
            }

    def _could_answer(self, name: str) -> set[str]:
        """A model, what it may fall back to, and what that may fall back to."""
        found = {name}
        waiting = [name]
        while waiting:
            others = set(self._fallbacks(waiting.pop())) - found
            found |= others
            waiting += others
        return found

    def _fallbacks(self, name: str) -> list[str]:
        kinds = (self._router.fallbacks, self._router.context_window_fallbacks)
        return [other for kind in kinds for rule in kind or [] for other in rule.get(name, [])]
