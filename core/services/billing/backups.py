"""Backups at any moment, beside those that PocketBase makes by itself every night."""

from datetime import UTC, datetime

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from core.services.billing.api_auth import check_operator
from core.services.billing.provisioning import PROBLEMS, Database

router = APIRouter(
    prefix="/api/backups", dependencies=[Depends(check_operator)], responses=PROBLEMS
)


class Backup(BaseModel):
    """A backup: the file's name, in `/data/backups` of PocketBase's container."""

    name: str


@router.post("", status_code=201)
async def make_backup(pocketbase: Database) -> Backup:
    """Make a backup now. It stays until somebody deletes it."""
    name = f"manual_{datetime.now(UTC):%Y%m%d%H%M%S%f}.zip"
    await pocketbase.back_up(name)
    return Backup(name=name)
