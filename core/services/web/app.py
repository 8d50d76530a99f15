"""Identity and portal, one app: `uvicorn --factory core.services.web.app:create`."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Scope

from asgi.body_limit import BodyLimit
from core.services.credentials import Credentials
from core.services.identity import routes as identity
from core.services.identity import token_endpoint
from core.services.pocketbase import AwayError, PocketBase
from core.services.portal import routes as portal
from core.services.settings import identity_secrets, settings
from core.services.web.forms import ForgedFormError, RepeatedFieldError
from core.services.web.language import texts_for
from core.services.web.middleware import FOR_PROGRAMS, PolicyMiddleware
from core.services.web.pages import PageError, page

LONGEST_FORM = 64 * 1024
"""Bytes; all fields of the longest form have a half of it."""

_REASONS = {403: "forbidden", 404: "not_found", 405: "not_found"}


def create() -> ASGIApp:
    """The app, as this process is told to be."""
    app = FastAPI(lifespan=_lifespan, openapi_url=None)
    app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))
    app.get("/health")(_health)
    app.include_router(identity.router)
    app.include_router(portal.router)
    app.exception_handler(token_endpoint.OAuthError)(token_endpoint.explain)
    app.exception_handler(PageError)(_explain)
    app.exception_handler(ForgedFormError)(_forged)
    app.exception_handler(RepeatedFieldError)(_bad_request)
    app.exception_handler(RequestValidationError)(_bad_request)
    app.exception_handler(HTTPException)(_http_error)
    app.exception_handler(AwayError)(_away)
    app.exception_handler(Exception)(_failed)
    return PolicyMiddleware(BodyLimit(app, max_bytes=LONGEST_FORM, refuse=_refusal))


def _refusal(_scope: Scope, status: int, message: str) -> bytes:
    # As RFC 6749 has it, for programs; people's browsers send no such forms.
    error = {"error": "invalid_request", "error_description": message, "status": status}
    return json.dumps(error).encode()


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    told, secrets = settings(), identity_secrets()
    async with PocketBase(told.pocketbase_url, secrets.pocketbase_password) as pocketbase:
        app.state.pocketbase = pocketbase
        app.state.credentials = Credentials(
            "newest_secret", secrets.client_secrets, secrets.previous_client_secrets
        )
        yield


async def _health(request: Request) -> Response:
    """Whether people can be served: not without PocketBase."""
    try:
        await request.app.state.pocketbase.check_health()
    except AwayError as error:
        return JSONResponse({"status": "unavailable", "message": str(error)}, 503)
    return JSONResponse({"status": "ok"})


# --- What people are told when something is wrong


async def _explain(request: Request, error: PageError) -> Response:
    return _error(request, error.status, error.reason)


async def _forged(request: Request, _: ForgedFormError) -> Response:
    here = request.url
    back = f"{here.path}?{here.query}" if here.path in ("/login", "/password") else "/"
    return _error(request, 403, "forged_form", back=back)


async def _bad_request(request: Request, _: Exception) -> Response:
    return _error(request, 400, "bad_request")


async def _http_error(request: Request, error: HTTPException) -> Response:
    reason = _REASONS.get(error.status_code, "bad_request")
    return _error(request, error.status_code, reason, headers=error.headers)


async def _away(request: Request, _: AwayError) -> Response:
    if request.url.path in FOR_PROGRAMS:
        return JSONResponse({"error": "temporarily_unavailable"}, 503)
    return _error(request, 503, "unavailable", headers={"Retry-After": "60"})


async def _failed(request: Request, _: Exception) -> Response:
    if request.url.path in FOR_PROGRAMS:
        return JSONResponse({"error": "server_error"}, 500)
    return _error(request, 500, "failed")


def _error(
    request: Request,
    status: int,
    reason: str,
    *,
    back: str = "",
    headers: Mapping[str, str] | None = None,
) -> Response:
    message = texts_for(request)(f"error.{reason}")
    return page(request, "error.html", status=status, headers=headers, message=message, back=back)
