"""The images of `images.yaml`, with what a stack overrides: checked, and as references."""

import re
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, RootModel

from schema.errors import UserError

RECIPES = Path(__file__).parent

ImageSource = Literal["official", "built"]

_NO_OVERRIDES: Mapping[str, str] = MappingProxyType({})
_REFERENCE = re.compile(r"([^@\s]+):([^:/@\s]+)(@sha256:[0-9a-f]{64})?")
# Makers put words and a "v" before the numbers: 1.2.3, v1.2.3-slim, main-v1.2.3.
_NUMBERS = re.compile(r"(?:[a-z]+-)*v?(\d+(?:\.\d+)*)")


class ImageError(UserError):
    """Images that must not run. The text says which, why, and what is allowed."""


class _Data(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class Image(_Data):
    """One image as it runs. An override counts as official, unless it is of a built repository."""

    reference: str
    version: str
    source: ImageSource
    lacks: Mapping[str, str]

    def can(self, ability: str) -> bool:
        """Whether the image has what only some images of its service has."""
        return ability not in self.lacks


class Catalog(_Data):
    """The images of `images.yaml`.

    Attributes:
        base: that the built ones stand on, and that nothing runs.
        running: that containers run: of each service of a tenant by its name, and `core`.
    """

    base: Image
    running: Mapping[str, Image]


class _Official(_Data):
    repository: str
    version: str
    digest: Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")] | None

    @property
    def reference(self) -> str:
        tagged = f"{self.repository}:{self.version}"
        return f"{tagged}@{self.digest}" if self.digest else tagged


class _Built(_Data):
    repository: str
    version: str
    lacks: Mapping[str, str]


class _Refused(_Data):
    versions: str
    reason: str


class _Entry(_Data):
    official: _Official | None
    built: _Built
    refused: Sequence[_Refused]

    @property
    def version(self) -> str:
        """The one to be run."""
        return (self.official or self.built).version

    @property
    def example(self) -> str:
        """A reference as an override may be written."""
        built = f"{self.built.repository}:{self.built.version}"
        return self.official.reference if self.official else built


class _File(RootModel[dict[str, _Entry]]):
    pass


def load_catalog(source: ImageSource, overrides: Mapping[str, str] = _NO_OVERRIDES) -> Catalog:
    """The images of one source, except for the parts that `overrides` gives a reference for.

    What has no official image is built whatever the source.

    Raises:
        ImageError: with one sentence for each image that must not run.
    """
    text = (RECIPES / "images.yaml").read_text(encoding="utf-8")
    entries = _File.model_validate(yaml.safe_load(text)).root
    running = [service for service in entries if service != "base"]
    problems = [
        f"There is no image {service!r} to override, only {', '.join(running)}."
        for service in overrides
        if service not in running
    ]
    images: dict[str, Image] = {}
    base = entries["base"]
    official_base = base.official.reference if base.official and source == "official" else ""
    for service, entry in entries.items():
        try:
            images[service] = _image(service, entry, source, overrides.get(service), official_base)
        except ImageError as error:
            problems.append(str(error))
    if problems:
        raise ImageError("\n".join(problems))
    return Catalog(base=images.pop("base"), running=images)


def recipe_hash(service: str, base: str = "") -> str:
    """Changes with everything that the built image of a service is made from.

    Args:
        service: of the image.
        base: reference of an official image that it is built on; one that is built here is its
            files.
    """
    digest = sha256(base.encode())
    files = (path for folder in {"base", service} for path in (RECIPES / folder).iterdir())
    # As text, for Windows writes and sorts paths in another way.
    for name in sorted(path.relative_to(RECIPES).as_posix() for path in files):
        content = sha256((RECIPES / name).read_bytes()).hexdigest()
        digest.update(f"{name} {content}\n".encode())
    return digest.hexdigest()[:12]


def _image(
    service: str, entry: _Entry, source: ImageSource, override: str | None, official_base: str
) -> Image:
    if override is not None:
        return _overriding(service, entry, override)
    if source == "built" or entry.official is None:
        return _built(service, entry, official_base)
    _refuse(service, entry, entry.official.version)
    return Image(
        reference=entry.official.reference,
        version=entry.official.version,
        source="official",
        lacks={},
    )


def _built(service: str, entry: _Entry, official_base: str) -> Image:
    built = entry.built
    _refuse(service, entry, built.version)
    return Image(
        reference=f"{built.repository}:{built.version}-{recipe_hash(service, official_base)}",
        version=built.version,
        source="built",
        lacks=built.lacks,
    )


def _overriding(service: str, entry: _Entry, reference: str) -> Image:
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        raise ImageError(
            f"{service}: {reference!r} is no reference of an image with its version. Write it like "
            f"{entry.example}, with @sha256:... behind it to pin its content."
        )
    repository, version, _ = match.groups()
    _refuse(service, entry, version)
    _refuse_floating(service, entry, version)
    is_built = repository == entry.built.repository
    return Image(
        reference=reference,
        version=version,
        source="built" if is_built else "official",
        lacks=entry.built.lacks if is_built else {},
    )


def _refuse(service: str, entry: _Entry, version: str) -> None:
    for refused in entry.refused:
        if fnmatchcase(_numbers(version), refused.versions):
            raise ImageError(
                f"{service}: version {version} is refused, because {refused.reason}. "
                f"Use {entry.version}, or another version that is not {refused.versions}."
            )


def _refuse_floating(service: str, entry: _Entry, version: str) -> None:
    full = entry.version
    if _numbers(version).count(".") < _numbers(full).count("."):
        raise ImageError(
            f"{service}: {version!r} is not a full version, so what it stands for changes. "
            f"Write every number of it, like {full}."
        )


def _numbers(version: str) -> str:
    match = _NUMBERS.match(version)
    return match[1] if match else ""
