"""The plan of a stack's backups: what is kept, where, and when."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PLAN = Path("/etc/cloudfreedom/backup.json")
SECRETS = Path("/run/secrets")
DATA = Path("/data")
"""Of the container's own: nothing in it is missed when it is gone."""

SOURCES = Path("/sources")
"""Volumes of other services, read-only, by the name of the service."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """The data of a service.

    Attributes:
        service: by its name.
        kind: `databases` of PostgreSQL, `keys` of Valkey, or `files` of its volume.
        databases: by name.
        on_restore: statements that a restored database is given before it is used, by its name.
        exclude: folders of the volume that can be made again.
    """

    service: str
    kind: str
    databases: Sequence[str] = ()
    on_restore: Mapping[str, str] = field(default_factory=dict)
    exclude: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The plan, as `components/services/backup.py` writes it.

    Attributes:
        slug: the tenant or the core.
        program: version of this project.
        images: references, by service.
        repository: as restic names it.
        schedule: of sets, as cron has it, in UTC.
        proofs: of proofs, as cron has it, in UTC.
        keep: numbers of sets by restic's periods, such as `daily`.
        append_only: the repository lets nothing be deleted, so sets are only added.
        upload_kib: most KiB a second that are sent; 0 is no limit.
        sources: databases first, so that every file that they name is there.
    """

    slug: str
    program: str
    images: Mapping[str, str]
    repository: str
    schedule: str
    proofs: str
    keep: Mapping[str, int]
    append_only: bool
    upload_kib: int
    sources: Sequence[Source]


def plan_of(text: str) -> Plan:
    """The plan in a file."""
    values: dict[str, Any] = json.loads(text)
    sources = [Source(**source) for source in values.pop("sources")]
    return Plan(**values, sources=sources)


def load_plan() -> Plan:
    """The plan of this container."""
    return plan_of(PLAN.read_text(encoding="utf-8"))


def secret(name: str) -> str:
    """A secret of this container."""
    return (SECRETS / name).read_text(encoding="utf-8")
