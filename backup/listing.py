"""All sets, and whether there is anything to worry about."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from backup.plan import Plan
from backup.restic import Repository
from backup.schedule import previous
from backup.status import Status, load_status

_MIB = 2**20
_FIRST_PROOF = timedelta(hours=1)
"""It follows the first set at once, and takes its time."""

OK, FAILED, STALE, UNPROVEN = "fine", "failed", "stale", "unproven"
EXIT_CODES = {OK: 0, FAILED: 3, STALE: 4, UNPROVEN: 5}


def show_sets(plan: Plan, *, as_json: bool) -> int:
    """Print all sets and the state of backups; the exit code of the state."""
    status = load_status()
    found = [_row(each, status) for each in Repository(plan).sets()]
    state, reason = judge(plan, status, datetime.now(UTC))
    if as_json:
        print(json.dumps({"state": state, "reason": reason, "sets": found}, indent=2))
    else:
        print(f"{'SET':10}{'MADE':27}{'SIZE':>12}{'ADDED':>12}  {'PROGRAM':10}PROVEN")
        for row in found:
            print(
                f"{row['id']:10}{row['made']:27}{_size(row['bytes']):>12}{_size(row['added']):>12}"
                f"  {row['program']:10}{row['proven'] or '-'}"
            )
        print(f"{state}: {reason}" if reason else state)
    return EXIT_CODES[state]


def current_state(plan: Plan) -> dict[str, str]:
    """The state and its times, without asking the repository; until `safe` all is in two sets."""
    status = load_status()
    state, reason = judge(plan, status, datetime.now(UTC))
    return {
        "state": state,
        "reason": reason,
        "made": status.made,
        "proven": max(status.proven.values(), default=""),
        "safe": status.safe,
    }


def judge(plan: Plan, status: Status, moment: datetime) -> tuple[str, str]:
    """The state of backups, and what is wrong.

    One is stale when a whole period of the schedule has passed without a set.
    """
    if status.failure:
        return FAILED, status.failure
    if status.proof_failure:
        return FAILED, f"the proof: {status.proof_failure}"
    last = previous(plan.schedule, previous(plan.schedule, moment))
    since = max(status.made, status.adopted)
    if not since or datetime.fromisoformat(since) < last:
        return STALE, f"no set was made since {since}" if since else "no set was made yet"
    if not status.proven and moment - datetime.fromisoformat(since) < _FIRST_PROOF:
        return OK, ""
    proof = previous(plan.proofs, previous(plan.proofs, moment))
    if not any(datetime.fromisoformat(when) >= proof for when in status.proven.values()):
        return UNPROVEN, "`cloudfreedom backup STACK --prove` restores a set beside nothing"
    return OK, ""


def _row(found: dict[str, Any], status: Status) -> dict[str, Any]:
    summary = found.get("summary", {})
    made = datetime.fromisoformat(found["time"]).astimezone(UTC).isoformat(timespec="seconds")
    programs = [tag.partition("=")[2] for tag in found["tags"] if tag.startswith("program=")]
    return {
        "id": found["short_id"],
        "made": made,
        "bytes": summary.get("total_bytes_processed", 0),
        "added": summary.get("data_added_packed", summary.get("data_added", 0)),
        "program": "".join(programs),
        "proven": status.proven.get(found["short_id"], ""),
    }


def _size(count: int) -> str:
    return f"{count / _MIB:.1f} MiB"
