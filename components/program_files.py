"""Files of this project that run in containers."""

from pathlib import Path

_PROJECT = Path(__file__).parents[1]


def program_files(*patterns: str, folder: str) -> dict[str, str]:
    """Texts of files, by the path that they have in a container.

    Args:
        patterns: of paths below the project's folder, such as `gateway/*`.
        folder: of the container; a file has the same path below it.
    """
    paths = (path for pattern in patterns for path in sorted(_PROJECT.glob(pattern)))
    return {
        f"{folder}/{path.relative_to(_PROJECT).as_posix()}": path.read_text(encoding="utf-8")
        for path in paths
        if path.is_file() and path.suffix != ".pyc"
    }
