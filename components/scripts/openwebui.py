"""The chat's application for uvicorn: Open WebUI, with sign-up and logins as the docs say."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import quote_plus

import httpx
import open_webui.main  # type: ignore[import-not-found]
from fastapi import HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from open_webui.constants import ERROR_MESSAGES  # type: ignore[import-not-found]
from open_webui.utils import oauth  # type: ignore[import-not-found]

Claims = dict[str, Any]

_UNVERIFIED = "Your identity provider has not verified your e-mail address."

_create_admin = open_webui.main.create_admin_user


async def _create_admin_only(email: str, password: str, name: str) -> None:
    # Told of a new admin, Open WebUI closes sign-up until its next start, whatever its
    # environment says.
    await _create_admin(email, password, name)


class _Logins(oauth.OAuthManager):  # type: ignore[misc]
    """Lets in whom the OpenID provider vouches for, and nobody else."""

    def __init__(self, app: object) -> None:
        super().__init__(app)
        for client in self._clients.values():
            client.authorize_access_token = _verified(client.authorize_access_token)
            client.userinfo = _verified(client.userinfo)

    async def handle_login(self, request: Request, provider: str) -> Response:
        """Open WebUI shows a bare "Internal Server Error" while the provider is away."""
        try:
            answer: Response = await super().handle_login(request, provider)
        except (httpx.HTTPError, ValueError, RuntimeError) as error:
            oauth.log.warning("The OpenID provider does not answer: %r", error)
            return RedirectResponse(f"/auth?error={quote_plus(ERROR_MESSAGES.OAUTH_LOGIN_FAILED)}")
        return answer

    async def get_user_role(self, user: object, user_data: Claims, **more: Any) -> str:
        """Open WebUI lets in whom the provider gives no role, and leaves them the one they had."""
        config = await oauth.get_oauth_runtime_config()
        if oauth._get_claim(user_data, config.OAUTH_ROLES_CLAIM):
            return str(await super().get_user_role(user, user_data, **more))
        if "*" in config.OAUTH_ALLOWED_ROLES:
            return "user"
        raise HTTPException(403, ERROR_MESSAGES.ACCESS_PROHIBITED)


def _verified(ask: Callable[..., Awaitable[Claims]]) -> Callable[..., Awaitable[Claims]]:
    """Refuse an e-mail that its provider calls unverified: its account comes with it.

    It is refused here because Open WebUI joins the two before it looks at anything else.
    """

    async def answer(*args: Any, **more: Any) -> Claims:
        found = await ask(*args, **more)
        claims = found.get("userinfo") or found
        if str(claims.get("email_verified")).lower() == "false":  # some say it as a word
            raise HTTPException(403, _UNVERIFIED)
        return found

    return answer


open_webui.main.create_admin_user = _create_admin_only
app = open_webui.main.app
open_webui.main.oauth_manager = app.state.oauth_manager = _Logins(app)
