"""Open WebUI: the chat."""

import json
from collections.abc import Sequence

import pulumi

from components import litellm
from components.core import core_hosts
from components.litellm_config import first_model
from components.part import PartArgs
from components.postgres import database_url
from components.redis import redis_url
from components.secrets import Secrets
from components.service import Health, Listener, Service, ServiceArgs, Storage, answers, script
from components.stack_config import Keys
from tenants.model import Tenant, base_url, public_url

PORT = 8080
_USER = 1000  # the image has no user of its own
_DATA = "/app/backend/data"
_FILES = "/etc/cloudfreedom/openwebui"
_READY = f"http://127.0.0.1:{PORT}/ready"
_REDIS_DATABASE = 1


class OpenWebUI(pulumi.ComponentResource):
    """The tenant's chat.

    Attributes:
        url: where people open it.
        admin_email: login of the first admin.
    """

    url: str
    admin_email: str

    def __init__(
        self,
        *,
        args: PartArgs,
        keys: Keys,
        after: Sequence[Service] = (),
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        tenant = args.tenant
        super().__init__("cloudfreedom:tenant:OpenWebUI", f"{tenant.slug}-openwebui", None, opts)
        self.url = public_url(tenant.domain, tenant.bind, tenant.openwebui.port)
        self.admin_email = f"admin@{tenant.domain or f'{tenant.slug}.example.com'}"
        service = ServiceArgs(
            part="openwebui",
            image=args.image,
            user=_USER,
            command=[
                *("python3", "-m", "uvicorn", "--app-dir", _FILES, "openwebui:app"),
                *("--host", "0.0.0.0", "--port", str(PORT), "--forwarded-allow-ips", "*"),
            ],
            limits=tenant.openwebui,
            networks=[args.networks.data, args.networks.apps],
            health=Health(command=answers(_READY), start_seconds=180),
            env=_env(tenant, self.url, self.admin_email),
            secret_env=_secret_env(args.secrets, keys),
            files={f"{_FILES}/openwebui.py": script("openwebui.py")},
            storage=Storage(volume=args.volumes.names["openwebui"], path=_DATA, hand_over=True),
            listeners=[
                Listener(address=str(tenant.bind), host_port=tenant.openwebui.port, port=PORT)
            ],
            core_hosts=core_hosts(tenant),
        )
        child = pulumi.ResourceOptions(parent=self)
        Service(args=service, host=args.host, after=after, opts=child)
        self.register_outputs({"url": self.url})


def _env(tenant: Tenant, url: str, admin_email: str) -> dict[str, str]:
    passwords = tenant.login is None or tenant.login.passwords
    switches = {
        # What the tenant's file says wins over what an admin once stored.
        "ENABLE_PERSISTENT_CONFIG": False,
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
        "WEBUI_SESSION_COOKIE_SECURE": url.startswith("https:"),
        "WEBUI_AUTH_COOKIE_SECURE": url.startswith("https:"),
    }
    texts = _login(tenant, url) | {
        "WEBUI_NAME": tenant.name,  # the product's own name stays beside it
        "WEBUI_URL": url,
        "CORS_ALLOW_ORIGIN": ";".join(_origins(tenant, url)),
        "WEBUI_ADMIN_EMAIL": admin_email,
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
        "OAUTH_MERGE_ACCOUNTS_BY_EMAIL": "true",
        "OAUTH_UPDATE_NAME_ON_LOGIN": "true",
        "ENABLE_OAUTH_ROLE_MANAGEMENT": "true",
        "OAUTH_ROLES_CLAIM": login.roles_claim,
        "OAUTH_ALLOWED_ROLES": ",".join([*login.users, *login.admins]),
        "OAUTH_ADMIN_ROLES": ",".join(login.admins),
        # Signing out here signs out there, and the other way round.
        "WEBUI_AUTH_SIGNOUT_REDIRECT_URL": f"{url}/auth",
        "ENABLE_OAUTH_BACKCHANNEL_LOGOUT": "true",
    }


def _origins(tenant: Tenant, url: str) -> list[str]:
    """Addresses that a browser may have opened the chat at."""
    if tenant.domain:
        return [url]
    if tenant.bind.is_loopback:
        return [url, f"http://localhost:{tenant.openwebui.port}"]
    return ["*"]  # the host's own names are not known here


def _secret_env(secrets: Secrets, keys: Keys) -> dict[str, pulumi.Output[str]]:
    redis = redis_url("openwebui", secrets.redis_openwebui, database=_REDIS_DATABASE)
    login = {"OAUTH_CLIENT_SECRET": keys.login} if keys.login else {}
    return login | {
        "DATABASE_URL": database_url("postgresql+psycopg", "openwebui", secrets.openwebui_database),
        "REDIS_URL": redis,
        "WEBSOCKET_REDIS_URL": redis,
        "OPENAI_API_KEY": secrets.litellm_openwebui,
        "FORWARD_USER_INFO_HEADER_JWT_SECRET": secrets.openwebui_identity,
        "WEBUI_SECRET_KEY": secrets.openwebui_session,
        "WEBUI_ADMIN_PASSWORD": secrets.openwebui_admin,
    }
