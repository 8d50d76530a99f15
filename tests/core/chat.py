"""A tenant's chat as far as logging in goes, on an OpenID client that is none of ours.

It asks for tokens and checks them as Open WebUI does: with PKCE, state and nonce, and with keys
that it finds by discovery.
"""

import os
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import httpx
import jwt
from requests_oauthlib import OAuth2Session

from core.services.settings import Tenant

SCOPE = ("openid", "email", "profile")
LOGOUT = "http://schemas.openid.net/event/backchannel-logout"

Claims = dict[str, Any]

# The client would take nothing but https.
os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"


@dataclass(kw_only=True)
class Chat:
    """It runs while its context lasts.

    Attributes:
        host: 0.0.0.0 is no loopback address, and leads here all the same.
        provider: where it asks for tokens; known once identity runs.
        tokens: what it got, in order.
        logouts: claims of logout tokens that count for it.
    """

    slug: str
    port: int
    host: str = "127.0.0.1"
    secret: str = field(default_factory=lambda: secrets.token_hex(32))
    provider: str = ""
    tokens: list[Mapping[str, Any]] = field(default_factory=list)
    logouts: list[Claims] = field(default_factory=list)
    _under_way: dict[str, tuple[OAuth2Session, str]] = field(default_factory=dict)
    _keys: jwt.PyJWKSet | None = None

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    @property
    def redirect_uri(self) -> str:
        return f"{self.url}/oauth/oidc/callback"

    @property
    def signed_out_uri(self) -> str:
        return f"{self.url}/auth"

    @property
    def tenant(self) -> Tenant:
        return Tenant(
            slug=self.slug,
            name=self.slug.partition("-")[0].title(),
            chat_url=self.url,
            default_budget=None,
            people=(),
        )

    def configuration(self) -> Claims:
        found = httpx.get(f"{self.provider}/.well-known/openid-configuration")
        return dict(found.raise_for_status().json())

    # --- Logging in

    def authorize_url(self, scope: tuple[str, ...] = SCOPE, **more: str) -> str:
        """Where it sends somebody to log in."""
        session = OAuth2Session(self.slug, redirect_uri=self.redirect_uri, scope=scope, pkce="S256")
        endpoint, nonce = self.configuration()["authorization_endpoint"], secrets.token_hex(8)
        url, state = session.authorization_url(endpoint, nonce=nonce, **more)
        self._under_way[state] = session, nonce
        return str(url)

    def log_in(self, callback: str, *, secret_in_form: bool = False) -> Claims:
        """What the ID token says of somebody who came back."""
        answer = dict(parse_qsl(urlsplit(callback).query))
        session, nonce = self._under_way.pop(answer["state"])
        found = self.configuration()
        assert answer["iss"] == found["issuer"]
        tokens = session.fetch_token(
            found["token_endpoint"],
            authorization_response=callback,
            client_secret=self.secret,
            include_client_id=secret_in_form or None,
        )
        self.tokens.append(tokens)
        claims = self.checked(tokens["id_token"])
        assert claims["nonce"] == nonce
        return claims

    def checked(self, id_token: str) -> Claims:
        found = self.configuration()
        claims: Claims = jwt.decode(
            id_token,
            jwt.PyJWKClient(found["jwks_uri"]).get_signing_key_from_jwt(id_token),
            algorithms=found["id_token_signing_alg_values_supported"],
            audience=self.slug,
            issuer=found["issuer"],
            options={"require": ["iss", "sub", "aud", "exp", "iat", "nonce"]},
        )
        return claims

    # --- Logging out

    def read_keys(self) -> None:
        """Once only: when a token is signed by another key, Open WebUI does not ask again."""
        found = httpx.get(self.configuration()["jwks_uri"]).raise_for_status()
        self._keys = jwt.PyJWKSet.from_dict(found.json())

    def is_logout(self, token: str) -> bool:
        """Whether a logout token counts."""
        if self._keys is None:
            self.read_keys()
        assert self._keys
        kid = jwt.get_unverified_header(token)["kid"]
        try:
            claims = jwt.decode(
                token,
                next(key for key in self._keys.keys if key.key_id == kid),
                algorithms=["RS256"],
                audience=self.slug,
                issuer=self.configuration()["issuer"],
                options={"require": ["iss", "aud", "iat", "exp", "jti", "events", "sub"]},
            )
        except (jwt.InvalidTokenError, StopIteration):
            return False
        assert LOGOUT in claims["events"]
        assert "nonce" not in claims
        self.logouts.append(claims)
        return True

    # --- Its pages

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"chat": self})
        self._server = ThreadingHTTPServer((self.host, self.port), handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    chat: Chat

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/login":
            self._answer(302, location=self.chat.authorize_url())
        elif path == "/oauth/oidc/callback":
            self._answer(200, f"Welcome, {self.chat.log_in(self.chat.url + self.path)['email']}!")
        else:
            self._answer(200, f"The chat of {self.chat.slug}")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        counts = self.chat.is_logout(dict(parse_qsl(body))["logout_token"])
        self._answer(200 if counts else 400)

    def _answer(self, status: int, text: str = "", **headers: str) -> None:
        self.send_response(status)
        for name, value in {**headers, "content-type": "text/plain"}.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_request(self, *_: object) -> None:
        """Nothing: tests say themselves what they see."""
