"""Two routes of the gateway: whether it may be used, and its metrics."""

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import FastAPI, Response
from redis.exceptions import OutOfMemoryError, RedisError, ResponseError

from gateway.billing_health import BillingHealth
from gateway.ledger import Ledger
from gateway.metrics import exposition

ANSWERS = "answers"


@dataclass(frozen=True, kw_only=True)
class Health:
    """The parts that the answer depends on; they are there once LiteLLM's loop runs.

    Attributes:
        loaded: whether LiteLLM checks budgets.
        ledger: the tenant's.
        billing: whether its Billing API answers.
    """

    loaded: Callable[[], bool]
    ledger: Callable[[], Ledger]
    billing: Callable[[], BillingHealth]

    async def report(self) -> tuple[int, dict[str, bool | str]]:
        """Status and body: 503 if budgets are not checked, or cannot be.

        That is so, too, once the Billing API has been away for longer than the grace.
        """
        loaded, redis = self.loaded(), await ledger_state(self.ledger())
        health = self.billing()
        billing = await health.status()
        fine = loaded and redis == ANSWERS and health.within_grace
        return 200 if fine else 503, {"loaded": loaded, "redis": redis, "billing": billing}


async def ledger_state(ledger: Ledger) -> str:
    """`ANSWERS` if Redis takes a reservation, or else the reason."""
    try:
        await ledger.probe()
    except OutOfMemoryError:
        return "Redis is full: every request is refused until `redis.memory_mb` is raised"
    except ResponseError as error:
        return f"Redis refuses to write: {error}"
    except (RedisError, OSError):
        return "Redis does not answer"
    return ANSWERS


def add_routes(app: FastAPI, health: Health) -> None:
    """Let an application answer at `/health/guard` and `/metrics`."""

    async def guard(response: Response) -> dict[str, bool | str]:
        response.status_code, report = await health.report()
        return report

    async def metrics() -> Response:
        text = await exposition(health.ledger())
        return Response(text, media_type="text/plain; version=0.0.4")

    app.get("/health/guard", include_in_schema=False)(guard)
    app.get("/metrics", include_in_schema=False)(metrics)
