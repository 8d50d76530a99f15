"""The chat's application for uvicorn: Open WebUI, bound to the tenant's file."""

import os
from collections.abc import Awaitable, Callable
from importlib.resources import files as package_files
from pathlib import Path

import open_webui.main
from cryptography.fernet import Fernet
from open_webui.env import REDIS_KEY_PREFIX, WEBUI_SECRET_KEY
from open_webui.internal.db import get_async_db
from open_webui.models import files as file_models
from open_webui.models.auths import Auth, Auths
from open_webui.models.config import Config
from open_webui.models.users import Users
from open_webui.retrieval.vector.async_client import (
    ASYNC_VECTOR_DB_CLIENT,
)
from open_webui.routers import auths
from open_webui.utils.auth import decode_token
from sqlalchemy import select

from chat import (
    accounts,
    config,
    connections,
    files,
    log,
    logins,
    routes,
    second_factors,
    sessions,
    settings,
)
from chat.headers import Headers
from chat.names import App, Names
from chat.outbound import Outbound
from chat.uploads import Uploads, uploader

_BODY_BYTES = 20 * 1024 * 1024
"""The most that the gateway takes; a chat with its history is smaller."""


def _build() -> App:
    tenant = config.load()
    log.install()
    outbound = Outbound(tenant.destinations)
    if not tenant.connections and not tenant.plugins:
        outbound.install()
    webui = open_webui.main.app
    settings.install(Config, tenant)
    routes.install(webui, tenant)
    accounts.guard(Users, Auths, login=tenant.login)
    logins.sign_with_login()
    sessions.install(
        auths,
        lambda: webui.state.redis,
        prefix=REDIS_KEY_PREFIX,
        answer_seconds=tenant.answer_seconds,
    )
    files.install(
        open_webui.main,
        file_models.Files,
        ASYNC_VECTOR_DB_CLIENT,
        file_models,
        max_files=tenant.max_files,
    )
    open_webui.main.create_admin_user = _only(open_webui.main.create_admin_user)
    open_webui.main.seed_registered_defaults = _started(
        open_webui.main.seed_registered_defaults, tenant
    )
    if not tenant.connections and not tenant.plugins:
        _hide(Path(open_webui.main.STATIC_DIR))
    if tenant.login:
        manager = logins.Logins(webui, tenant, outbound)
        open_webui.main.oauth_manager = webui.state.oauth_manager = manager
    bounded = Uploads(
        webui,
        max_bytes=tenant.max_file_bytes,
        max_body_bytes=_BODY_BYTES,
        account_of=uploader(decode_token, Users.get_user_by_api_key),
    )
    served = Headers(bounded, url=tenant.url)
    return Names(served, url=tenant.url, names=tenant.names)


def _hide(static: Path) -> None:
    """Have the page not show what is not there; it loads this style sheet last."""
    style = package_files("chat") / "hidden.css"
    (static / "custom.css").write_text(style.read_text(encoding="utf-8"), encoding="utf-8")


def _only(create_admin: Callable[..., Awaitable[object]]) -> Callable[..., Awaitable[None]]:
    """Told of a new admin, Open WebUI would close sign-up, whatever the tenant's file says."""

    async def create_admin_user(email: str, password: str, name: str) -> None:
        await create_admin(email, password, name)

    return create_admin_user


def _started(
    seed: Callable[[], Awaitable[None]], tenant: config.ChatConfig
) -> Callable[[], Awaitable[None]]:
    """Repairs at each start, when the database is there."""

    async def seed_registered_defaults() -> None:
        await seed()
        await _keep_second_factors()
        if tenant.connections:
            await connections.keep_gateway(Config)
        if tenant.login:
            await logins.end_unnamed_sessions()

    return seed_registered_defaults


async def _keep_second_factors() -> None:
    """Open WebUI looks at them right after this, and does not start if it cannot read one."""
    own = Fernet(os.environ["MFA_ENCRYPTION_KEY"])
    keys = [own, second_factors.key_of_session_secret(WEBUI_SECRET_KEY)]
    async with get_async_db() as session:
        rows = await session.execute(select(Auth).where(Auth.mfa.is_not(None)))
        for row in rows.scalars():
            if row.mfa:  # not JSON's own null
                row.mfa = second_factors.readable(row.mfa, keys)
        await session.commit()


app = _build()
