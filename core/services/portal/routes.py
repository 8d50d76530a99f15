"""All that the portal answers."""

from fastapi import APIRouter

router = APIRouter()
