"""Open WebUI: the chat, with the code of `chat/` loaded into it."""

import json
from urllib.parse import urlsplit

from components.extra_hosts import core_hosts
from components.program_files import program_files
from components.secrets import LOGIN_SECRET
from components.services import litellm
from components.services.accounts import DatabaseRole, ValkeyUser
from components.services.litellm_config import first_model
from components.spec import (
    APPS,
    DATA,
    Backup,
    Healthcheck,
    PublishedPort,
    Secret,
    SecretRef,
    ServiceSpec,
    Storage,
    http_healthcheck,
)
from components.stack_config import StackConfig
from images.catalog import Image
from schema.types import base_url
from tenants.model import Tenant

PORT = 8080
_USER = 1000  # the image has no user of its own
_DATA = "/app/backend/data"
_FILES = "/etc/cloudfreedom"

OF_A_COPY = {
    "CLOUDFREEDOM_COPY": "true",
    # The provider of logins is out of reach.
    "ENABLE_LOGIN_FORM": "true",
    "ENABLE_PASSWORD_AUTH": "true",
}
"""Settings of a scratch copy of a chat; `chat/proof.py` says what it is for."""

_CONFIG = f"{_FILES}/chat.json"
_READY = f"http://127.0.0.1:{PORT}/ready"
_REDIS_DATABASE = 1

_DATABASE = DatabaseRole(
    name="openwebui",
    owns_database=True,
    # Whoever signed out since the backup was made would be logged in again.
    on_restore="DO $$ BEGIN IF to_regclass('auth') IS NOT NULL THEN"
    " UPDATE auth SET session_stamp = gen_random_uuid()::text; END IF; END $$",
)
DATABASE_ROLES = (_DATABASE,)

_SESSIONS = ValkeyUser(
    name="openwebui",
    rules="~open-webui:* &open-webui:* &socketio* +@read +@write +@pubsub +@scripting"
    " +@transaction +@connection +time -@admin -@dangerous -function -fcall -fcall_ro -keys -scan"
    " -randomkey -dbsize",
)
VALKEY_USERS = (_SESSIONS,)

_ABSENT = [
    *("CHAT_CALL", "CHAT_STT", "CHAT_TTS", "CHAT_WEB_UPLOAD"),
    *("FEATURES_CODE_INTERPRETER", "FEATURES_IMAGE_GENERATION", "FEATURES_MEMORIES"),
    *("FEATURES_USER_WEBHOOKS", "FEATURES_WEB_SEARCH"),
]
"""Permissions of people for what this chat does not have."""

_HIDDEN = [
    *("chat.attach_webpage", "chat.attach_knowledge"),
    *("settings.speech_to_text_engine", "settings.text_to_speech_engine"),
    *(
        f"model_editor.{control}"
        for control in (
            "capabilities.builtin_tools",
            "capabilities.code_interpreter",
            "capabilities.image_generation",
            "capabilities.memory",
            "capabilities.terminal",
            "capabilities.web_search",
            "defaults.code_interpreter",
            "defaults.image_generation",
            "defaults.web_search",
            "tools.code_interpreter",
            "tools.image_generation",
            "tools.knowledge",
            "tools.memory",
            "tools.web_search",
        )
    ),
]
"""Controls of Open WebUI's page for what this chat does not have."""


def service(tenant: Tenant, _: StackConfig, image: Image) -> ServiceSpec:
    """The tenant's chat."""
    return ServiceSpec(
        name="openwebui",
        image=image,
        user=_USER,
        command=[
            *("python3", "-m", "uvicorn", "--app-dir", _FILES, "chat.app:app"),
            *("--host", "0.0.0.0", "--port", str(PORT), "--forwarded-allow-ips", "*"),
            # The other loop connects behind the back of `chat/outbound.py`.
            *("--loop", "asyncio"),
        ],
        resources=tenant.openwebui,
        networks=[DATA, APPS],
        healthcheck=Healthcheck(command=http_healthcheck(_READY), start_seconds=180),
        after=["postgres", "redis"],
        env=_env(tenant),
        secret_env=_secret_env(tenant),
        files={
            _CONFIG: json.dumps(chat_config(tenant), indent=2),
            **program_files(*("asgi/*.py", "chat/*.css", "chat/*.py", "chat/*.txt"), folder=_FILES),
        },
        storage=Storage(path=_DATA, chown=True),
        backup=Backup(kind="files"),
        ports=[PublishedPort(address=str(tenant.bind), host_port=tenant.openwebui.port, port=PORT)],
        extra_hosts=core_hosts(tenant),
    )


