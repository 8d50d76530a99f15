"""Backups of a tenant, seen to come back."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from docker import DockerClient

from cli.deployers.pulumi import PulumiDeployer
from cli.environment import ROOT, docker_address
from cli.export.export import carry_back
from cli.given_keys import given_keys
from cli.restore.recovery import Place, recover
from cli.restore.restore import Restore
from cli.restore.verification import verify
from cli.running import RunningStack
from components.labels import TENANT
from components.services.openwebui import chat_command
from schema.errors import UserError
from tests.billing.client import BillingProcess
from tests.e2e import pulumi_cli
from tests.e2e.api import chat, content
from tests.e2e.conftest import Running, remove, running
from tests.e2e.doctor import found_wrong
from tests.e2e.host_folder import host_folder, in_folder
from tests.e2e.money import Money
from tests.e2e.project import Project, free_ports
from tests.e2e.sshd import ssh_host
from tests.e2e.tenants import beta, gamma
from tests.e2e.valkey import password_of
from tests.e2e.waiting import until, until_healthy
from tests.e2e.webui import Login, Session, admin
from tests.pages import blocks
from tests.providers.client import Providers

SERVICES = ("postgres", "redis", "litellm", "openwebui", "backup")


@pytest.fixture(scope="module")
def repository(engine: DockerClient, toolchain_name: str) -> Iterator[str]:  # noqa: ARG001 - one each
    """A folder of the Docker host."""
    with host_folder(engine) as folder:
        yield folder


@pytest.fixture(scope="module")
def kept(  # noqa: PLR0917 - fixtures
    engine: DockerClient,
    providers: Providers,
    billing_process: BillingProcess,
    toolchain_name: str,
    project: Project,
    repository: str,
) -> Iterator[Running]:
    """A tenant with budgets that is backed up into a folder of its host."""
    web, api = free_ports(2)
    file = gamma(
        f"k{secrets.token_hex(3)}",
        chat=web,
        api=api,
        providers=providers,
        billing=billing_process.billing,
    )
    with running(engine, project, toolchain_name, [file], backup={"repository": repository}) as up:
        yield up[0]


def stack_of(tenant: Running) -> RunningStack:
    return RunningStack(docker_address(), tenant.slug)


def backup(tenant: Running, *command: str) -> tuple[int, str]:
    """Run a command of the backup's container: its exit code, and its output."""
    stack, printed = stack_of(tenant), StringIO()
    with redirect_stdout(printed):
        call = ["python3", "-m", "backup", *command]
        code = stack.run_as_process(stack.existing("backup"), call)
    return code, printed.getvalue()


def sets(tenant: Running) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(backup(tenant, "list", "--json")[1])
    return found


def restore(tenant: Running) -> Restore:
    return Restore(stack_of(tenant), print)


def totals(tenant: Running) -> str:
    """Counters of the ledger."""
    login = f'--user ledger --pass "$({password_of("ledger")})" --no-auth-warning'
    code, printed = tenant.run("redis", "sh", "-c", f"valkey-cli {login} hgetall money:totals")
    assert code == 0
    return printed


def test_what_was_there_comes_back(
    kept: Running, billing_process: BillingProcess, providers: Providers
) -> None:
    payer = Money(kept, billing_process.billing, providers).account()
    assert content(chat(payer.gateway, "paid"))
    payer.events_after(1)
    person = Login.new()
    session = Session.new(kept, person)
    session.keep("an old chat")
    before, spent = session.history(), totals(kept)
    assert spent

    assert backup(kept, "make")[0] == 0
    [*_, newest] = sets(kept)["sets"]
    session.keep("a chat after the backup")
    assert content(chat(payer.gateway, "paid"))
    payer.events_after(2)

    restore(kept).run("latest")
    until_healthy(kept, *SERVICES)
    assert not session.valid, "all log in again"
    again = Session.sign_in(kept, person)
    assert again.history() == before
    assert totals(kept) == spent
    assert content(chat(payer.gateway, "paid"))
    payer.events_after(3)

    with pytest.raises(UserError, match="--back"):
        restore(kept).run(newest["id"])
    restore(kept).give_back()
    until_healthy(kept, *SERVICES)
    titles = [each["title"] for each in Session.sign_in(kept, person).history()]
    assert titles == ["a chat after the backup", "an old chat"]
    with pytest.raises(UserError, match="no data from before"):
        restore(kept).give_back()


@pytest.mark.skipif(not shutil.which("docker"), reason="the commands need Docker's command line")
@pytest.mark.usefixtures("on_one_way")
def test_a_chat_or_a_person_alone_comes_back(kept: Running) -> None:
    """By the commands of the page; whoever goes on meanwhile notices nothing."""
    ann, bob = Login.new(), Login.new("Bob Example")
    hers, his = Session.new(kept, ann), Session.new(kept, bob)
    for session in (hers, his):
        session.keep("an old chat")
    before = hers.history()
    [chat_id] = hers.chat_ids()
    assert backup(kept, "make")[0] == 0
    hers.delete_chat(chat_id)
    his.keep("a new chat")
    Session.sign_in(kept, admin(kept)).delete_person(bob.email)

    restore(kept).beside("latest")
    one_chat, one_person = (
        block.text
        for block in blocks(ROOT / "docs" / "backup.md")
        if "\ncopy chat" in block.text or "person=" in block.text
    )
    typed(kept, one_chat, {"00000000-0000-0000-0000-000000000000": chat_id})
    typed(kept, one_person, {"ann@example.com": bob.email})
    assert hers.valid
    assert hers.history() == before
    assert [each["title"] for each in Session.sign_in(kept, bob).history()] == ["an old chat"]
    restore(kept).forget()
    with pytest.raises(UserError, match="no data from before"):
        restore(kept).give_back()


