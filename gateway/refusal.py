"""Refusals of requests, in words for the caller.

Open WebUI shows the message to the person word for word.
"""

from collections.abc import Mapping

from gateway.ledger import ReserveResult
from money.nanos import for_people

RETRY_SECONDS = 5

# What a person can tell apart: a millionth of the currency.
_FINEST = 1000

_KINDS: Mapping[int, str] = {
    403: "permission_error",
    503: "budget_unknown",
}


class Refusal(Exception):  # noqa: N818
    """A request is not answered; the text is for the caller."""

    def __init__(
        self,
        message: str,
        *,
        status: int,
        kind: str | None = None,
        param: str | None = None,
        retry: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind or _KINDS.get(status, "invalid_request_error")
        self.param = param
        self.headers = {"retry-after": str(RETRY_SECONDS)} if retry else {}


def bad_request(message: str, param: str | None = None) -> Refusal:
    """The request itself is at fault."""
    return Refusal(message, status=400, param=param)


def not_allowed(message: str) -> Refusal:
    """This key may not do that."""
    return Refusal(message, status=403)


def unknown_model(name: str) -> Refusal:
    """The tenant has no model of this name."""
    return Refusal(f"There is no model `{name[:64]}` here.", status=404, param="model")


def spent(reply: ReserveResult, min_cost: int) -> Refusal:
    """The budget does not hold this request."""
    left = max(0, reply.left)
    used = reply.total - (reply.allowance - reply.spent)
    return Refusal(
        f"Your budget of {_money(reply.total, reply)} does not cover this message: "
        f"{_money(_up(used), reply)} is used, {_money(left - left % _FINEST, reply)} is left, and "
        f"it would take at least {_money(_up(min_cost), reply)}. "
        "Ask your administrator to raise your budget.",
        status=402,
        kind="budget_exceeded",
    )


def refused(words: str) -> Refusal:
    """The Billing API's own words."""
    return Refusal(words, status=402, kind="budget_exceeded")


def busy(reply: ReserveResult) -> Refusal:
    """It will be decided when a request under way has ended."""
    return Refusal(
        f"What is left of your budget of {_money(reply.total, reply)} is set aside for requests "
        "that are still being answered. Try again when they are done.",
        status=429,
        kind="budget_reserved",
        retry=True,
    )


def away(message: str) -> Refusal:
    """Nobody can say whether the request may be paid."""
    return Refusal(message, status=503, kind="budget_unknown", retry=True)


def _money(nanos: int, reply: ReserveResult) -> str:
    return f"{for_people(nanos)} {reply.currency}".rstrip()


def _up(nanos: int) -> int:
    return -(-nanos // _FINEST) * _FINEST
