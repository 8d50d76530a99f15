"""Which of Open WebUI's settings an admin has, and which the tenant's file.

A setting of the file is read from the environment at every start, whatever the database holds, and
its change is refused in the page. Only what is named here is an admin's; a setting that a new
version brings is the file's until somebody has looked at it.
"""

from collections.abc import Callable
from typing import Any

from fastapi import HTTPException
from fastapi.encoders import jsonable_encoder

from chat.config import ChatConfig

_ADMINS = (
    "auth.admin.",
    "auth.api_key.",
    "auth.enable_api_keys",
    "auth.mfa.",
    "automations.",
    "calendar.",
    "channels.",
    "chat.",
    "evaluation.",
    "folders.",
    "models.default_params",
    "notes.",
    "skills.",
    "subagents.",
    "task.",
    "ui.banners",
    "ui.default_group_id",
    "ui.default_interface_settings",
    "ui.default_locale",
    "ui.default_pinned_models",
    "ui.enable_message_rating",
    "ui.i18n",
    "ui.model_order_list",
    "ui.pending_user_overlay_",
    "ui.prompt_suggestions",
    "ui.watermark",
    "user.permissions",
    "users.enable_status",
)
_FILES = (
    "auth.jwt_expiry",
    "ldap.",
    "oauth.",
    "rag.bypass_embedding_and_retrieval",
    "rag.file.max_",
    "ui.default_models",
    "ui.default_user_role",
    "ui.enable_login_form",
    "ui.enable_password_change_form",
    "ui.enable_signup",
    "webui.url",
)
_PLUGINS = ("tool_server.", "terminal_server.", "code_execution.", "code_interpreter.")


def is_admins(key: str, config: ChatConfig) -> bool:
    """Whether an admin may change a setting and it is kept."""
    if key.startswith(_ADMINS):
        return True
    if key.startswith(_FILES):
        return False
    return config.plugins if key.startswith(_PLUGINS) else config.connections


def refusal(updates: dict[str, Any], stored: Callable[[str], Any], config: ChatConfig) -> str:
    """Words for an admin who changes what is not theirs; empty if nothing is.

    Args:
        updates: the settings of a form, changed or not.
        stored: the value of a setting, as the file has it.
        config: of the tenant.
    """
    foreign = [
        key
        for key, value in updates.items()
        if not is_admins(key, config) and jsonable_encoder(value) != jsonable_encoder(stored(key))
    ]
    if not foreign:
        return ""
    return (
        f"The tenant's file decides on {', '.join(sorted(foreign))}."
        " Ask the operator of this chat to change it there."
    )


def install(settings: Any, config: ChatConfig) -> None:
    """Have Open WebUI's table of settings keep to it.

    Args:
        settings: the class of the table, which everything reads and writes.
        config: of the tenant.
    """
    upsert, get_all = settings.upsert, settings.get_all

    def persistent(key: str) -> bool:
        return is_admins(key, config)

    async def guarded(updates: dict[str, Any], **more: Any) -> None:
        if words := refusal(updates, settings.default_value, config):
            raise HTTPException(403, words)
        await upsert({key: value for key, value in updates.items() if persistent(key)}, **more)

    async def everything() -> dict[str, Any]:
        files = {key: value for key, value in settings.DEFAULTS.items() if not persistent(key)}
        stored = await get_all()
        return {key: value for key, value in stored.items() if persistent(key)} | files

    settings.persistent_enabled_for = staticmethod(persistent)
    settings.upsert = staticmethod(guarded)
    settings.get_all = staticmethod(everything)
