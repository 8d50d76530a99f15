"""A demo says whose data is on the host, before it changes anything or prints a password."""

import secrets
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker import DockerClient

from cli.demo.data import DemoData, OthersDataError
from components.labels import labels


@pytest.fixture
def slug(engine: DockerClient) -> Iterator[str]:
    """A tenant with one volume."""
    name = f"z{secrets.token_hex(3)}"
    engine.volumes.create(f"{name}-postgres", labels=labels(name, "postgres"))
    yield name
    engine.volumes.get(f"{name}-postgres").remove()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / ".cloudfreedom" / "demo"
    folder.mkdir(parents=True)
    return folder


def data(checkout: Path, slug: str) -> DemoData:
    return DemoData(checkout / "volumes.json", [slug])


def test_data_that_nobody_here_has_made_is_anothers(
    engine: DockerClient, checkout: Path, slug: str
) -> None:
    with pytest.raises(OthersDataError) as refusal:
        data(checkout, slug).refuse_others(engine, in_use=False)
    told = str(refusal.value)
    assert f"the data of another demo ({slug}-postgres)" in told
    assert "copy its folder .cloudfreedom/demo\n" in told
    assert f"docker volume rm {slug}-postgres && rm -rf .cloudfreedom/demo" in told


def test_what_a_killed_up_has_made_is_this_checkout_s(
    engine: DockerClient, checkout: Path, slug: str
) -> None:
    data(checkout, slug).refuse_others(engine, in_use=True)


def test_a_volume_that_another_checkout_made_anew_is_anothers(
    engine: DockerClient, checkout: Path, slug: str
) -> None:
    ours = data(checkout, slug)
    ours.remember(engine)
    ours.refuse_others(engine, in_use=True)
    engine.volumes.get(f"{slug}-postgres").remove()
    ours.refuse_others(engine, in_use=True)
    time.sleep(1.1)  # the engine counts whole seconds
    engine.volumes.create(f"{slug}-postgres", labels=labels(slug, "postgres"))
    with pytest.raises(OthersDataError):
        ours.refuse_others(engine, in_use=True)
