"""Commands of the backup container; people use `cloudfreedom backup`, `backups` and `restore`."""

import json
import sys
from collections.abc import Callable, Mapping

from backup import adoption, listing, metrics, proof, restore, schedule, sets
from backup.errors import BackupError
from backup.plan import Plan, load_plan
from backup.restic import show


def _serve(plan: Plan) -> None:
    metrics.serve(plan)
    schedule.serve(plan)


def _make(plan: Plan) -> None:
    show(f"The set {sets.make(plan)} is made")


def _prove(plan: Plan, *set_id: str) -> None:
    show(f"The set {proof.prove(plan, *set_id)} is proven")


def _fetch(plan: Plan, set_id: str, *services: str) -> None:
    print(json.dumps(restore.fetch(plan, set_id, services)))


_COMMANDS: Mapping[str, Callable[..., int | None]] = {
    "serve": _serve,
    "alive": lambda _: int(not schedule.is_alive()),
    "make": _make,
    "prove": _prove,
    "proven": proof.record,
    "erase": sets.erase,
    "list": lambda plan, *options: listing.show_sets(plan, as_json="--json" in options),
    "state": lambda plan: print(json.dumps(listing.current_state(plan))),
    "phase": lambda _: print(restore.phase()),
    "stack": lambda plan, set_id: print(json.dumps(restore.stack(plan, set_id))),
    "fetch": _fetch,
    "adopt": lambda _, database: print(json.dumps(adoption.fetch(database))),
    "take": lambda _, *services: restore.take(services),
    "finish": lambda _, *services: restore.finish(services),
    "give-back": lambda _, *services: restore.give_back(services),
    "forget": lambda _, *services: restore.forget(services),
}


def main(command: str, *arguments: str) -> int:
    """Run a command; its exit code."""
    try:
        return _COMMANDS[command](load_plan(), *arguments) or 0
    except (BackupError, OSError) as error:
        show(str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