def typed(tenant: Running, text: str, words: dict[str, str]) -> None:
    """Run the commands of a page for a tenant of the tests."""
    for old, new in {"acme-": f"{tenant.slug}-", **words}.items():
        text = text.replace(old, new)
    call = ["bash", "-euo", "pipefail", "-c", text]
    finished = subprocess.run(call, check=False, capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr


@pytest.mark.usefixtures("on_one_way")
def test_a_set_is_proven_and_listed(kept: Running) -> None:
    backup(kept, "make")
    assert backup(kept, "prove")[0] == 0
    found = sets(kept)
    assert (found["state"], found["reason"]) == ("fine", "")
    assert found["sets"][-1]["proven"]
    code, printed = backup(kept, "list")
    assert code == 0
    assert found["sets"][-1]["id"] in printed
    assert found_wrong(kept) == {}


@pytest.mark.usefixtures("on_one_way")
def test_a_set_is_verified_by_a_login_into_a_copy(kept: Running) -> None:
    session = Session.new(kept, Login.new())
    session.keep("an old chat")
    backup(kept, "make")
    newest = sets(kept)["sets"][-1]
    assert not newest["proven"]

    assert verify(stack_of(kept), "latest", print) == newest["id"]
    assert sets(kept)["sets"][-1]["proven"]
    assert session.valid
    of_copy: dict[str, Any] = {"label": f"{TENANT}={kept.slug}.scratch"}
    there = kept.engine
    assert not there.containers.list(all=True, filters=of_copy)
    assert not there.networks.list(filters=of_copy)
    assert not there.volumes.list(filters=of_copy)
    assert not there.images.list(filters=of_copy)


@pytest.mark.all_only  # the same by another way to Docker
@pytest.mark.usefixtures("on_one_way")
def test_a_set_comes_back_over_ssh(kept: Running, tmp_path: Path) -> None:
    person = Login.new()
    session = Session.new(kept, person)
    session.keep("in the set")
    assert backup(kept, "make")[0] == 0
    session.keep("after the set")
    with ssh_host(tmp_path) as host:
        there = RunningStack(host.address, kept.slug)
        assert verify(there, "latest", print)
        Restore(RunningStack(host.address, kept.slug), print).run("latest")
    assert [each["title"] for each in Session.sign_in(kept, person).history()] == ["in the set"]
    restore(kept).give_back()


@pytest.mark.all_only  # the same exchange as of every restore, with another tenant
@pytest.mark.usefixtures("on_one_way")
def test_another_tenant_becomes_a_copy(kept: Running, toolchain_name: str) -> None:
    """It has the accounts and the chats, and its own budgets, keys and addresses."""
    person = Login.new()
    session = Session.new(kept, person)
    session.keep("an old chat")
    before = session.history()
    assert backup(kept, "make")[0] == 0
    web, api = free_ports(2)
    file = beta(f"t{secrets.token_hex(3)}", chat=web, api=api)
    with running(kept.engine, kept.project, toolchain_name, [file]) as [trial]:
        work = Restore(stack_of(trial), print, source=stack_of(kept), kinds=("databases", "files"))
        work.run("latest")
        assert Session.sign_in(trial, person).history() == before
        target = stack_of(trial)
        assert (
            target.run_as_process(target.existing("openwebui"), chat_command("chat.first_admin"))
            == 0
        )
        assert Session.sign_in(trial, admin(trial)).valid
        assert Session.sign_in(trial, person).ask("demo-model", "Hello")
        assert session.valid
        work.give_back()
        with pytest.raises(httpx.HTTPStatusError):
            Session.sign_in(trial, person)


@pytest.mark.usefixtures("on_one_way")
def test_two_at_once_are_made_one_after_the_other(kept: Running) -> None:
    before = len(sets(kept)["sets"])
    with ThreadPoolExecutor(2) as pool:
        codes = list(pool.map(lambda _: backup(kept, "make")[0], range(2)))
    assert codes == [0, 0]
    assert len(sets(kept)["sets"]) >= min(before + 1, 1)


def test_a_tenant_comes_back_from_nothing(kept: Running, repository: str, tmp_path: Path) -> None:
    """A repository and its password are enough: volumes, state and files are gone."""
    person = Login.new()
    session = Session.new(kept, person)
    session.keep("before the fire")
    before, password = session.history(), kept.deployer.outputs()["backup_password"]
    key = kept.key
    assert backup(kept, "make")[0] == 0

    remove(kept)
    shutil.rmtree(kept.project.root / "stacks" / kept.slug)
    (kept.project.root / "tenants" / f"{kept.slug}.yaml").unlink()
    (kept.project.root / f"Pulumi.{kept.slug}.yaml").unlink()

    place = Place(repository=repository, password=password, credentials={})
    found = recover(
        place,
        set_id="latest",
        address=docker_address(),
        images="built",
        root=kept.project.root,
        folder=tmp_path,
    )
    assert found.stack == kept.slug
    bring_up(kept, tmp_path)
    assert sets(kept)["sets"][-1]["id"] == found.set_id, "nothing is backed up before the restore"
    restore(kept).run("latest")

    until_healthy(kept, *SERVICES)
    assert Session.sign_in(kept, person).history() == before
    assert Session.sign_in(kept, admin(kept)).valid
    assert kept.key == key, "programs keep their keys"
    assert backup(kept, "make")[0] == 0
    restore(kept).forget()


RESTORING = """
import sys
from cli.restore.restore import Restore
from cli.running import RunningStack
stack = RunningStack(*sys.argv[1:])
Restore(stack, lambda line: print(line, file=sys.stderr, flush=True)).run("latest")
"""


def killed_at(said: str, *command: str) -> None:
    """Run a command until it says something, and kill it there."""
    told = []
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as running:
        for line in running.stderr or ():
            told.append(line)
            if said in line:
                running.kill()
                return
    raise AssertionError(f"it never said {said!r}: {''.join(told)}")


@pytest.mark.usefixtures("on_one_way")
@pytest.mark.parametrize("said", [
    pytest.param(said, marks=pytest.mark.all_only)
    for said in (
        "redis: keys are beside", "every table is as it was", "Stopping the services",
        "Starting the services", "openwebui: files are beside",
    )
])  # fmt: skip
def test_a_restore_that_is_killed_loses_nothing(kept: Running, said: str) -> None:
    person = Login.new()
    session = Session.new(kept, person)
    session.keep("in the set")
    assert backup(kept, "make")[0] == 0
    session.keep("after the set")

    killed_at(said, sys.executable, "-c", RESTORING, docker_address(), kept.slug)
    restore(kept).run("latest")
    assert [each["title"] for each in Session.sign_in(kept, person).history()] == ["in the set"]
    restore(kept).give_back()
    titles = [each["title"] for each in Session.sign_in(kept, person).history()]
    assert titles == ["after the set", "in the set"]


@pytest.mark.usefixtures("on_one_way")
@pytest.mark.parametrize("moment", [
    pytest.param(moment, marks=pytest.mark.all_only) for moment in (0.3, 1, 1.5, 2, 3)
])  # fmt: skip
def test_a_backup_that_is_killed_is_made_by_the_next(kept: Running, moment: float) -> None:
    until_healthy(kept, "backup")
    before = kept.container("backup").attrs["State"]
    process = before["Pid"]
    assert process > 1
    with ThreadPoolExecutor(1) as pool:
        pool.submit(backup, kept, "make")
        time.sleep(moment)
        os.kill(process, signal.SIGKILL)
    until(lambda: kept.container("backup").attrs["State"]["StartedAt"] != before["StartedAt"])
    until_healthy(kept, "backup")
    assert backup(kept, "make")[0] == 0
    assert backup(kept, "prove")[0] == 0
    assert sets(kept)["state"] == "fine"


@pytest.mark.usefixtures("on_one_way")
def test_a_damaged_set_is_refused_before_anything_is_touched(
    kept: Running, engine: DockerClient, repository: str
) -> None:
    backup(kept, "make")
    state = kept.container("openwebui").attrs["State"]["StartedAt"]
    # Packs hold the data; one byte of each is another now.
    flip = "for f in $(find data -type f); do chmod u+w $f; printf X | dd of=$f bs=1 seek=9"
    flip += " conv=notrunc 2>/dev/null; done"
    in_folder(engine, repository, flip)
    with pytest.raises(UserError):
        restore(kept).run("latest")
    assert kept.container("openwebui").attrs["State"]["StartedAt"] == state
    assert backup(kept, "prove")[0] == 1
    assert found_wrong(kept)[f"{kept.slug}-backup"].startswith("failed: the proof: ")


def bring_up(tenant: Running, secrets_folder: Path) -> None:
    """Bring a recovered stack up, as `cloudfreedom recover` says."""
    deployer = tenant.deployer
    if isinstance(deployer, PulumiDeployer):
        deployer.prepare()
        state = pulumi_cli.run(deployer, "stack", "export")
        filled = carry_back(
            deployer.stack,
            root=tenant.project.root,
            folder=secrets_folder,
            keys=given_keys(),
            state=state,
        )
        file = secrets_folder / "state.json"
        file.write_text(filled, encoding="utf-8")
        pulumi_cli.run(deployer, "stack", "import", "--file", str(file))
    else:
        stack = tenant.project.root / "stacks" / tenant.slug / "cloudfreedom"
        stack.mkdir(parents=True)
        shutil.copy(secrets_folder / "secrets.json", stack)
    deployer.up()
