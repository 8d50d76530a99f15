"""The chat's application for uvicorn: Open WebUI, with sign-up as the tenant's file says."""

import open_webui.main  # type: ignore[import-not-found]

_create_admin = open_webui.main.create_admin_user


async def _create_admin_only(email: str, password: str, name: str) -> None:
    # Told of a new admin, Open WebUI closes sign-up until its next start, whatever its
    # environment says.
    await _create_admin(email, password, name)


open_webui.main.create_admin_user = _create_admin_only
app = open_webui.main.app
