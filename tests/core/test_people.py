"""Budgets and usage belong to people, whatever becomes of their addresses."""

import secrets
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest

from core.services import settings
from tests.billing.gateway import ALL_LOGGED, Json
from tests.connections import client
from tests.core.billing import LONG_PASSWORD, OPERATOR, Api, billing, told
from tests.core.billing import PASSWORD as FIRST_PASSWORD
from tests.core.company import written
from tests.core.processes import POCKETBASE, PocketBaseProcess
from tests.core.superuser import NANOS, Record, Superuser

FIRST = ("1_core.js", "2_identity.js", "3_portal.js")
"""The migrations of a core whose budgets and usage belonged to addresses."""


def event(tenant: Record, user: str, cost: int, **fields: object) -> Record:
    return {
        "request_id": secrets.token_hex(16),
        "tenant": tenant["slug"],
        "user": user,
        "model": "m",
        "tokens_input": 1,
        "tokens_output": 2,
        "cost": cost,
        "response_time": 3,
        "ended_at": written(datetime.now(UTC)),
        "status": "success",
        "estimated": False,
    } | fields


def log(superuser: Superuser, *events: Record) -> Record:
    return dict(superuser.http.post("/api/core/log-usage", json=events).raise_for_status().json())


def old_core(folder: Path) -> Path:
    """The migrations and hooks of before; hooks that are newer do not run without its tables."""
    for name in ("migrations", "hooks"):
        (folder / name).mkdir(parents=True)
    for name in FIRST:
        (folder / "migrations" / name).symlink_to(POCKETBASE / "migrations" / name)
    return folder


def test_what_addresses_had_becomes_their_people_s(tmp_path: Path) -> None:
    """A core that was filled before is migrated, with everything that it holds."""
    process = PocketBaseProcess(folder=tmp_path, source=old_core(tmp_path / "old"))
    rows: list[Record] = []
    with process, Superuser(process.url, process.password) as superuser:
        acme, other = superuser.tenant("acme"), superuser.tenant("other")
        ann, bob = superuser.user(acme), superuser.user(acme, "bob")
        for tenant, user in ((acme, ann["email"]), (acme, "api@acme"), (other, ann["email"])):
            superuser.budget(tenant, user, 10 * NANOS, "never")
            for number in range(30):
                moment = datetime.now(UTC) - timedelta(days=number % 3)
                fields = event(tenant, user, 1000 + number, ended_at=written(moment))
                rows.append(superuser.create("usage_logs", **fields | {"tenant": tenant["id"]}))
        before = sums(superuser)

    process.source = POCKETBASE
    with process, Superuser(process.url, process.password) as superuser:
        key = {ann["email"]: ann["id"]}
        after = {row["id"]: row["user"] for row in superuser.list("usage_logs")}
        assert after == {
            row["id"]: key.get(row["user"], row["user"]) if row["tenant"] == acme["id"]
            else row["user"] for row in rows
        }  # fmt: skip
        assert sums(superuser) == {
            (tenant, key.get(user, user) if tenant == acme["id"] else user, *rest): cost
            for (tenant, user, *rest), cost in before.items()
        }
        whole = sum(range(1000, 1030))
        assert superuser.used(acme, ann["id"]) == whole
        assert superuser.used(acme, "api@acme") == whole
        assert superuser.used(other, ann["email"]) == whole  # nobody of that tenant

        # Events under way at the upgrade still name the address.
        assert log(superuser, event(acme, ann["email"], 5), event(acme, bob["email"], 5)) == {
            "logged": 2,
            "refused": [],
        }
        assert superuser.used(acme, ann["id"]) == whole + 5


def sums(superuser: Superuser) -> dict[tuple[str, ...], int]:
    days = superuser.list("usage_days")
    return {(day["tenant"], day["user"], day["day"], day["model"]): day["cost"] for day in days}


# --- What becomes of people and their addresses

ANN: Json = {"name": "Ann", "verified": True}
COST = "0.25"
numbers = count()