def chat_command(module: str) -> list[str]:
    """The command that runs a module of `chat/` in the container, such as `chat.first_admin`."""
    return ["env", f"PYTHONPATH={_FILES}", "python3", "-m", module]


def admin_email(tenant: Tenant) -> str:
    """Login of the first admin."""
    return f"admin@{tenant.domain or f'{tenant.slug}.example.com'}"


def _env(tenant: Tenant) -> dict[str, str]:
    url = tenant.chat_url
    passwords = tenant.login is None or tenant.login.passwords
    switches = {
        # What an admin sets is kept; `chat/settings.py` says what is not theirs.
        "ENABLE_PERSISTENT_CONFIG": True,
        "ENABLE_PLUGINS": tenant.openwebui.plugins,
        "ENABLE_DIRECT_CONNECTIONS": False,
        "ENABLE_DIRECT_INTEGRATIONS": False,
        "ENABLE_PIP_INSTALL_FRONTMATTER_REQUIREMENTS": False,
        "ENABLE_SIGNUP": tenant.openwebui.signup,
        "ENABLE_LOGIN_FORM": passwords,
        "ENABLE_PASSWORD_AUTH": passwords,
        "BYPASS_MODEL_ACCESS_CONTROL": True,
        "ENABLE_FORWARD_USER_INFO_HEADERS": True,
        # Files go into the prompt whole: the image has no embedding model of its own.
        "BYPASS_EMBEDDING_AND_RETRIEVAL": True,
        # Nothing calls out by itself.
        "OFFLINE_MODE": True,
        "ENABLE_OLLAMA_API": False,
        "ENABLE_VERSION_UPDATE_CHECK": False,
        "ENABLE_COMMUNITY_SHARING": False,
        "ENABLE_EVALUATION_ARENA_MODELS": False,
        # One message is one request to a model.
        "ENABLE_TITLE_GENERATION": False,
        "ENABLE_TAGS_GENERATION": False,
        "ENABLE_FOLLOW_UP_GENERATION": False,
        "ENABLE_AUTOCOMPLETE_GENERATION": False,
        # What there is no engine, store or service for is not shown.
        "ENABLE_CODE_EXECUTION": False,
        "ENABLE_CODE_INTERPRETER": False,
        "ENABLE_MEMORIES": False,
        "ENABLE_MEMORY_SYSTEM_CONTEXT": False,
        "ENABLE_WEB_SEARCH": False,
        "ENABLE_IMAGE_GENERATION": False,
        "ENABLE_IMAGE_EDIT": False,
        "ENABLE_USER_WEBHOOKS": False,
        "ENABLE_GOOGLE_DRIVE_INTEGRATION": False,
        "ENABLE_ONEDRIVE_INTEGRATION": False,
        **{f"USER_PERMISSIONS_{name}": False for name in _ABSENT},
    }
    texts = _login(tenant, url) | {
        "WEBUI_NAME": tenant.name,  # the product's own name stays beside it
        "WEBUI_URL": url,
        "CORS_ALLOW_ORIGIN": ";".join(_origins(tenant)),
        "CLOUDFREEDOM_CHAT_CONFIG": _CONFIG,
        "RAG_FILE_MAX_SIZE": str(tenant.openwebui.max_file_mb),
        "RAG_FILE_MAX_COUNT": str(tenant.openwebui.max_files),
        "UI_VISIBILITY": json.dumps(dict.fromkeys(_HIDDEN, False)),
        "AUDIO_STT_ENGINE": "web",  # without an engine of its own there is no voice mode
        "WEBUI_ADMIN_EMAIL": admin_email(tenant),
        "WEBUI_ADMIN_NAME": f"{tenant.name} Admin",
        "DEFAULT_USER_ROLE": "user",
        "DEFAULT_MODELS": first_model(tenant),
        "DEFAULT_MODEL_METADATA": json.dumps({"capabilities": {"builtin_tools": False}}),
        "JWT_EXPIRES_IN": f"{tenant.openwebui.session}s",
        "OPENAI_API_BASE_URL": f"http://litellm:{litellm.PORT}/v1",
        "WEBSOCKET_MANAGER": "redis",
        "DATA_DIR": _DATA,
        "STATIC_DIR": "/tmp/static",
        "HOME": "/tmp",
    }
    return texts | {name: str(on).lower() for name, on in switches.items()}


