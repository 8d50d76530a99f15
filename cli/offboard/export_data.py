"""A customer's own data, to hand over."""

from pathlib import Path

from cli.running import RunningStack

_CHAT, _DATA = "openwebui", "/app/backend/data"
_LINES = {
    "accounts.jsonl": "SELECT json_build_object('email', email, 'name', name, 'role', role,"
    " 'created_at', created_at) FROM \"user\" ORDER BY created_at",
    "chats.jsonl": "SELECT json_build_object('email', email, 'title', title,"
    " 'created_at', chat.created_at, 'updated_at', chat.updated_at, 'chat', chat)"
    ' FROM chat LEFT JOIN "user" ON "user".id = user_id ORDER BY chat.created_at',
}
"""One object a line, by the name of its file."""


def export_data(stack: RunningStack, folder: Path) -> list[Path]:
    """Write accounts, chats and files of a tenant into a new folder that only you can read.

    Returns:
        The files: lines of JSON, the whole database as `pg_dump` writes it, and the chat's files.

    Raises:
        UserError: a service does not run, or fails.
        FileExistsError: the folder is there already.
    """
    folder.mkdir(mode=0o700, parents=True)
    postgres = stack.existing("postgres")
    for name, question in _LINES.items():
        command = ["psql", "-XqAt", "--set=ON_ERROR_STOP=1", f"--dbname={_CHAT}"]
        stack.save(postgres, [*command, "--command", question], folder / name)
    dump = ["pg_dump", "--format=custom", _CHAT]
    stack.save(postgres, dump, folder / f"{_CHAT}.dump")
    archive, _ = stack.existing(_CHAT).get_archive(_DATA)
    with (folder / "files.tar").open("wb") as file:
        file.writelines(archive)
    return sorted(folder.iterdir())
