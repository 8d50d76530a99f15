"""The schedule: makes what is due, whatever was missed."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from cronsim import CronSim

from backup import proof, sets
from backup.errors import BackupError
from backup.plan import DATA, Plan
from backup.restic import Repository, show
from backup.status import change, load_status, now

_ALIVE = DATA / "alive"
"""Touched at every look; the health check reads its age."""

_ALIVE_SECONDS = 24 * 3600
"""A backup or a proof may take a day."""

_LOOK_SECONDS = 20
_PAUSE = timedelta(hours=1)
"""Between a failure and the next try."""


def serve(plan: Plan) -> None:
    """Make sets and proofs as the plan says, for ever."""
    while True:
        _ALIVE.touch()
        status = load_status()
        moment = datetime.now(UTC)
        made = max(status.made, status.adopted)
        if due(plan.schedule, moment, made=made, tried=status.tried):
            _try(f"A set of {plan.slug}", lambda: _adopt(plan) or sets.make(plan))
        elif made:
            last = max(status.proven.values(), default="")  # the first is proven at once
            if due(plan.proofs, moment, made=last, tried=status.proof_tried):
                _try(f"A proof of {plan.slug}", lambda: proof.prove(plan))
        time.sleep(_LOOK_SECONDS)


def _adopt(plan: Plan) -> str:
    """Go on from a repository that has sets of a time that this container knows nothing of.

    A stack that was made anew is empty: a set of that would be the newest, and the next to be
    restored. So there is time until the next turn of the schedule.

    Returns:
        What was found; empty if this is a new stack, or one that goes on.
    """
    status = load_status()
    if status.made or status.adopted:
        return ""
    try:
        found = Repository(plan).sets()
    except BackupError as error:
        change(tried=now(), failure=str(error))
        raise
    if not found:
        return ""
    change(adopted=now())
    return f"there is {found[-1]['short_id']} from before, and the next is made in its turn"


def is_alive() -> bool:
    """Whether the schedule is looked at."""
    return time.time() - _ALIVE.stat().st_mtime < _ALIVE_SECONDS


def due(schedule: str, moment: datetime, *, made: str, tried: str) -> bool:
    """Whether something is to be made now.

    Args:
        schedule: as cron has it.
        moment: now.
        made: when the last one was made; empty if there is none.
        tried: when it was last begun.
    """
    if tried and moment - datetime.fromisoformat(tried) < _PAUSE and tried > made:
        return False
    return not made or datetime.fromisoformat(made) < previous(schedule, moment)


def previous(schedule: str, moment: datetime) -> datetime:
    """The last time before now that a schedule names."""
    return next(CronSim(schedule, moment, reverse=True))


def _try(name: str, act: Callable[[], object]) -> None:
    try:
        show(f"{name}: {act()}")
    except (BackupError, OSError) as error:
        show(f"{name} failed: {error}")
