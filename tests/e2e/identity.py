"""How Open WebUI shows itself to the gateway, and for whom it vouches."""

import time

import jwt

from tests.e2e.conftest import Running


def secret(running: Running, name: str) -> str:
    """A secret of Open WebUI."""
    code, value = running.run("openwebui", "cat", f"/run/secrets/env/{name}", user="0")
    assert code == 0
    return value


def token(key: str, person: str, *, algorithm: str = "HS256", seconds: int = 300) -> dict[str, str]:
    """The header with which Open WebUI vouches for a person."""
    claims = {"email": person, "iss": "open-webui", "exp": int(time.time()) + seconds}
    signing_key = key if algorithm != "none" else ""
    return {"X-OpenWebUI-User-Jwt": jwt.encode(claims, signing_key, algorithm)}
