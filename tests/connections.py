"""How the tests' clients connect."""

from typing import Any

import httpx


def client(*, headers: dict[str, str] | None = None, **options: Any) -> httpx.Client:
    """A client with a connection of its own for each request.

    One that is kept can be closed while a request is on its way to it: by httpx, which closes
    what is idle beyond its limits though another thread was just given it, or by a server that
    has waited long enough. Either would fail a test for nothing.
    """
    told = {**(headers or {}), "Connection": "close"}
    return httpx.Client(headers=told, limits=httpx.Limits(max_connections=None), **options)
