"""The Billing API's process: `uvicorn --factory core.services.billing.app:create`."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.datastructures import Headers
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from asgi.body_limit import BodyLimit
from core.services.billing import api_auth, backups, budgets, provisioning
from core.services.billing.contract import (
    ApiError,
    check_currency,
    check_in,
    log_question_in,
    not_understood,
    usage_in,
)
from core.services.billing.seed import seed
from core.services.billing.stack_backups import StackBackups
from core.services.billing.usage import UsageLog
from core.services.credentials import Credentials
from core.services.pocketbase import (
    AwayError,
    NotFoundError,
    PocketBase,
    PocketBaseError,
    RefusedError,
)
from core.services.settings import billing_secrets, settings

LONGEST_BODY = 4 * 1024 * 1024
"""Bytes; 1000 usual events have a tenth of it."""

LONGEST_OF_STRANGERS = 64 * 1024
"""Bytes that are kept of a request whose key is nobody's."""

# docs/billing-api.yaml describes these.
router = APIRouter(include_in_schema=False)


def create() -> FastAPI:
    """The app."""
    app = FastAPI(
        title="CloudFreedom core: tenants, people and budgets",
        version="1",
        description="For the operator. What tenants ask is in docs/billing-api.yaml.",
        docs_url=None,
        redoc_url=None,
        lifespan=_lifespan,
    )
    app.include_router(router)
    app.include_router(provisioning.router)
    app.include_router(backups.router)
    app.add_middleware(BodyLimits)
    for kind in (ApiError, RequestValidationError, HTTPException, PocketBaseError, Exception):
        app.add_exception_handler(kind, _answer)
    return app


class BodyLimits:
    """Refuses bodies by their size before they are read; who has no key has to be brief."""

    def __init__(self, app: ASGIApp) -> None:
        self._known = BodyLimit(app, max_bytes=LONGEST_BODY, refuse=_refusal)
        self._strangers = BodyLimit(app, max_bytes=LONGEST_OF_STRANGERS, refuse=_refusal)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request as ASGI has it."""
        known = scope["type"] == "http" and api_auth.is_known(
            Headers(scope=scope).get("x-api-key", "")
        )
        await (self._known if known else self._strangers)(scope, receive, send)


def _refusal(_scope: Scope, _status: int, message: str) -> bytes:
    return json.dumps({"message": message}).encode()


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    told = billing_secrets()
    app.state.credentials = Credentials("newest_key", told.tenant_keys, told.previous_tenant_keys)
    async with PocketBase(settings().pocketbase_url, told.pocketbase_password) as pocketbase:
        app.state.pocketbase = pocketbase
        app.state.usage_log = UsageLog(pocketbase)
        app.state.backups = StackBackups(os.environ.get("BACKUPS_URL", ""))
        seeding = asyncio.create_task(seed(pocketbase))
        yield
        seeding.cancel()


@router.get("/health")
async def health(request: Request) -> Response:
    """Whether PocketBase answers us, without which nothing here works."""
    await request.app.state.pocketbase.check_health()
    return JSONResponse({"message": "PocketBase answers."})


@router.post("/api/check-budget")
async def check_budget(request: Request) -> Response:
    """Tell the budget that a person has left."""
    tenant = await api_auth.tenant_of(request)
    asked = check_in(await request.body())
    api_auth.check_tenants(tenant, {asked.tenant_id})
    check_currency(settings().currency, [asked])
    status, answer = await budgets.check(request.app.state.pocketbase, asked)
    return JSONResponse(answer, status)


class Usage(HTTPEndpoint):
    """Usage: one address for what is told, and what is known."""

    async def post(self, request: Request) -> Response:
        """Take events of usage."""
        tenant = await api_auth.tenant_of(request)
        given = usage_in(await request.body())
        events = given if isinstance(given, list) else [given]
        api_auth.check_tenants(tenant, {event.tenant_id for event in events})
        check_currency(settings().currency, events)
        return JSONResponse(await request.app.state.usage_log.add(given))

    async def get(self, request: Request) -> Response:
        """Tell a tenant whether events are logged still, and what backups have of the log."""
        tenant = await api_auth.tenant_of(request)
        given = request.query_params
        asked = log_question_in({name: given.getlist(name) for name in given})
        logged = await request.app.state.usage_log.has(tenant, asked.request_id)
        safe = await request.app.state.backups.safe_seconds()
        return JSONResponse({"logged": logged, "safe_seconds": safe})


router.routes.append(Route("/api/log-usage", Usage))


async def _answer(request: Request, error: Exception) -> Response:
    headers = None
    match error:
        case RequestValidationError():
            return await _answer(request, not_understood(error.errors()))
        case ApiError():
            status, message = error.status, str(error)
        case HTTPException():
            status, message, headers = error.status_code, error.detail, error.headers
        case AwayError():
            status, message = 503, str(error)
        case NotFoundError():
            status, message = 404, str(error)
        case RefusedError():
            status, message = 422, str(error)
        case _:
            status, message = 500, "Something went wrong; the log says what."
    return JSONResponse({"message": message}, status, headers)
