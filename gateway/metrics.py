"""Metrics for Prometheus at `/metrics`; no label names a person."""

from collections.abc import Iterator, Mapping
from time import time

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gateway.ledger import AGAIN, KEPT, OUTBOX, REFUSED, RESERVATIONS, TOTALS, Ledger
from money.nanos import NANOS

REGISTRY = CollectorRegistry()
ALLOWED = Counter("gateway_allowed_total", "Requests let through", registry=REGISTRY)
REFUSALS = Counter(
    "gateway_refused_total", "Requests refused, by reason", ["reason"], registry=REGISTRY
)
GUARD_SECONDS = Histogram(
    "gateway_guard_seconds",
    "What the guard adds to a request before its provider is called",
    buckets=(0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.5, 2),
    registry=REGISTRY,
)
BILLING_UP = Gauge(
    "gateway_billing_up", "Whether the Billing API answered the last question", registry=REGISTRY
)
BILLING_SECONDS = Histogram(
    "gateway_billing_seconds",
    "How long the Billing API took for a budget",
    buckets=(0.005, 0.02, 0.1, 0.5, 1, 2),
    registry=REGISTRY,
)
UNWRITTEN = Gauge(
    "gateway_unwritten_events", "Events that Redis has not taken yet", registry=REGISTRY
)

_TOTALS = {
    "settled": "Requests whose cost is written down",
    "estimated": "Requests whose end nobody saw, settled at what was set aside",
    "delivered": "Events that the Billing API has",
    "resent": "Events sent again to a Billing API that came back from a backup",
    "unkept": "Events kept no longer, though no backup of the Billing API has them: too many",
}


async def exposition(ledger: Ledger) -> bytes:
    """All metrics in Prometheus's text format.

    Raises:
        RedisError: Redis does not answer.
    """
    async with ledger.redis.pipeline(transaction=False) as pipeline:
        pipeline.hgetall(TOTALS)
        pipeline.hlen(RESERVATIONS)
        pipeline.xlen(OUTBOX)
        pipeline.xlen(REFUSED)
        pipeline.xlen(AGAIN)
        pipeline.xlen(KEPT)
        pipeline.xrange(OUTBOX, count=1)
        totals, reserved, waiting, refused, again, kept_events, oldest = await pipeline.execute()
    age = max(0.0, time() - int(oldest[0][0].partition("-")[0]) / 1000) if oldest else 0.0
    kept = CollectorRegistry()
    gauges = {
        "gateway_reservations": ("Requests under way", reserved),
        "gateway_outbox_events": ("Events that wait for the Billing API", waiting + again),
        "gateway_outbox_age_seconds": ("How long the oldest of them waits", age),
        "gateway_refused_events": ("Events that the Billing API does not take", refused),
        "gateway_kept_events": ("Events that no backup of the Billing API has yet", kept_events),
    }
    kept.register(_Kept(totals, gauges))
    return generate_latest(REGISTRY) + generate_latest(kept)


class _Kept(Collector):
    """Counts that Redis keeps, so that they survive a restart of LiteLLM."""

    def __init__(self, totals: dict[str, str], gauges: Mapping[str, tuple[str, float]]) -> None:
        self._totals, self._gauges = totals, gauges

    def collect(self) -> Iterator[Metric]:
        """The metrics."""
        for name, text in _TOTALS.items():
            yield CounterMetricFamily(f"gateway_{name}", text, int(self._totals.get(name, 0)))
        spent = int(self._totals.get("spent", 0)) / NANOS
        yield CounterMetricFamily("gateway_spent", "What requests cost, in the currency", spent)
        for name, (text, value) in self._gauges.items():
            yield GaugeMetricFamily(name, text, value)
