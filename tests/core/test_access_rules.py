"""Who may do what in PocketBase, tried one by one."""

import json
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.core.superuser import PASSWORD, Record, Superuser

# Ann and Bob are people of one tenant and Ada is its admin; Kim is of another, and Max its admin.
ROLES = {"ann": "user", "bob": "user", "ada": "admin", "kim": "user", "max": "admin"}
WHO = ["nobody", *ROLES, "superuser"]

# Who may see, make, change and take away something of Ann's; superusers may everything.
MAY = {
    "tenants":      ("ann bob ada", "",    "",    ""),
    "users":        ("ann ada",     "",    "ann", ""),
    "budgets":      ("ann ada",     "ada", "ada", ""),
    "balances":     ("ann ada",     "",    "",    ""),
    "usage_logs":   ("ann ada",     "",    "",    ""),
    "usage_days":   ("ann ada",     "",    "",    ""),
    "tenant_days":  ("ada",         "",    "",    ""),
    "tenant_users": ("ada",         "",    "",    ""),
    "former_emails": ("ada",        "",    "",    ""),
}  # fmt: skip
VIEWS = {"balances", "tenant_days", "tenant_users"}
# Nobody else may anything with these.
OF_SUPERUSERS = {
    "sessions",
    "oidc_codes",
    "oidc_used_codes",
    "oidc_keys",
    "login_attempts",
    "_superusers",
}
# PocketBase's own, for what is switched off.
UNUSED = {"_mfas", "_otps", "_authOrigins", "_externalAuths"}

CASES = pytest.mark.parametrize(
    ("who", "collection"),
    [pytest.param(who, name, id=f"{who}-{name}") for name in MAY for who in WHO],
)


@dataclass(frozen=True)
class World:
    """What there is, and who asks for it.

    Attributes:
        own: of each collection what is Ann's.
        kims: a budget of another tenant.
    """

    superuser: Superuser
    people: dict[str, Record]
    own: dict[str, Record]
    kims: Record

    @classmethod
    def new(cls, superuser: Superuser) -> "World":
        blue, red = superuser.tenant(), superuser.tenant()
        people = {
            name: superuser.user(red if name in ("kim", "max") else blue, name, role=role)
            for name, role in ROLES.items()
        }
        # She had another address before.
        email = f"ann@{uuid4().hex}.example"
        ann = people["ann"] = superuser.update("users", people["ann"], email=email)
        kim = people["kim"]
        own = {
            "tenants": blue,
            "users": ann,
            "budgets": superuser.budget(blue, ann["email"], 5),
            "usage_logs": superuser.create(
                "usage_logs",
                tenant=blue["id"],
                user=ann["id"],
                request_id=uuid4().hex,
                cost=1,
                ended_at="2026-01-01 00:00:00Z",
                status="success",
            ),
        }
        for name in MAY.keys() - own:
            [own[name]] = superuser.list(name, "tenant = {tenant}", tenant=blue["id"])
        superuser.budget(blue, people["bob"]["email"], 5)
        return cls(superuser, people, own, superuser.budget(red, kim["email"], 5))

    def client(self, who: str) -> httpx.Client:
        headers = {}
        if who == "superuser":
            headers["Authorization"] = self.superuser.http.headers["Authorization"]
        elif who != "nobody":
            headers["Authorization"] = self.superuser.token(self.people[who])
        return httpx.Client(base_url=self.superuser.http.base_url, headers=headers)

    def now(self, collection: str, own: Record) -> Record | None:
        return next(iter(self.superuser.list(collection, "id = {id}", id=own["id"])), None)


@pytest.fixture(scope="module")
def world(superuser: Superuser) -> World:
    return World.new(superuser)


def path(collection: str, record: Record | None = None) -> str:
    end = f"/{record['id']}" if record else ""
    return f"/api/collections/{collection}/records{end}"


def may(who: str, collection: str, place: int) -> bool:
    by_nature = who == "superuser" and (place == 0 or collection not in VIEWS)
    return by_nature or who in MAY[collection][place].split()


def test_every_collection_is_tried(superuser: Superuser) -> None:
    found = superuser.http.get("/api/collections", params={"perPage": 200}).json()["items"]

    assert {each["name"] for each in found} == MAY.keys() | OF_SUPERUSERS | UNUSED


# --- What is Ann's


@CASES
def test_who_sees(world: World, who: str, collection: str) -> None:
    own = world.own[collection]
    with world.client(who) as client:
        listed = client.get(path(collection), params={"filter": f"id = '{own['id']}'"})
        viewed = client.get(path(collection, own))

    assert len(listed.json()["items"]) == may(who, collection, 0)
    assert viewed.status_code == (200 if may(who, collection, 0) else 404)


