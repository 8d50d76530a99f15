"""Cookies: for us alone, out of reach of scripts, and gone with the browser."""

from typing import Final

from fastapi import Request, Response

from core.services.settings import settings

SESSION = "core_session"
VISITOR = "core_visitor"

# Not `strict`: whoever comes from a chat to log in is to be known here.
_SAME_SITE: Final = "lax"


def read(request: Request, name: str) -> str:
    """A cookie's value; empty if there is none."""
    return request.cookies.get(_full(name), "")


def write(response: Response, name: str, value: str) -> None:
    """Set a cookie."""
    response.set_cookie(
        _full(name), value, path="/", secure=_secure(), httponly=True, samesite=_SAME_SITE
    )


def remove(response: Response, name: str) -> None:
    """Take a cookie away."""
    response.delete_cookie(
        _full(name), path="/", secure=_secure(), httponly=True, samesite=_SAME_SITE
    )


def _secure() -> bool:
    return settings().public_url.startswith("https:")


def _full(name: str) -> str:
    # With the prefix, neither another host of the domain nor plain http can set it.
    return f"__Host-{name}" if _secure() else name
