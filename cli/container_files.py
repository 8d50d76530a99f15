"""Files of containers, which Docker takes and hands over as tar archives."""

import io
import tarfile
from collections.abc import Mapping

from docker.models.containers import Container


def pack(files: Mapping[str, str]) -> bytes:
    """An archive of texts by their absolute path, which only their owner reads."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        for path, text in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            data = text.encode()
            entry.size, entry.mode = len(data), 0o400
            tar.addfile(entry, io.BytesIO(data))
    return content.getvalue()


def read_files(container: Container, path: str) -> dict[str, bytes]:
    """A file, or all files below a folder, by their absolute path; the container may be stopped.

    Raises:
        NotFound: there is no such file or folder.
    """
    archive, _ = container.get_archive(path)
    parent = path.rpartition("/")[0]
    with tarfile.open(fileobj=io.BytesIO(b"".join(archive))) as tar:
        files = ((each, tar.extractfile(each)) for each in tar.getmembers() if each.isfile())
        return {f"{parent}/{each.name}": file.read() for each, file in files if file}
