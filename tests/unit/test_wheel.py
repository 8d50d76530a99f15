"""The wheel has every file of the packages, so that it works where no checkout is."""

import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from cli.environment import ROOT

_OF_A_CHECKOUT = {".ci", "docs", "scripts", "tests"}
"""Folders that are no packages."""


def _tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    files = [Path(name) for name in listed.stdout.split("\0") if name]
    return [file for file in files if (ROOT / file).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Files of a wheel that is built from a copy: a build writes into its sources."""
    copy = tmp_path_factory.mktemp("wheel")
    for file in _tracked():
        (copy / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, copy / file)
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--quiet"]
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", copy / "dist", copy],
        check=True,
    )
    [built] = (copy / "dist").glob("*.whl")
    with ZipFile(built) as archive:
        return set(archive.namelist())


def test_the_wheel_has_every_file_of_the_packages(wheel: set[str]) -> None:
    tracked = {
        str(file)
        for file in _tracked()
        if len(file.parts) > 1 and file.parts[0] not in _OF_A_CHECKOUT
    }
    assert {name for name in wheel if ".dist-info/" not in name} == tracked
