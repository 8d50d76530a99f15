"""The Billing API's process: `uvicorn --factory core.services.billing.app:create`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from core.services.billing import backups, budgets, keys, provisioning
from core.services.billing.contract import (
    ApiError,
    check_currency,
    check_in,
    not_understood,
    usage_in,
)
from core.services.billing.seed import seed
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
    for kind in (ApiError, RequestValidationError, HTTPException, PocketBaseError, Exception):
        app.add_exception_handler(kind, _answer)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    told = billing_secrets()
    app.state.credentials = Credentials("newest_key", told.tenant_keys, told.previous_tenant_keys)
    async with PocketBase(settings().pocketbase_url, told.pocketbase_password) as pocketbase:
        app.state.pocketbase = pocketbase
        app.state.usage_log = UsageLog(pocketbase)
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
    """What a person may still spend."""
    tenant = await keys.tenant_of(request)
    asked = check_in(await _body(request))
    keys.check_tenants(tenant, {asked.tenant_id})
    check_currency(settings().currency, [asked])
    status, answer = await budgets.check(request.app.state.pocketbase, asked)
    return JSONResponse(answer, status)


@router.post("/api/log-usage")
async def log_usage(request: Request) -> Response:
    """What was used."""
    tenant = await keys.tenant_of(request)
    given = usage_in(await _body(request))
    events = given if isinstance(given, list) else [given]
    keys.check_tenants(tenant, {event.tenant_id for event in events})
    check_currency(settings().currency, events)
    return JSONResponse(await request.app.state.usage_log.add(given))


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


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LONGEST_BODY:
            raise ApiError(422, f"The body: it is longer than {LONGEST_BODY} bytes")
    return bytes(body)
