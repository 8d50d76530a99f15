"""Logins at the tenant's OpenID provider."""

import base64
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Any
from urllib.parse import quote_plus, urlsplit

import httpx
from fastapi import HTTPException, Request, Response
from fastapi.responses import RedirectResponse
from open_webui.constants import ERROR_MESSAGES
from open_webui.internal.db import get_async_db
from open_webui.models.auths import Auths
from open_webui.models.users import User, UserModel, Users
from open_webui.utils import headers, oauth
from open_webui.utils.auth import get_password_hash, revoke_user_tokens
from sqlalchemy import select

from chat import accounts
from chat.accounts import PROVIDER, Step, VerifiedLogin, decide, of_subject
from chat.config import ChatConfig
from chat.outbound import Outbound

Claims = dict[str, Any]

_UNVERIFIED = "Your identity provider has not verified your e-mail address."
_TAKEN = (
    "This chat has an account with your e-mail address, and your identity provider has not verified"
    " that the address is yours. Ask the operator of this chat."
)
_TWO = (
    "This chat has two accounts for you: the one that you log in to, and one of its own with your"
    " present e-mail address. Ask the operator of this chat which one you keep."
)
_ENDPOINTS = ("token_endpoint", "userinfo_endpoint", "jwks_uri")

_email_of_login: ContextVar[str] = ContextVar("email_of_login", default="")


class Logins(oauth.OAuthManager):  # type: ignore[misc]
    """Lets in whom the OpenID provider vouches for, and nobody else."""

    def __init__(self, app: object, config: ChatConfig, outbound: Outbound | None) -> None:
        super().__init__(app)
        self._config = config
        self._outbound = outbound
        for client in self._clients.values():
            client.load_server_metadata = self._discovering(client, client.load_server_metadata)
            client.authorize_access_token = self._verifying(client, client.authorize_access_token)
        self._by_subject = Users.get_user_by_oauth_sub
        Users.get_user_by_oauth_sub = self._account

    async def handle_login(self, request: Request, provider: str) -> Response:
        """Open WebUI shows a bare "Internal Server Error" while the provider is away."""
        try:
            answer: Response = await super().handle_login(request, provider)
        except (httpx.HTTPError, ValueError, RuntimeError) as error:
            oauth.log.warning("The OpenID provider does not answer: %r", error)
            return _failed(ERROR_MESSAGES.OAUTH_LOGIN_FAILED)
        return answer

    async def handle_callback(
        self, request: Request, provider: str, response: Response, db: Any = None
    ) -> Response:
        """Let somebody in, and write down with the account who it is."""
        with accounts.logging_in():
            answer: Response = await super().handle_callback(request, provider, response, db=db)
            if words := getattr(request.state, "refusal", None):
                return _failed(words)
            login = getattr(request.state, "login", None)
            if login and "error=" not in answer.headers.get("location", ""):
                await self._remember(login)
        return answer

    async def get_user_role(self, user: object, user_data: Claims, **more: Any) -> str:
        """Open WebUI lets in whom the provider gives no role, and leaves them the one they had."""
        config = await oauth.get_oauth_runtime_config()
        if oauth._get_claim(user_data, config.OAUTH_ROLES_CLAIM):
            return str(await super().get_user_role(user, user_data, **more))
        if "*" in config.OAUTH_ALLOWED_ROLES:
            return "user"
        raise HTTPException(403, ERROR_MESSAGES.ACCESS_PROHIBITED)

    def _discovering(self, client: Any, load: Callable[[], Awaitable[Claims]]) -> Any:
        """Follow what the provider says of itself: where it is asked, and how."""

        async def load_server_metadata() -> Claims:
            metadata = await load()
            for url in filter(None, (metadata.get(name) for name in _ENDPOINTS)):
                if self._outbound:
                    self._outbound.allow(*_place(str(url)))
            client.client_kwargs["token_endpoint_auth_method"] = authentication(metadata)
            return metadata

        return load_server_metadata

    def _verifying(self, client: Any, ask: Callable[..., Awaitable[Claims]]) -> Any:
        """Look at who comes before Open WebUI does, and have an account ready for them."""

        async def authorize_access_token(request: Request, **more: Any) -> Claims:
            # Each client of the provider is made with what it says of itself.
            await client.load_server_metadata()
            token = await ask(request, **more)
            claims = await self._claims(client, token)
            try:
                login = self._login(client, claims)
                await self.get_user_role(None, claims)
                _email_of_login.set(login.email)
                await self._prepare(request, login)
            except HTTPException as refusal:
                request.state.refusal = refusal.detail
                raise
            request.state.login = login
            return token | {"userinfo": claims}

        return authorize_access_token

    async def _claims(self, client: Any, token: Claims) -> Claims:
        claims = dict(token.get("userinfo") or {})
        email, name = self._config.email_claim, self._config.name_claim
        if not claims.get(email) or not claims.get(name):
            more = dict(await client.userinfo(token=token))
            if more.get("sub") in (None, claims.get("sub")):
                claims = more | claims
        if not claims.get(name):
            claims[name] = claims.get(email)
        return claims

    def _login(self, client: Any, claims: Claims) -> VerifiedLogin:
        email = claims.get(self._config.email_claim)
        if not email:
            found = ", ".join(sorted(claims)) or "none"
            raise HTTPException(
                403,
                f"Your identity provider sends no claim “{self._config.email_claim}” with your"
                f" e-mail address (it sends: {found}).",
            )
        verified = str(claims.get("email_verified")).lower()  # some say it as a word
        if verified == "false":
            raise HTTPException(403, _UNVERIFIED)
        return VerifiedLogin(
            issuer=str(client.server_metadata["issuer"]),
            subject=str(claims["sub"]),
            email=str(email).lower(),
            verified=verified == "true",
        )

    async def _prepare(self, request: Request, login: VerifiedLogin) -> None:
        own = await self._account(PROVIDER, login.subject)
        holder = await Users.get_user_by_email(login.email)
        step = decide(login, own, holder)
        if step is Step.REFUSE:
            raise HTTPException(403, _TWO if login.verified else _TAKEN)
        if step is Step.SET_ASIDE:
            await _set_aside(request, holder)
        if step is Step.LINK:
            await _link(request, holder, login)

    async def _account(self, provider: str, sub: str, db: Any = None) -> UserModel | None:
        """The account of a subject of this provider, or one from before issuers were kept."""
        if provider != PROVIDER:
            found: UserModel | None = await self._by_subject(provider, sub, db=db)
            return found
        issuer = self._clients[PROVIDER].server_metadata.get("issuer")
        stored = User.oauth[PROVIDER]
        query = select(User).where(stored["sub"].as_string() == str(sub))
        async with get_async_db() as session:
            rows = (await session.execute(query)).scalars().all()
        row = of_subject(rows, issuer, _email_of_login.get())
        return UserModel.model_validate(row) if row else None

    async def _remember(self, login: VerifiedLogin) -> None:
        account = await self._account(PROVIDER, login.subject)
        if account:
            await _write_down(account, login)


