"""An OpenID provider that says of whoever comes what it was told to say, and asks nobody.

    python3 bare.py '{"host": "127.0.0.1", ...}'

The argument is a `Settings`, and so is the body of `PUT /_control`.
"""

import base64
import sys
import time
from typing import Annotated, Any
from urllib.parse import unquote_plus, urlencode

import uvicorn
from fastapi import FastAPI, Form, HTTPException, Request
from fastapi.responses import RedirectResponse
from joserfc import jwt
from joserfc.jwk import RSAKey
from pydantic import BaseModel

KEY = RSAKey.generate_key(2048, auto_kid=True)
CODES: dict[str, dict[str, str]] = {}


class Settings(BaseModel):
    """The provider's one client, and the person who comes next.

    `methods` is how the client may show its secret; `later` are claims that userinfo alone has.
    """

    host: str
    port: int
    client_id: str
    client_secret: str
    methods: list[str] = ["client_secret_basic"]
    issuer: str = ""
    claims: dict[str, Any] = {}
    later: dict[str, Any] = {}


def application(settings: Settings) -> FastAPI:  # noqa: C901 - each route is one of a standard
    app = FastAPI()
    app.state.settings = settings
    url = f"http://{settings.host}:{settings.port}"

    def now() -> Settings:
        current: Settings = app.state.settings
        return current

    def issuer() -> str:
        return now().issuer or url

    @app.put("/_control")
    async def control(request: Request) -> None:
        app.state.settings = Settings.model_validate_json(await request.body())

    @app.get("/.well-known/openid-configuration")
    def discovery() -> dict[str, Any]:
        paths = {
            "authorization_endpoint": "authorize",
            "token_endpoint": "token",
            "userinfo_endpoint": "userinfo",
            "jwks_uri": "jwks",
        }
        return {
            "issuer": issuer(),
            **{name: f"{url}/{path}" for name, path in paths.items()},
            "token_endpoint_auth_methods_supported": now().methods,
            "id_token_signing_alg_values_supported": ["RS256"],
        }

    @app.get("/jwks")
    def jwks() -> dict[str, Any]:
        return {"keys": [KEY.as_dict(private=False)]}

    @app.get("/authorize")
    def authorize(redirect_uri: str, state: str, nonce: str = "") -> RedirectResponse:
        code = f"code-{len(CODES)}"
        CODES[code] = {"nonce": nonce, "redirect_uri": redirect_uri}
        return RedirectResponse(f"{redirect_uri}?{urlencode({'code': code, 'state': state})}")

    @app.post("/token")
    def token(
        request: Request,
        code: Annotated[str, Form()],
        client_id: Annotated[str, Form()] = "",
        client_secret: Annotated[str, Form()] = "",
    ) -> dict[str, Any]:
        settings, method = now(), "client_secret_post"
        scheme, _, value = request.headers.get("authorization", "").partition(" ")
        if scheme == "Basic":
            method = "client_secret_basic"
            pair = base64.b64decode(value).decode().split(":", 1)
            client_id, client_secret = map(unquote_plus, pair)
        shown = (client_id, client_secret)
        if method not in settings.methods or shown != (settings.client_id, settings.client_secret):
            raise HTTPException(401, {"error": "invalid_client", "method": method})
        at = int(time.time())
        claims = {
            "iss": issuer(),
            "aud": settings.client_id,
            "iat": at,
            "exp": at + 600,
            "nonce": CODES.pop(code)["nonce"],
            **settings.claims,
        }
        signed = jwt.encode({"alg": "RS256", "kid": KEY.kid}, claims, KEY)
        return {"access_token": "access", "token_type": "Bearer", "id_token": signed}

    @app.get("/userinfo")
    def userinfo() -> dict[str, Any]:
        return {"sub": now().claims.get("sub"), **now().later}

    return app


if __name__ == "__main__":
    given = Settings.model_validate_json(sys.argv[1])
    uvicorn.run(application(given), host=given.host, port=given.port)
