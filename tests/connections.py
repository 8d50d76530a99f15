"""How the tests' clients connect."""

from typing import Any

import httpx

# A connection that is kept can be closed while a request is on its way to it: by httpx, which
# closes what is idle beyond its limits though another thread was just given it, or by a server
# that has waited long enough. Either would fail a test for nothing.
_ONE_A_REQUEST = httpx.Limits(max_connections=None, max_keepalive_connections=0)


def client(*, headers: dict[str, str] | None = None, **options: Any) -> httpx.Client:
    """A client with a connection of its own for each request.

    It tells the server so, since for a moment after an answer even a connection that is not to
    be kept would be given to another thread.
    """
    told = {**(headers or {}), "Connection": "close"}
    return httpx.Client(headers=told, limits=_ONE_A_REQUEST, **options)