async def end_unnamed_sessions() -> None:
    """Ask people to log in once whose account does not say yet who pays for it."""
    stored = User.oauth[PROVIDER]
    query = select(User.id).where(
        stored["sub"].as_string().is_not(None), stored["iss"].as_string().is_(None)
    )
    async with get_async_db() as session:
        for account_id in (await session.execute(query)).scalars().all():
            await Auths.revoke_sessions_by_user_id(account_id, db=session)
        await session.commit()


def sign_with_login() -> None:
    """Have the signed header say who pays, as the login wrote it down."""
    key = headers.FORWARD_USER_INFO_HEADER_JWT_SECRET
    mint = headers._mint_forward_user_jwt

    def signed(user: Any) -> str:
        found = headers.jwt.decode(mint(user), key, algorithms=["HS256"])
        return str(headers.jwt.encode(found | accounts.claims(user), key, algorithm="HS256"))

    headers._mint_forward_user_jwt = signed


def authentication(metadata: Claims) -> Any:
    """The chat's client authentication: one that the provider takes, or Basic if it names none."""
    methods = metadata.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    return "client_secret_post" if "client_secret_basic" not in methods else basic


def basic(client: Any, _method: str, uri: str, sent: Any, body: Any) -> tuple[str, Any, Any]:
    """HTTP Basic as RFC 6749, 2.3.1 has it: id and secret are encoded as in a form."""
    pair = f"{quote_plus(client.client_id)}:{quote_plus(client.client_secret)}"
    sent["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    return uri, sent, body


async def _set_aside(request: Request, holder: UserModel) -> None:
    """Free an address that is another person's now; its former one keeps account and chats."""
    await Auths.update_email_by_id(holder.id, accounts.set_aside_email(holder.id))
    login = {name: value for name, value in accounts.stored(holder).items() if name != "email"}
    await Users.update_user_by_id(holder.id, {"oauth": (holder.oauth or {}) | {PROVIDER: login}})
    await revoke_user_tokens(request, holder.id)


async def _link(request: Request, holder: UserModel, login: VerifiedLogin) -> None:
    """Give an account of the chat's own to its person, and to nobody who had it before."""
    await _write_down(holder, login)
    await Auths.update_user_password_by_id(holder.id, await get_password_hash(_nobodys()))
    await Users.delete_user_api_key_by_id(holder.id)
    await revoke_user_tokens(request, holder.id)


def _nobodys() -> str:
    return base64.urlsafe_b64encode(oauth.uuid.uuid4().bytes + oauth.uuid.uuid4().bytes).decode()


async def _write_down(account: UserModel, login: VerifiedLogin) -> None:
    written = {"sub": login.subject, "iss": login.issuer, "email": login.email}
    await Users.update_user_by_id(
        account.id, {"oauth": (account.oauth or {}) | {PROVIDER: written}}
    )


def _failed(words: str) -> RedirectResponse:
    return RedirectResponse(f"/auth?error={quote_plus(words)}", 302)


def _place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
