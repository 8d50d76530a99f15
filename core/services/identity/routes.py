"""All that identity answers."""

from fastapi import APIRouter

from core.services.identity import authorize, discovery, exchange, login, logout, password

router = APIRouter()
for part in (discovery, authorize, login, password, exchange, logout):
    router.include_router(part.router)
