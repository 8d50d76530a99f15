"""All that identity answers."""

from fastapi import APIRouter

from core.services.identity import authorize, discovery, exchange, login, logout

router = APIRouter()
for part in (discovery, authorize, login, exchange, logout):
    router.include_router(part.router)
