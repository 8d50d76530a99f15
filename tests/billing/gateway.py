"""A tenant's gateway as a Billing API knows it; what it is answered must follow the contract."""

import json
from decimal import Decimal
from typing import Any, Self
from uuid import uuid4

import httpx

from tests.billing import contract
from tests.connections import client

Json = dict[str, Any]

CHECK, LOG = "/api/check-budget", "/api/log-usage"
ALL_LOGGED: Json = {"refused": []}


def check(tenant: str, user: str, /, **changes: object) -> Json:
    return {"tenant_id": tenant, "user_id": user, "model": "m", "cost_estimate": "0"} | changes


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


class Gateway:
    """Close it by leaving its context."""

    def __init__(self, url: str, key: str, tenant: str) -> None:
        self.key = key
        self.tenant = tenant
        self.http = client(base_url=url, headers={"X-API-Key": key}, timeout=30)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def post(self, path: str, body: object, **options: Any) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body)
        response = self.http.post(path, content=content, **options)
        contract.check_response("POST", path, response.status_code, response.content)
        return response

    def check(self, user: str, /, **changes: object) -> httpx.Response:
        return self.post(CHECK, check(self.tenant, user, **changes))

    def event(self, user: str, request_id: str = "", /, **changes: object) -> Json:
        return event(self.tenant, user, request_id, **changes)

    def log(self, body: object, **options: Any) -> httpx.Response:
        return self.post(LOG, body, **options)

    def used(self, user: str) -> Decimal:
        return Decimal(self.check(user).json()["budget"]["used"])
