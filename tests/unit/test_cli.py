"""The command line: what a person reads who asks it something, or gives it something bad."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.app import app
from cli.environment import CORE, ROOT, shown_compose
from schema.yaml_file import stacks
from tenants.loader import FOLDER

PACKAGES = (
    *("backup", "cli", "components", "core", "gateway", "images", "money", "schema", "tenants"),
)
KEYS = {"CLOUDFREEDOM_BILLING_KEY": "key", "CLOUDFREEDOM_LOGIN_SECRET": "secret"}
ACME = "slug: acme\nname: Acme\nopenwebui: {port: 3002}\nlitellm: {port: 4002}\n"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """The program on its own, so that a test may break its files."""
    root = tmp_path / "project"
    for package in PACKAGES:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, root / package, ignore=ignored)
    for file in (ROOT / "__main__.py", *ROOT.glob("Pulumi*.yaml")):
        shutil.copy(file, root)
    return root


def cloudfreedom(
    project: Path, *arguments: str, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "cli", *arguments],
        input=stdin,
        cwd=project,
        env=os.environ | KEYS | {"PYTHONUTF8": "1"},
        check=False,
        capture_output=True,
        encoding="utf-8",
    )


def test_check_finds_no_problem_in_this_repository() -> None:
    result = CliRunner().invoke(app, ["check"])
    assert result.exit_code == 0
    found = [line.partition(":")[0] for line in result.output.splitlines()]
    tenants = [f"tenants/{stack}.yaml" for stack in stacks(FOLDER)]
    assert found == [*tenants, *(f"core/{stack}.yaml" for stack in stacks(CORE))]


def test_without_a_command_it_tells_the_commands() -> None:
    output = CliRunner().invoke(app, []).output
    assert all(command in output for command in ("backup", "check", "demo", "export", "restore"))


@pytest.mark.parametrize(("text", "sentences"), [
    (ACME.replace("4002", "4001"),
     ["tenants/acme.yaml:4: litellm.port = 4001: already used by demo.yaml on this host;"
      " choose a free port",
      "tenants/demo.yaml:9: litellm.port = 4001: already used by acme.yaml on this host;"
      " choose a free port"]),
    (f"{ACME}name: Other\ndomain: acme\n",
     ["tenants/acme.yaml:2: name: a key only once; it stands in line 5 again",
      'tenants/acme.yaml:6: domain = "acme": must be a full domain name in small letters,'
      " such as chat.example.com"]),
    ("slug: [", ["tenants/acme.yaml:1: the file: not YAML: expected the node content,"
                 " but found '<stream end>'"]),
])  # fmt: skip
def test_check_tells_every_problem_and_nothing_else(
    project: Path, text: str, sentences: list[str]
) -> None:
    (project / "tenants" / "acme.yaml").write_text(text, encoding="utf-8")
    stack = "config:\n  cloudfreedom:rotation: {redis: 1}\n"
    (project / "Pulumi.acme.yaml").write_text(stack, encoding="utf-8")
    finished = cloudfreedom(project, "check")
    assert finished.returncode == 1
    assert finished.stdout == ""
    assert finished.stderr.splitlines() == sentences


def test_check_tells_what_a_tenant_and_its_core_do_not_agree_on(project: Path) -> None:
    file = project / "core" / "demo.yaml"
    told = "    chat_url: http://127.0.0.1:3009\n    people:"
    file.write_text(file.read_text("utf-8").replace("    people:", told), encoding="utf-8")
    finished = cloudfreedom(project, "check")
    assert finished.returncode == 1
    assert finished.stderr == (
        'core/demo.yaml:9: tenants.0.chat_url = "http://127.0.0.1:3009/": people open the chat at'
        " http://127.0.0.1:3001, says tenants/demo.yaml\n"
    )


@pytest.mark.parametrize(("stack", "config", "sentence"), [
    ("gamma", "", "tenants/gamma.yaml:1: there is no such file: "),
    ("demo", "config: {cloudfreedom:imageOverrides: {redis: valkey:latest}}",
     "redis: 'latest' is not a full version, "),
    ("demo", "config:\n  a: [\n", "Pulumi.demo.yaml:3: the file: not YAML: expected "),
    ("demo", "- config\n", "Pulumi.demo.yaml:1: the file: must be a mapping"),
    ("demo", "config: 5\n", "Pulumi.demo.yaml: config: must be a mapping"),
])  # fmt: skip
def test_export_ends_with_the_sentence_that_the_program_ends_with(
    project: Path, tmp_path: Path, stack: str, config: str, sentence: str
) -> None:
    (project / f"Pulumi.{stack}.yaml").write_text(config, encoding="utf-8")
    finished = cloudfreedom(project, "export", stack, "--to", str(tmp_path / "out"))
    assert finished.returncode == 1
    assert finished.stdout == ""
    [line] = finished.stderr.splitlines()
    assert line.startswith(sentence)


def test_export_tells_what_to_run_whatever_is_wrong_with_another_stack(
    project: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out of it"
    (project / "Pulumi.app.yaml").write_text("config: [", encoding="utf-8")
    finished = cloudfreedom(project, "export", "demo", "--to", str(folder), "--images", "built")
    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.startswith(f"cd '{folder}' && {shown_compose()} up --detach --wait ")
    assert "image: cloudfreedom/redis:" in (folder / "compose.yaml").read_text(encoding="utf-8")


def test_export_of_a_core(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "core"
    finished = cloudfreedom(project, "export", "demo", "--core", "--to", str(folder))
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "container_name: core-pocketbase" in (folder / "compose.yaml").read_text("utf-8")
    assert '"billing_key"' in (folder / "outputs.json").read_text("utf-8")


def test_the_doctor_finds_no_engine(project: Path) -> None:
    stack = "config:\n  cloudfreedom:dockerHost: tcp://127.0.0.1:9\n"
    (project / "Pulumi.demo.yaml").write_text(stack, encoding="utf-8")
    finished = cloudfreedom(project, "doctor", "demo")
    assert finished.returncode == 1
    assert finished.stdout.startswith("Docker at tcp://127.0.0.1:9: no Docker engine answers")
    assert len(finished.stdout.splitlines()) == 1


@pytest.mark.parametrize("command", ["backup", "backups", "restore --yes"])
def test_backups_find_no_engine(project: Path, command: str) -> None:
    stack = "config:\n  cloudfreedom:dockerHost: tcp://127.0.0.1:9\n"
    (project / "Pulumi.demo.yaml").write_text(stack, encoding="utf-8")
    finished = cloudfreedom(project, *command.split(), "demo")
    assert (finished.returncode, finished.stdout) == (1, "")
    assert finished.stderr.startswith("no Docker engine answers at tcp://127.0.0.1:9")
    assert len(finished.stderr.splitlines()) == 1


def test_import_gives_a_new_stack_what_an_export_holds(project: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    assert cloudfreedom(project, "export", "demo", "--to", str(folder)).returncode == 0
    new = json.dumps({"version": 3, "deployment": {"manifest": {}}})
    finished = cloudfreedom(project, "import", "demo", "--from", str(folder), stdin=new)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "demo-litellm-salt" in finished.stdout
    again = cloudfreedom(project, "import", "demo", "--from", str(folder), stdin=finished.stdout)
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr.startswith("the stack demo is not empty: ")


def test_import_from_where_nothing_was_exported(project: Path, tmp_path: Path) -> None:
    finished = cloudfreedom(project, "import", "demo", "--from", str(tmp_path), stdin="{}")
    assert (finished.returncode, finished.stdout) == (1, "")
    assert finished.stderr == (
        f"{tmp_path}/secrets.json: there is no such file: the folder of an export has one\n"
    )


def test_export_takes_over_the_secrets_of_a_state(project: Path, tmp_path: Path) -> None:
    first, second, state = tmp_path / "first", tmp_path / "second", tmp_path / "state.json"
    cloudfreedom(project, "export", "demo", "--to", str(first))
    new = json.dumps({"version": 3, "deployment": {"manifest": {}}})
    filled = cloudfreedom(project, "import", "demo", "--from", str(first), stdin=new).stdout
    state.write_text(filled, encoding="utf-8")
    options = ("--to", str(second), "--values")
    assert cloudfreedom(project, "export", "demo", *options, str(state)).returncode == 0
    assert (first / "secrets.json").read_bytes() == (second / "secrets.json").read_bytes()
    refused = cloudfreedom(project, "export", "demo", *options, "-", stdin="{}")
    assert refused.stderr == "this is not what `pulumi stack export` prints\n"
