"""What a caller is told when a request is refused.

Open WebUI shows the message to the person word for word.
"""

from litellm.proxy._types import ProxyException

from gateway.ledger import Reply
from gateway.money import for_people

RETRY_SECONDS = 5

# What a person can tell apart: a millionth of the currency.
_FINEST = 1000


def bad_request(message: str, param: str | None) -> ProxyException:
    """The request itself is at fault."""
    return ProxyException(message=message, type="invalid_request_error", param=param, code=400)


def not_allowed(message: str) -> ProxyException:
    """This key may not do that."""
    return ProxyException(message=message, type="permission_error", param=None, code=403)


def spent(reply: Reply, least: int) -> ProxyException:
    """The budget does not hold this request."""
    left = max(0, reply.left)
    used = reply.total - (reply.allowance - reply.spent)
    return _refusal(
        f"Your budget of {_money(reply.total, reply)} does not cover this message: "
        f"{_money(_up(used), reply)} is used, {_money(left - left % _FINEST, reply)} is left, and "
        f"it would take at least {_money(_up(least), reply)}. Ask your administrator to raise your "
        "budget.",
        code=402,
        kind="budget_exceeded",
    )


def refused(words: str) -> ProxyException:
    """The Billing API's own words."""
    return _refusal(words, code=402, kind="budget_exceeded")


def busy(reply: Reply) -> ProxyException:
    """It will be decided when a request under way has ended."""
    return _refusal(
        f"What is left of your budget of {_money(reply.total, reply)} is set aside for requests "
        "that are still being answered. Try again when they are done.",
        code=429,
        kind="budget_reserved",
        retry=True,
    )


def away(message: str) -> ProxyException:
    """Nobody can say whether the request may be paid."""
    return _refusal(message, code=503, kind="budget_unknown", retry=True)


def _money(nanos: int, reply: Reply) -> str:
    return f"{for_people(nanos)} {reply.currency}".rstrip()


def _up(nanos: int) -> int:
    return -(-nanos // _FINEST) * _FINEST


def _refusal(message: str, *, code: int, kind: str, retry: bool = False) -> ProxyException:
    return ProxyException(
        message=message,
        type=kind,
        param=None,
        code=code,
        openai_code=kind,
        headers={"retry-after": str(RETRY_SECONDS)} if retry else None,
    )