@CASES
def test_who_makes(world: World, who: str, collection: str) -> None:
    new = uuid4().hex
    body = world.own[collection] | {"id": new[:15], "slug": f"t{new}", "request_id": new}
    if collection == "users":
        body |= {"email": f"{new}@x.example", "password": PASSWORD, "passwordConfirm": PASSWORD}
    if collection == "budgets":
        body |= {"user": new}
    if collection == "usage_days":
        body |= {"model": new}
    with world.client(who) as client:
        answer = client.post(path(collection), json=body)

    assert answer.is_success is may(who, collection, 1), answer.text
    assert (world.now(collection, body) is not None) is answer.is_success


@CASES
def test_who_changes(world: World, who: str, collection: str) -> None:
    before = world.now(collection, world.own[collection])
    body = {"users": {"name": who}, "budgets": {"amount": len(who)}}.get(collection, {"cost": 7})
    with world.client(who) as client:
        answer = client.patch(path(collection, world.own[collection]), json=body)

    assert answer.is_success is may(who, collection, 2), answer.text
    after = world.now(collection, world.own[collection])
    if not answer.is_success:
        assert after == before


@pytest.mark.parametrize(
    ("who", "collection"),
    # What may be taken away is not, since the other tests need it.
    [(who, name) for name in MAY for who in WHO if not may(who, name, 3)],
)
def test_nobody_else_takes_away(world: World, who: str, collection: str) -> None:
    with world.client(who) as client:
        answer = client.delete(path(collection, world.own[collection]))

    assert not answer.is_success
    assert world.now(collection, world.own[collection])


@pytest.mark.parametrize("who", WHO[:-1])
@pytest.mark.parametrize("collection", sorted(OF_SUPERUSERS))
def test_what_is_of_superusers_is_closed(world: World, who: str, collection: str) -> None:
    one = path(collection, {"id": "one"})
    with world.client(who) as client:
        for method, place in (
            ("GET", path(collection)),
            ("POST", path(collection)),
            ("GET", one),
            ("PATCH", one),
            ("DELETE", one),
        ):
            assert client.request(method, place, json={}).status_code == 403


# --- What somebody would try


@pytest.mark.parametrize(
    "change",
    [
        {"role": "admin"},
        {"role+": "admin"},
        {"+role": "admin"},
        {"role-": "user"},
        {"role:autogenerate": "admin"},
        {"tenant": "KIMS"},
        {"tenant+": "KIMS"},
        {"+tenant": "KIMS"},
        {"tenant-": "OWN"},
        {"verified": False},
        {"email": "kim@x.example"},
        {"emailVisibility": False},
        {"must_change_password": True},
        {"password": "another password", "passwordConfirm": "another password"},
        {"tokenKey": "x" * 50},
        {"id": "x" * 15},
    ],
    ids=str,
)
@pytest.mark.parametrize("form", ["json", "multipart", "payload"])
def test_a_person_stays_who_they_are(world: World, form: str, change: Record) -> None:
    ann = world.people["ann"]
    tenants = {"KIMS": world.kims["tenant"], "OWN": ann["tenant"]}
    body = {name: tenants.get(str(value), value) for name, value in change.items()}
    with world.client("ann") as client:
        before = client.get(path("users", ann)).json()
        answer = client.patch(path("users", ann), **written(body, form))
        after = client.get(path("users", ann))

    # Some are refused, and some left out of what is changed; the token is good as before.
    assert {**after.json(), "updated": ""} == {**before, "updated": ""}, answer.text


@pytest.mark.parametrize(
    ("who", "whose", "change"),
    [
        ("ann", "ann", {"amount": 9}),
        ("ann", "ann", {"amount+": 9}),
        ("bob", "ann", {"amount": 9}),
        ("max", "ann", {"amount": 9}),
        ("ada", "kim", {"amount": 9}),
        ("ada", "ann", {"tenant": "KIMS"}),
        ("ada", "ann", {"tenant+": "KIMS"}),
        ("ada", "ann", {"user": "kim"}),
        ("ada", "ann", {"user:autogenerate": ""}),
        ("ada", "ann", {"amount": -1}),
        ("ada", "ann", {"amount-": 100}),
        ("ada", "ann", {"amount": 0.5}),
        ("ada", "ann", {"amount": 9_000_000_000_000_000}),
        ("ada", "ann", {"period": "week"}),
    ],
    ids=str,
)
@pytest.mark.parametrize("form", ["json", "multipart", "payload"])
def test_a_budget_stays_as_it_is(
    world: World, form: str, who: str, whose: str, change: Record
) -> None:
    budget = {"ann": world.own["budgets"], "kim": world.kims}[whose]
    tenants = {"KIMS": world.kims["tenant"]}
    body = {name: tenants.get(str(value), value) for name, value in change.items()}
    before = world.now("budgets", budget)
    with world.client(who) as client:
        answer = client.patch(path("budgets", budget), **written(body, form))

    assert not answer.is_success
    assert world.now("budgets", budget) == before


