"""All that identity answers."""

from fastapi import APIRouter

from core.services.identity import authorize, discovery, login, logout, password, token_endpoint

router = APIRouter()
for part in (discovery, authorize, login, password, token_endpoint, logout):
    router.include_router(part.router)
