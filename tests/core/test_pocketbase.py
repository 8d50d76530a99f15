"""That PocketBase is as the migrations and hooks say, and our client of it."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest

from core.services.pocketbase import (
    AwayError,
    NotFoundError,
    PocketBase,
    RefusedError,
    UnverifiedError,
)
from tests.core.processes import PocketBaseProcess
from tests.core.superuser import PASSWORD, Superuser


def asked(process: PocketBaseProcess, work: Callable[[PocketBase], Awaitable[None]]) -> None:
    async def run() -> None:
        async with PocketBase(process.url, process.password) as client:
            await work(client)

    asyncio.run(run())


def test_it_is_closed_and_backed_up(superuser: Superuser) -> None:
    settings = superuser.http.get("/api/settings").json()

    assert settings["rateLimits"]["enabled"] is True
    assert settings["batch"]["enabled"] is False
    assert settings["backups"]["cron"]
    assert settings["backups"]["cronMaxKeep"] == 7
    users = superuser.http.get("/api/collections/users").json()
    assert users["createRule"] is None
    assert [users[way]["enabled"] for way in ("mfa", "otp", "oauth2")] == [False] * 3


def test_an_email_is_in_small_letters(superuser: Superuser) -> None:
    tenant = superuser.tenant()
    ann = superuser.user(tenant, email="Ann@Small.Example")
    assert ann["email"] == "ann@small.example"
    assert superuser.update("users", ann, email="ANN@small.example")["email"] == ann["email"]
    assert superuser.budget(tenant, "API@small.example", 5)["user"] == "api@small.example"


def test_a_budget_of_an_address_is_its_person_s(superuser: Superuser) -> None:
    tenant, other = superuser.tenant(), superuser.tenant()
    ann = superuser.user(tenant)
    fields = {"user": ann["email"].upper(), "amount": 5, "period": "never"}
    assert superuser.create("budgets", tenant=tenant["id"], **fields)["user"] == ann["id"]
    again = {"tenant": tenant["id"]} | fields
    assert superuser.http.post("/api/collections/budgets/records", json=again).status_code == 400
    assert superuser.create("budgets", tenant=other["id"], **fields)["user"] == ann["email"]


def test_the_client_makes_finds_changes_and_takes_away(
    pocketbase: PocketBaseProcess, superuser: Superuser
) -> None:
    demo, other = superuser.tenant(), superuser.tenant()

    async def work(client: PocketBase) -> None:
        fields = {"tenant": demo["id"], "user": "ann", "period": "never", "amount": 5}
        made = await client.create("budgets", fields)
        key = {"tenant": demo["id"], "user": "ann"}
        assert await client.find_by_key("budgets", key) == made
        assert await client.find("budgets", "tenant.slug = {t}", {"t": demo["slug"]}) == made
        assert await client.list("budgets", "tenant.slug = {t}", {"t": other["slug"]}) == []
        changed = await client.update("budgets", made["id"], {"amount": 6})
        assert changed == made | {"amount": 6}

        with pytest.raises(RefusedError) as taken:
            await client.create("budgets", fields)
        assert taken.value.is_taken
        with pytest.raises(RefusedError, match="amount validation_") as wrong:
            await client.update("budgets", made["id"], {"amount": -1})
        assert not wrong.value.is_taken

        await client.delete("budgets", made["id"])
        with pytest.raises(NotFoundError):
            await client.delete("budgets", made["id"])
        assert await client.find_by_key("budgets", key) is None
        assert await client.find("budgets", "tenant.slug = {t}", {"t": demo["slug"]}) is None

    asked(pocketbase, work)


@pytest.mark.parametrize("text", ["o'neill", "a\\", "' || id != '", '"', "{u}", "@request.auth.id"])
def test_a_value_stays_a_value(
    pocketbase: PocketBaseProcess, superuser: Superuser, text: str
) -> None:
    tenant = superuser.tenant()
    superuser.budget(tenant, text, 5)
    superuser.budget(tenant, "another", 5)

    async def work(client: PocketBase) -> None:
        question = "tenant = {t} && user = {u}"
        [found] = await client.list("budgets", question, {"t": tenant["id"], "u": text})
        assert found["user"] == text

    asked(pocketbase, work)


def test_the_client_acts_for_a_person(pocketbase: PocketBaseProcess, superuser: Superuser) -> None:
    tenant = superuser.tenant()
    ann, bob = superuser.user(tenant), superuser.user(tenant, "bob")

    async def work(client: PocketBase) -> None:
        token = await client.impersonate(ann["id"], 60)
        assert await client.list("users", token=token) == [ann]
        assert await client.find("users", "id = {id}", {"id": bob["id"]}, token=token) is None
        with pytest.raises(RefusedError) as refused:
            await client.create("tenants", {"slug": "mine", "name": "Mine"}, token=token)
        assert refused.value.status == 403
        with pytest.raises(RefusedError) as ended:
            await client.list("users", token=token[:-2])
        assert ended.value.status == 401

    asked(pocketbase, work)


def test_only_a_verified_person_has_a_password(
    pocketbase: PocketBaseProcess, superuser: Superuser
) -> None:
    tenant = superuser.tenant()
    ann = superuser.user(tenant)
    eve = superuser.user(tenant, "eve", verified=False)

    async def work(client: PocketBase) -> None:
        found = await client.check_password(ann["email"], PASSWORD)
        assert found
        assert found["id"] == ann["id"]
        for email, password in ((ann["email"], "wrong"), (eve["email"], "wrong"), ("", "")):
            assert await client.check_password(email, password) is None
        with pytest.raises(UnverifiedError):
            await client.check_password(eve["email"], PASSWORD)

    asked(pocketbase, work)


def test_an_address_has_few_attempts_and_our_services_are_not_counted(tmp_path: Path) -> None:
    with (
        PocketBaseProcess(folder=tmp_path) as process,
        Superuser(process.url, process.password) as superuser,
    ):
        ann = superuser.user(superuser.tenant())

        async def work(client: PocketBase) -> None:
            for _ in range(20):
                await client.check_password(ann["email"], PASSWORD)

        asked(process, work)
        given = {"identity": ann["email"], "password": "wrong"}
        path = f"{process.url}/api/collections/users/auth-with-password"
        answers = [httpx.post(path, json=given).status_code for _ in range(20)]
        assert answers == [400] * 10 + [429] * 10


def test_the_client_survives_a_restart(tmp_path: Path) -> None:
    with PocketBaseProcess(folder=tmp_path) as process:

        async def work(client: PocketBase) -> None:
            await client.create("tenants", {"slug": "demo", "name": "Demo"})
            process.kill()
            with pytest.raises(AwayError):
                await client.check_health()
            with pytest.raises(AwayError):
                await client.list("tenants")

            process.start()  # with new tokens
            lists = await asyncio.gather(*(client.list("tenants") for _ in range(50)))
            assert [len(found) for found in lists] == [1] * 50

        asked(process, work)


def test_a_wrong_password_is_said(pocketbase: PocketBaseProcess) -> None:
    async def run() -> None:
        async with PocketBase(pocketbase.url, "wrong") as client:
            with pytest.raises(AwayError, match="does not know us"):
                await client.check_health()

    asyncio.run(run())
