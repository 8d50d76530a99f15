"""Signed-out logins stay signed out, also when Redis is full."""

from typing import Any

import jwt


def install(module: Any, redis: Any, *, prefix: str, answer_seconds: int) -> None:
    """Keep the mark of a login that was signed out for longer than any cached answer.

    A full Redis first evicts what would expire soonest. Each mark that still matters has more than
    `answer_seconds` left, and each cached answer less, so that the answers go first.

    Args:
        module: Open WebUI's routes of logins, which sign somebody out.
        redis: gives Open WebUI's Redis.
        prefix: of its keys there.
        answer_seconds: the longest time that Redis keeps a cached answer.
    """
    invalidate = module.invalidate_token

    async def invalidate_token(request: Any, token: str) -> None:
        await invalidate(request, token)
        login = jwt.decode(token, options={"verify_signature": False})
        key = f"{prefix}:auth:token:{login.get('jti')}:revoked"
        left = await redis().ttl(key)
        if left > 0:
            await redis().expire(key, left + answer_seconds + 1)

    module.invalidate_token = invalidate_token