def written(body: Record, form: str) -> dict[str, Any]:
    """The ways that PocketBase understands."""
    if form == "json":
        return {"json": body}
    fields = {"@jsonPayload": body} if form == "payload" else body
    return {"files": {name: (None, as_text(value)) for name, value in fields.items()}}


def as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


@pytest.mark.parametrize("who", ["ann", "ada"])
def test_no_budget_is_made_for_another_tenant(world: World, who: str) -> None:
    own, kims = world.people[who]["tenant"], world.kims["tenant"]
    with world.client(who) as client:
        for tenants in ({"tenant": kims}, {"tenant": own, "tenant+": kims}, {"tenant": ""}, {}):
            body = {"user": "mallory", "amount": 1, "period": "never", **tenants}
            assert not client.post(path("budgets"), json=body).is_success
    assert world.superuser.list("budgets", "user = 'mallory'") == []


@pytest.mark.parametrize("who", WHO[:-1])
@pytest.mark.parametrize(
    ("method", "place"),
    [
        ("GET", "/api/settings"),
        ("PATCH", "/api/settings"),
        ("GET", "/api/backups"),
        ("POST", "/api/backups"),
        ("GET", "/api/logs"),
        ("GET", "/api/crons"),
        ("GET", "/api/collections"),
        ("POST", "/api/collections"),
        ("PATCH", "/api/collections/users"),
        ("DELETE", "/api/collections/users/truncate"),
        ("POST", "/api/sql"),
        ("POST", "/api/batch"),
        ("POST", "/api/core/log-usage"),
        ("POST", "/api/core/move-usage"),
        ("POST", "/api/core/erase-user"),
        ("POST", "/api/core/erase-tenant"),
        ("POST", "/api/collections/users/impersonate/ANN"),
        ("POST", "/api/collections/users/request-email-change"),
        ("POST", "/api/collections/users/request-otp"),
        ("POST", "/api/collections/users/auth-with-oauth2"),
    ],
)
def test_nobody_else_administers(world: World, who: str, method: str, place: str) -> None:
    body = {"email": "x@x.example", "newEmail": "x@x.example", "requests": []}
    with world.client(who) as client:
        answer = client.request(method, place.replace("ANN", world.people["ann"]["id"]), json=body)

    assert answer.status_code in (401, 403) or "not configured" in answer.text, answer.text


@pytest.mark.parametrize(
    ("filter_", "finds_oneself"),
    [
        ("users_via_tenant.email ?= '{email}'", True),
        ("budgets_via_tenant.user ?= '{id}'", True),
        ("users_via_tenant.tokenKey ?~ 'a'", False),
        ("users_via_tenant.password ?~ 'a'", False),
        ("@collection.users.email ?= '{email}'", False),
        ("@collection.budgets.amount ?> 0", False),
    ],
)
def test_a_filter_tells_nothing_of_others(
    world: World, filter_: str, *, finds_oneself: bool
) -> None:
    with world.client("ann") as client:
        for person, finds in (("ann", finds_oneself), ("bob", False)):
            question = filter_.format_map(world.people[person])
            answer = client.get(path("tenants"), params={"filter": question})
            assert bool(answer.json().get("items")) is finds


def test_what_belongs_together_tells_nothing_of_others(world: World) -> None:
    with world.client("ann") as client:
        answer = client.get(path("tenants"), params={"expand": "users_via_tenant"})
    [tenant] = answer.json()["items"]
    assert [user["id"] for user in tenant["expand"]["users_via_tenant"]] == [
        world.people["ann"]["id"]
    ]


def test_who_is_not_verified_does_not_get_in(superuser: Superuser) -> None:
    person = superuser.user(superuser.tenant(), verified=False)
    given = {"identity": person["email"], "password": PASSWORD}
    with httpx.Client(base_url=superuser.http.base_url) as client:
        answer = client.post("/api/collections/users/auth-with-password", json=given)
        assert answer.status_code == 403
        superuser.update("users", person, verified=True)
        answer = client.post("/api/collections/users/auth-with-password", json=given)
        assert answer.status_code == 200


def test_a_token_that_is_not_valid_is_no_better_than_none(world: World) -> None:
    token = world.superuser.token(world.people["ann"])
    with world.client("nobody") as client:
        for bad in (token[:-1], token + "x", "x", f"Basic {token}", token.replace(".", "", 1)):
            answer = client.get(path("budgets"), headers={"Authorization": bad})
            assert answer.status_code == 401
