"""The core's Billing API as a process, and what tenants and tests say to it."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, Self
from uuid import uuid4

import httpx

from core.services.settings import BillingSecrets, Settings, Tenant
from tests.billing import contract
from tests.connections import ONE_A_REQUEST
from tests.core.processes import AppProcess, PocketBaseProcess

Json = dict[str, Any]

CHECK, LOG = "/api/check-budget", "/api/log-usage"
OPERATOR = "key-of-the-operator"
PASSWORD = "a first password"
ALL_LOGGED: Json = {"refused": []}


def key_of(slug: str) -> str:
    return f"key-of-{slug}"


def told(slug: str, **changes: object) -> Tenant:
    """A tenant of the settings, with nobody in it."""
    told = {
        "slug": slug,
        "name": slug.title(),
        "chat_url": f"http://127.0.0.1/{slug}",
        "default_budget": None,
        "people": (),
    }
    return Tenant.model_validate(told | changes)


def billing(
    folder: Path, pocketbase: PocketBaseProcess, *tenants: Tenant, health: str = "/health"
) -> AppProcess:
    """The Billing API, to be started; `health` answers 200 as soon as it can be asked."""
    emails = [person.email for tenant in tenants for person in tenant.people]
    settings = Settings(
        name="Tests",
        public_url="http://127.0.0.1:8090",
        internal_url="http://pocketbase-core:8090",
        pocketbase_url=pocketbase.url,
        currency="EUR",
        session_seconds=3600,
        tenants=tenants,
    )
    keys = BillingSecrets(
        pocketbase_password=pocketbase.password,
        operator_key=OPERATOR,
        tenant_keys={tenant.slug: key_of(tenant.slug) for tenant in tenants},
        first_passwords=dict.fromkeys(emails, PASSWORD),
    )
    return AppProcess(
        folder=folder,
        factory="core.services.billing.app:create",
        settings=settings,
        secrets=keys,
        health_path=health,
    )


def event(tenant: str, user: str, request_id: str = "", /, **changes: object) -> Json:
    return {
        "tenant_id": tenant,
        "user_id": user,
        "model": "m",
        "request_id": request_id or uuid4().hex,
        "tokens_input": 4,
        "tokens_output": 3,
        "cost_total": "0.000000125",
        "response_time": 250,
        "ended_at": "2026-01-02T03:04:05.678Z",
        "status": "success",
        "estimated": False,
    } | changes


class Api:
    """A tenant's gateway; whatever is answered must follow the contract.

    Close it by leaving its context.
    """

    def __init__(self, process: AppProcess, tenant: str) -> None:
        self.tenant = tenant
        self.http = httpx.Client(
            base_url=process.url,
            headers={"X-API-Key": key_of(tenant)},
            limits=ONE_A_REQUEST,
            timeout=30,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def post(self, path: str, body: object, **options: Any) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body)
        response = self.http.post(path, content=content, **options)
        contract.check_response("POST", path, response.status_code, response.content)
        return response

    def check(self, user: str, **changes: object) -> httpx.Response:
        asked = {"tenant_id": self.tenant, "user_id": user, "model": "m", "cost_estimate": "0"}
        return self.post(CHECK, asked | changes)

    def event(self, user: str, request_id: str = "", /, **changes: object) -> Json:
        return event(self.tenant, user, request_id, **changes)

    def log(self, body: object, **options: Any) -> httpx.Response:
        return self.post(LOG, body, **options)

    def used(self, user: str) -> Decimal:
        return Decimal(self.check(user).json()["budget"]["used"])
