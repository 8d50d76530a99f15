"""A full proof of a set: restored into a scratch copy of its stack, where somebody logs in."""

from collections.abc import Callable

from cli.restore.restore import Restore
from cli.restore.scratch import scratch_copy
from cli.restore.services import start
from cli.running import RunningStack
from components.services.backup import NAME as BACKUP
from components.services.openwebui import OF_A_COPY, chat_command
from schema.errors import UserError

_CHAT = "openwebui"


def verify(stack: RunningStack, set_id: str, report: Callable[[str], None]) -> str:
    """Restore a set into a copy of its stack, log in there, and read an old chat.

    Of a core, PocketBase starts with the data of the set. The stack itself goes on meanwhile.

    Args:
        stack: that the set is of.
        set_id: of the set, or `latest`.
        report: tells whoever waits.

    Returns:
        The ID of the set, which counts as proven.

    Raises:
        UserError: the set is not what it should be, or cannot be restored.
    """
    services = Restore(stack, report).services
    report(f"Starting a copy of {', '.join(services)} ...")
    with scratch_copy(stack, services, OF_A_COPY) as copy:
        start(copy.containers)
        proven = Restore(copy, report, source=stack).run(set_id)
        if _CHAT in services and copy.run_as_process(
            copy.existing(_CHAT), chat_command("chat.proof")
        ):
            raise UserError(f"the set {proven} is restored, but nobody can use it")
    record = ["python3", "-m", "backup", "proven", proven]
    stack.run_as_process(stack.existing(BACKUP), record)
    return proven