@dataclass(frozen=True)
class Tenant:
    """As the operator and a gateway see it."""

    operator: httpx.Client
    api: Api
    superuser: Superuser

    @property
    def path(self) -> str:
        return f"/api/tenants/{self.api.tenant}"

    @property
    def id(self) -> str:
        [tenant] = self.superuser.list("tenants", "slug = {slug}", slug=self.api.tenant)
        return str(tenant["id"])

    def ask(self, method: str, path: str, body: Json | None = None) -> httpx.Response:
        return self.operator.request(method, f"{self.path}{path}", json=body)

    def person(self, name: str, /, **fields: object) -> str:
        """Make or change one: the subject."""
        answer = self.ask("PUT", f"/users/{name}", ANN | fields)
        return str(answer.raise_for_status().json()["subject"])

    def budget(self, user: str, amount: str = "10") -> None:
        body = {"amount": amount, "period": "never"}
        self.ask("PUT", f"/budgets/{quote(user, safe='')}", body).raise_for_status()

    def uses(self, user: str, **fields: object) -> None:
        event = self.api.event(user, cost_total=COST, **fields)
        assert self.api.log(event).json() == ALL_LOGGED

    def used(self, user: str) -> str:
        return str(self.ask("GET", f"/budgets/{quote(user, safe='')}").json().get("used"))

    def names(self, tenant: str) -> str:
        """All that is kept of a tenant's budgets and usage."""
        tables = ("users", "budgets", "usage_logs", "usage_days", "former_emails")
        return str([self.superuser.list(name, "tenant = {t}", t=tenant) for name in tables])


@pytest.fixture(scope="module", params=["nobody known", "default budget"])
def tenant(
    request: pytest.FixtureRequest,
    pocketbase: PocketBaseProcess,
    superuser: Superuser,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Tenant]:
    default = {"amount": "3", "period": "never"} if request.param == "default budget" else None
    slug = f"t{secrets.token_hex(4)}"
    folder = tmp_path_factory.mktemp("people")
    with (
        billing(folder, pocketbase, told(slug, default_budget=default)) as process,
        client(base_url=process.url, headers={"X-API-Key": OPERATOR}, timeout=60) as operator,
        Api(process, slug) as api,
    ):
        while operator.get(f"/api/tenants/{slug}").status_code != 200:
            pass
        yield Tenant(operator, api, superuser)


@pytest.fixture
def old() -> str:
    return f"old{next(numbers)}@people.example"


@pytest.fixture
def new() -> str:
    return f"new{next(numbers)}@people.example"


def test_whoever_is_renamed_keeps_budget_and_usage(tenant: Tenant, old: str, new: str) -> None:
    subject = tenant.person(old)
    tenant.budget(old)
    tenant.uses(old)

    assert tenant.person(subject, email=new.upper()) == subject
    assert tenant.person(old, email=new) == subject  # repeated
    tenant.uses(old)  # as it was still under way
    tenant.uses(new.upper())
    tenant.uses(subject)
    tenant.uses("whatever", user_subject=subject)
    for name in (new, new.title(), subject):
        assert tenant.used(name) == "1.25"
        assert tenant.api.check(name).json()["budget"]["used"] == "1.25"
    answer = tenant.api.check(old, user_subject=subject).json()
    assert (answer["status"], answer["budget"]["remaining"]) == ("ok", "8.75")
    assert tenant.ask("GET", f"/users/{old}").status_code == 404


def test_whoever_has_several_names_is_one_payer(tenant: Tenant, old: str) -> None:
    subject = tenant.person(old)
    tenant.budget(old)
    for name, known in ((old, ""), (old.upper(), ""), (subject, ""), ("whatever", subject)):
        budget = tenant.api.check(name, user_subject=known).json()["budget"]
        assert (budget["payer"], budget["currency"]) == (subject, "EUR")
    assert "payer" not in tenant.api.check(old).json()["budget"]


@pytest.mark.parametrize("way", ["renamed", "gone"])
def test_whoever_gets_an_address_gets_nothing_of_who_had_it(
    tenant: Tenant, old: str, new: str, way: str
) -> None:
    before = tenant.person(old)
    tenant.budget(old)
    tenant.uses(old)
    ended_at = written(datetime.now(UTC)).replace(" ", "T")
    if way == "renamed":
        tenant.person(before, email=new)
    else:
        assert tenant.ask("DELETE", f"/users/{old}").status_code == 204

    after = tenant.person(old)
    assert after != before
    assert tenant.ask("GET", f"/budgets/{old}").status_code == 404
    tenant.budget(old, "5")
    assert tenant.api.check(old).json()["budget"]["remaining"] == "5"
    tenant.uses(old, ended_at=ended_at)  # it was the other's
    assert tenant.used(old) == "0"
    tenant.uses(old, ended_at=written(datetime.now(UTC)).replace(" ", "T"))
    assert tenant.used(old) == "0.25"
    logs = tenant.superuser.list("usage_logs", "user = {key}", key=before)
    assert len(logs) == 2


def test_whoever_is_gone_spends_nothing(tenant: Tenant, old: str) -> None:
    subject = tenant.person(old)
    tenant.budget(old)
    assert tenant.ask("DELETE", f"/users/{old}").status_code == 204
    for question in ({"user_subject": subject}, {}):
        user = old if question else subject
        assert tenant.api.check(user, **question).status_code == 404
    tenant.uses(old, user_subject=subject)  # but is still told of
    assert len(tenant.superuser.list("usage_logs", "user = {key}", key=subject)) == 1


