"""All that identity answers."""

from fastapi import APIRouter

router = APIRouter()
