"""Builds the images that are missing, from Debian's and Python's packages.

What a build needs of this machine (mirrors, proxies, certificates) is the folder `machine` of
its context. A recipe copies it into its first stage and deletes it there, and only then copies
that stage into the image: nothing of this machine stays in it.
"""

import os
import subprocess
import sys
import tarfile
from argparse import ArgumentParser
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from configparser import ConfigParser
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from shlex import quote
from tempfile import NamedTemporaryFile
from time import monotonic
from typing import get_args

import docker
from docker.errors import DockerException, ImageNotFound

from images.catalog import RECIPES, Catalog, ImageSource, load_catalog
from schema.errors import UserError

_BASE = RECIPES / "base"
_SHOWN_LINES = 20
_CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
_PIP_FILES = ("/etc/pip.conf", Path("~/.config/pip/pip.conf").expanduser())
_PIP_SETTINGS = ("index-url", "extra-index-url", "trusted-host", "cert")
_PROXIES = ("http_proxy", "https_proxy", "no_proxy")
# Whatever apt leaves behind goes with the folder. Without a terminal dpkg draws no progress bars.
_APT = b"""
Dpkg::Use-Pty "false";
Dir::State "/machine";
Dir::Cache "/machine";
"""
_MACHINES_MIRRORS = b'Dir::Etc::SourceList "/machine/sources.list";\n'


class BuildError(UserError):
    """An image could not be built. The text ends with the last lines of its build."""


def build_missing(
    client: docker.DockerClient, catalog: Catalog, report: Callable[[str], None]
) -> None:
    """Builds every image that runs, is built, and is not there yet; its base is made on the way.

    Raises:
        BuildError: one cannot be built.
    """
    running = catalog.running.items()
    built = {service: image.reference for service, image in running if image.source == "built"}
    missing = {service: name for service, name in built.items() if not _has(client, name)}
    if not missing:
        return
    base = catalog.base
    if base.source == "built" and not _has(client, base.reference):
        with _reported(report, base.reference):
            _import_base(client, base.reference)
    machine = _machine(base.source)
    for service, reference in missing.items():
        with _reported(report, reference):
            _build(client, _context(service, machine), base.reference, reference)
    _remove_stages(client)


def _has(client: docker.DockerClient, reference: str) -> bool:
    try:
        client.images.get(reference)
    except ImageNotFound:
        return False
    return True


@contextmanager
def _reported(report: Callable[[str], None], reference: str) -> Iterator[None]:
    started = monotonic()
    yield
    report(f"Built {reference} in {monotonic() - started:.0f} s")


def _import_base(client: docker.DockerClient, reference: str) -> None:
    repository, tag = reference.split(":")
    with NamedTemporaryFile(suffix=".tar") as tar:
        made = subprocess.run(
            [_BASE / "make"], stdout=tar, stderr=subprocess.PIPE, text=True, check=False
        )
        if made.returncode:
            raise BuildError(_failure(reference, made.stderr.splitlines()[-_SHOWN_LINES:]))
        client.api.import_image_from_file(tar.name, repository=repository, tag=tag)


def _build(client: docker.DockerClient, context: BytesIO, base: str, reference: str) -> None:
    output: deque[str] = deque(maxlen=_SHOWN_LINES)
    steps = client.api.build(
        fileobj=context,
        custom_context=True,
        tag=reference,
        buildargs={"BASE": base},
        network_mode="host",
        rm=True,
        forcerm=True,
        decode=True,
    )
    for step in steps:
        output.extend(line for line in step.get("stream", "").splitlines() if line.strip())
        if "error" in step:
            raise BuildError(_failure(reference, [*output, step["error"]]))


def _failure(reference: str, output: list[str]) -> str:
    return "\n".join([f"{reference} could not be built. The last lines of its build:", *output])


def _remove_stages(client: docker.DockerClient) -> None:
    client.images.prune({"dangling": True, "label": "cloudfreedom.stage=build"})


def _context(service: str, machine: Mapping[str, bytes]) -> BytesIO:
    """The build's context: the recipe and the folder `machine`."""
    context = BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        tar.add(RECIPES / service, arcname=".")
        tar.add(_BASE / "venv", arcname="machine/venv")
        for name, content in machine.items():
            entry = tarfile.TarInfo(f"machine/{name}")
            entry.size = len(content)
            tar.addfile(entry, BytesIO(content))
    context.seek(0)
    return context


def _machine(base: ImageSource) -> dict[str, bytes]:
    """Files that a build needs of this machine, by their name in the folder `machine`.

    The official base knows Debian's mirrors; the built one has none but this machine's.
    """
    pip = _pip_settings()
    certificates = Path(pip.pop("PIP_CERT", _CERTIFICATES))
    environment = {"APT_CONFIG": "/machine/apt.conf", "DEBIAN_FRONTEND": "noninteractive"}
    environment |= {name: os.environ[name] for name in _PROXIES if name in os.environ} | pip
    files = {"apt.conf": _APT}
    if base == "built":
        files["apt.conf"] += _debian("settings") + _MACHINES_MIRRORS
        files["sources.list"] = _debian("sources")
    if certificates.exists():
        files["ca.crt"] = certificates.read_bytes()
        environment |= dict.fromkeys(("PIP_CERT", "SSL_CERT_FILE"), "/machine/ca.crt")
    lines = (f"export {name}={quote(value)}\n" for name, value in environment.items())
    return files | {"env": "".join(lines).encode()}


def _debian(subject: str) -> bytes:
    told = subprocess.run([_BASE / "debian", subject], capture_output=True, check=False)
    if told.returncode:
        raise BuildError(told.stderr.decode().strip())
    return told.stdout


def _pip_settings() -> dict[str, str]:
    file = ConfigParser(interpolation=None)
    file.read(_PIP_FILES)
    settings = dict(file["global"]) if file.has_section("global") else {}
    named = {f"PIP_{key.upper().replace('-', '_')}": key for key in _PIP_SETTINGS}
    found = {name: os.environ.get(name) or settings.get(key) for name, key in named.items()}
    return {name: value for name, value in found.items() if value}


def main() -> None:
    """Builds what is missing, for `python -m images.build`."""
    parser = ArgumentParser(description=main.__doc__)
    parser.add_argument(
        "source", choices=get_args(ImageSource), help="what the stack's `images` says"
    )
    source: ImageSource = parser.parse_args().source
    try:
        build_missing(docker.from_env(), load_catalog(source), print)
    except (BuildError, DockerException) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