def test_a_budget_may_be_there_before_its_person(tenant: Tenant, old: str, new: str) -> None:
    tenant.budget(old)
    tenant.budget(new)
    tenant.uses(new)
    tenant.person(old)
    tenant.person(new)
    assert tenant.used(old) == "0"
    assert tenant.api.check(old).json()["budget"]["total"] == "10"
    # Somebody has used something under that address, who may be another.
    assert tenant.ask("GET", f"/budgets/{new}").status_code == 404


def test_what_an_address_used_is_linked_by_hand(tenant: Tenant, old: str, new: str) -> None:
    tenant.budget(old)
    tenant.uses(old)
    subject = tenant.person(new)
    tenant.uses(new)
    answer = tenant.ask("POST", f"/users/{new}/link", {"from": old.upper()})
    assert answer.json() == {"requests": 1, "budgets": 1}
    assert (tenant.used(subject), tenant.api.check(new).json()["budget"]["total"]) == ("0.5", "10")
    [day] = tenant.superuser.list("usage_days", "user = {key}", key=subject)
    assert (day["requests"], day["cost"]) == (2, NANOS // 2)
    again = tenant.ask("POST", f"/users/{new}/link", {"from": old})
    assert again.json() == {"requests": 0, "budgets": 0}

    # Also what somebody has used who is gone, and was made anew.
    assert tenant.ask("DELETE", f"/users/{new}").status_code == 204
    tenant.person(old)
    assert tenant.ask("POST", f"/users/{old}/link", {"from": new}).json()["requests"] == 2
    other = tenant.person(f"other-{new}")
    answer = tenant.ask("POST", f"/users/{other}/link", {"from": old})
    assert (answer.status_code, "whose usage stays theirs" in answer.text) == (409, True)


# --- What the settings say of people, at each start


def seeded(pocketbase: PocketBaseProcess, folder: Path, tenant: settings.Tenant) -> None:
    """Start the Billing API until it has come to the last of its tenants, and stop it."""
    last = told(f"t{secrets.token_hex(4)}")
    with (
        billing(folder, pocketbase, tenant, last) as process,
        client(base_url=process.url, headers={"X-API-Key": OPERATOR}, timeout=60) as operator,
    ):
        while operator.get(f"/api/tenants/{last.slug}").status_code != 200:
            pass


def named(email: str) -> settings.Tenant:
    """A tenant with one person, who begins with a budget."""
    budget = {"amount": "7", "period": "never"}
    person = {"email": email, "name": "Ann", "role": "admin", "budget": budget}
    return told(f"t{secrets.token_hex(4)}", people=(person,))


@pytest.mark.parametrize("given_anew", [False, True])
def test_whoever_is_renamed_does_not_come_back(
    pocketbase: PocketBaseProcess, superuser: Superuser, tmp_path: Path, old: str, given_anew: bool
) -> None:
    tenant = named(old)
    seeded(pocketbase, tmp_path, tenant)
    [ann] = superuser.list("users", "email = {e}", e=old)
    superuser.update("users", ann, email=f"renamed-{old}")
    record = {"id": ann["tenant"], "slug": tenant.slug}
    if given_anew:
        superuser.user(record, email=old)
    seeded(pocketbase, tmp_path, tenant)
    people = superuser.list("users", "tenant = {t}", t=ann["tenant"])
    assert len(people) == 1 + given_anew
    [budget] = superuser.list("budgets", "tenant = {t}", t=ann["tenant"])
    assert budget["user"] == ann["id"]


def test_whoever_is_gone_begins_anew(
    pocketbase: PocketBaseProcess, superuser: Superuser, tmp_path: Path, old: str
) -> None:
    tenant = named(old)
    seeded(pocketbase, tmp_path, tenant)
    [ann] = superuser.list("users", "email = {e}", e=old)
    superuser.delete("users", ann)
    seeded(pocketbase, tmp_path, tenant)
    [again] = superuser.list("users", "email = {e}", e=old)
    assert again["id"] != ann["id"]


@pytest.mark.parametrize("had", [LONG_PASSWORD, "five blue horses sing"])
def test_a_long_first_password_becomes_the_one_that_is_shown(
    pocketbase: PocketBaseProcess, superuser: Superuser, tmp_path: Path, old: str, had: str
) -> None:
    tenant = named(old)
    record = superuser.tenant(tenant.slug)
    superuser.user(record, email=old, password=had, passwordConfirm=had)
    seeded(pocketbase, tmp_path, tenant)
    [ann] = superuser.list("users", "email = {e}", e=old)
    opens = FIRST_PASSWORD if had == LONG_PASSWORD else had
    assert ann["must_change_password"] is (had == LONG_PASSWORD)
    path, given = "/api/collections/users/auth-with-password", {"identity": old}
    for password in (FIRST_PASSWORD, LONG_PASSWORD, had):
        answer = superuser.http.post(path, json=given | {"password": password})
        assert (answer.status_code == 200) == (password == opens)


# --- Being forgotten


def test_a_person_is_erased(tenant: Tenant, old: str, new: str) -> None:
    subject = tenant.person(old)
    tenant.budget(old)
    tenant.uses(old, model="a")
    tenant.person(subject, email=new)
    tenant.uses(subject, model="b")
    [user] = tenant.superuser.list("users", "id = {id}", id=subject)
    fields = {"token_hash": secrets.token_hex(8), "signed_in_at": 1, "expires_at": 2}
    tenant.superuser.create("sessions", user=user["id"], **fields)
    cost = spent(tenant)

    answer = tenant.ask("DELETE", f"/users/{new}?erase=true")
    counts = {"users": 1, "sessions": 1, "budgets": 1, "usage_anonymised": 2}
    assert (answer.status_code, answer.json()) == (200, counts)
    left = tenant.names(tenant.id)
    for name in (subject, old, new):
        assert name not in left
    assert spent(tenant) == cost
    logs = tenant.superuser.list("usage_logs", "user ~ 'erased-%'", sort="-@rowid")
    assert [log["model"] for log in logs[:2]] == ["b", "a"]
    assert len({log["user"] for log in logs[:2]}) == 1
    assert tenant.ask("DELETE", f"/users/{new}?erase=true").status_code == 404


def test_whoever_is_gone_and_an_account_are_erased_too(tenant: Tenant, old: str, new: str) -> None:
    subject = tenant.person(old)
    tenant.uses(old)
    tenant.ask("DELETE", f"/users/{old}")
    tenant.budget(new)
    tenant.uses(new)
    for name in (old, new):
        assert tenant.ask("DELETE", f"/users/{name}?erase=true").json()["usage_anonymised"] == 1
    left = tenant.names(tenant.id)
    assert [name in left for name in (subject, old, new)] == [False] * 3


def test_an_address_s_new_holder_is_not_erased_with_the_old(tenant: Tenant, old: str) -> None:
    before = tenant.person(old)
    tenant.uses(old)
    tenant.ask("DELETE", f"/users/{old}")
    after = tenant.person(old)
    tenant.budget(old)
    answer = tenant.ask("DELETE", f"/users/{before}?erase=true")
    assert answer.json() == {"users": 0, "sessions": 0, "budgets": 0, "usage_anonymised": 1}
    assert tenant.ask("GET", f"/users/{after}").status_code == 200
    assert tenant.used(old) == "0"


def spent(tenant: Tenant) -> int:
    days = tenant.superuser.list("usage_days", "tenant = {t}", t=tenant.id)
    return sum(day["cost"] for day in days)


def test_a_tenant_is_erased_with_all_that_it_has(
    tenant: Tenant, superuser: Superuser, pocketbase: PocketBaseProcess
) -> None:
    gone, kept = superuser.tenant(), superuser.tenant()
    for each in (gone, kept):
        for name in ("ann", "bob"):
            person = superuser.user(each, name)
            superuser.budget(each, person["email"], NANOS)
            log(superuser, event(each, person["email"], 5), event(each, person["email"], 6))
            superuser.update("users", person, email=f"x{person['email']}")
    path = f"/api/tenants/{gone['slug']}"
    assert tenant.operator.delete(path).status_code == 409
    answer = tenant.operator.delete(f"{path}?erase=true")
    assert answer.json() == {"users": 2, "budgets": 2, "usage_logs": 4, "usage_days": 2}
    assert tenant.names(gone["id"]) == str([[]] * 5)
    assert superuser.list("tenants", "id = {id}", id=gone["id"]) == []
    assert tenant.operator.get(path).status_code == 404
    assert [len(superuser.list(name, "tenant = {t}", t=kept["id"])) for name in ("users", "budgets",
            "usage_logs", "usage_days", "former_emails")] == [2, 2, 4, 2, 2]  # fmt: skip
    # Nor is anything left in what the file had deleted.
    data = (pocketbase.folder / "pb_data" / "data.db").read_bytes()
    assert gone["slug"].encode() not in data
    assert kept["slug"].encode() in data


def test_a_backup_is_made_at_once(tenant: Tenant, pocketbase: PocketBaseProcess) -> None:
    answer = tenant.operator.post("/api/backups")
    assert answer.status_code == 201
    with zipfile.ZipFile(pocketbase.folder / "pb_data/backups" / answer.json()["name"]) as backup:
        assert "data.db" in backup.namelist()
    assert tenant.operator.post("/api/backups", headers={"X-API-Key": "x"}).status_code == 401