def _login(tenant: Tenant, url: str) -> dict[str, str]:
    login = tenant.login
    if login is None:
        return {}
    return {
        "OPENID_PROVIDER_URL": f"{base_url(login.issuer)}/.well-known/openid-configuration",
        "OPENID_REDIRECT_URI": f"{url}/oauth/oidc/callback",
        "OAUTH_PROVIDER_NAME": login.name,
        "OAUTH_CLIENT_ID": login.client_id or tenant.slug,
        "OAUTH_SCOPES": " ".join(["openid", "email", "profile", *login.scopes]),
        "OAUTH_CODE_CHALLENGE_METHOD": "S256",
        "ENABLE_OAUTH_SIGNUP": "true",
        # `chat/logins.py` does it, where the two are one person.
        "OAUTH_MERGE_ACCOUNTS_BY_EMAIL": "false",
        "OAUTH_UPDATE_EMAIL_ON_LOGIN": "true",
        "OAUTH_UPDATE_NAME_ON_LOGIN": "true",
        "OAUTH_EMAIL_CLAIM": login.email_claim,
        "OAUTH_USERNAME_CLAIM": login.name_claim,
        "OAUTH_PICTURE_CLAIM": "",  # it would be fetched from wherever it is
        "ENABLE_OAUTH_ROLE_MANAGEMENT": "true",
        "OAUTH_ROLES_CLAIM": login.roles_claim,
        "OAUTH_ALLOWED_ROLES": ",".join([*login.users, *login.admins]),
        "OAUTH_ADMIN_ROLES": ",".join(login.admins),
        # Signing out here signs out there, and the other way round.
        "WEBUI_AUTH_SIGNOUT_REDIRECT_URL": f"{url}/auth",
        "ENABLE_OAUTH_BACKCHANNEL_LOGOUT": "true",
    }


def chat_config(tenant: Tenant) -> dict[str, object]:
    """Settings that `chat/config.py` reads: the tenant's file, as far as the chat needs it."""
    openwebui, login = tenant.openwebui, tenant.login
    destinations: list[tuple[str, int]] = [
        ("litellm", litellm.PORT),
        ("postgres", 5432),
        ("redis", 6379),
    ]
    if login:
        issuer = urlsplit(base_url(login.issuer))
        port = issuer.port or (443 if issuer.scheme == "https" else 80)
        destinations.append((issuer.hostname or "", port))
    claims = {"email_claim": login.email_claim, "name_claim": login.name_claim} if login else {}
    return claims | {
        "url": tenant.chat_url,
        "names": tenant.chat_names,
        "destinations": destinations,
        "plugins": openwebui.plugins,
        "connections": openwebui.connections,
        "login": login is not None,
        "max_file_mb": openwebui.max_file_mb,
        "max_files": openwebui.max_files,
        "answer_seconds": tenant.litellm.cache.ttl,
    }


def _origins(tenant: Tenant) -> list[str]:
    """Addresses of the pages that may talk to the chat."""
    names = [f"{scheme}://{name}" for name in tenant.chat_names for scheme in ("http", "https")]
    return [f"https://{tenant.domain}", *names[2:]] if tenant.domain else names


def _secret_env(tenant: Tenant) -> dict[str, Secret]:
    redis = _SESSIONS.url(database=_REDIS_DATABASE)
    env: dict[str, Secret] = {
        "DATABASE_URL": _DATABASE.url("postgresql+psycopg"),
        "REDIS_URL": redis,
        "WEBSOCKET_REDIS_URL": redis,
        "OPENAI_API_KEY": SecretRef("litellm-openwebui"),
        "FORWARD_USER_INFO_HEADER_JWT_SECRET": SecretRef("openwebui-identity"),
        "WEBUI_SECRET_KEY": SecretRef("openwebui-session"),
        "WEBUI_ADMIN_PASSWORD": SecretRef("openwebui-admin"),
        "MFA_ENCRYPTION_KEY": SecretRef("openwebui-mfa"),
    }
    if tenant.login:
        env["OAUTH_CLIENT_SECRET"] = SecretRef(LOGIN_SECRET)
    return env
