"""The operator's part of the Billing API: tenants, people and budgets."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from tests.billing.gateway import Json, event
from tests.connections import client
from tests.core.billing import OPERATOR, billing, key_of, told
from tests.core.processes import PocketBaseProcess
from tests.core.superuser import Superuser

ANN: Json = {"name": "Ann", "role": "user", "verified": True}
NEVER: Json = {"period": "never"}


@pytest.fixture(scope="module")
def operator(
    pocketbase: PocketBaseProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[httpx.Client]:
    folder = tmp_path_factory.mktemp("provisioning")
    with (
        billing(folder, pocketbase, told("green")) as process,
        client(base_url=process.url, headers={"X-API-Key": OPERATOR}, timeout=30) as operator,
    ):
        yield operator


@pytest.fixture
def tenant(operator: httpx.Client) -> str:
    """The path of a new one."""
    path = f"/api/tenants/t{uuid4().hex}"
    assert operator.put(path, json={"name": "New"}).status_code == 200
    return path


def test_a_tenant(operator: httpx.Client) -> None:
    slug = f"t{uuid4().hex}"
    path = f"/api/tenants/{slug}"
    assert operator.get(path).status_code == 404
    monthly, spent = {"amount": "1.5", "period": "month"}, {"amount": "0", "period": "never"}
    for body, budget in (
        ({"name": "New"}, None),
        ({"name": "New", "default_budget": {"amount": "1.50"}}, monthly),
        ({"name": "New", "default_budget": spent}, spent),
        ({"name": "Newer", "default_budget": None}, None),
    ):
        wanted = {"slug": slug, "name": body["name"], "default_budget": budget}
        for _ in range(2):
            answer = operator.put(path, json=body)
            assert (answer.status_code, answer.json()) == (200, wanted)
        assert operator.get(path).json() == wanted
        assert operator.get("/api/tenants").json().count(wanted) == 1

    assert operator.delete(path).status_code == 204
    assert operator.delete(path).status_code == 404


def test_a_person(operator: httpx.Client, superuser: Superuser, tenant: str) -> None:
    email = f"ann@{uuid4().hex}.example"
    path = f"{tenant}/users/{email}"
    assert operator.get(path).status_code == 404
    for change in ({}, {"role": "admin"}, {"verified": False}, {"name": "Änn"}):
        for spelled in (path, f"{tenant}/users/{email.title()}"):
            answer = operator.put(spelled, json=ANN | change)
            wanted = {"email": email, "must_change_password": True, **ANN, **change}
            wanted["subject"] = answer.json()["subject"]
            assert (answer.status_code, answer.json()) == (200, wanted)
            assert operator.get(f"{tenant}/users/{wanted['subject']}").json() == wanted
            assert operator.get(spelled).json() == wanted
        assert operator.get(f"{tenant}/users").json() == [wanted]
    assert len(superuser.list("users", "email = {email}", email=email)) == 1

    assert operator.delete(path).status_code == 204
    assert operator.delete(path).status_code == 404


def test_a_password_stays_until_there_is_a_new_one(
    operator: httpx.Client, superuser: Superuser, tenant: str
) -> None:
    email = f"ann@{uuid4().hex}.example"

    def gets_in(password: str) -> bool:
        given = {"identity": email, "password": password}
        path = "/api/collections/users/auth-with-password"
        return superuser.http.post(path, json=given).is_success

    for change, right in (
        ({"password": "password 1"}, "password 1"),
        ({}, "password 1"),
        ({"password": "password 2"}, "password 2"),
    ):
        answer = operator.put(f"{tenant}/users/{email}", json=ANN | change)
        assert right not in answer.text
        assert [gets_in(f"password {number}") for number in (1, 2)] == [
            right == f"password {number}" for number in (1, 2)
        ]


def test_a_budget(operator: httpx.Client, tenant: str) -> None:
    slug = tenant.rpartition("/")[2]
    for user in (f"ann@{slug}.example", f"api@{slug}", "a/b", "ü'\\\"?"):
        path = f"{tenant}/budgets/{quote(user, safe='')}"
        assert operator.get(path).status_code == 404
        for body, period in (({"amount": "5"}, "month"), ({"amount": "0.5", **NEVER}, "never")):
            wanted = {"user": user, "subject": None, "used": "0", "period": period}
            wanted |= {"amount": body["amount"], "remaining": body["amount"]}
            for _ in range(2):
                answer = operator.put(path, json=body)
                assert (answer.status_code, answer.json()) == (200, wanted)
            assert operator.get(path).json() == wanted
            assert operator.get(f"{tenant}/budgets").json() == [wanted]
        assert operator.delete(path).status_code == 204
        assert operator.delete(path).status_code == 404


def test_what_is_used_is_told(operator: httpx.Client) -> None:
    """The one tenant here that has a key."""
    user = f"ann-{uuid4().hex}"
    path = f"/api/tenants/green/budgets/{user}"
    operator.put(path, json={"amount": "5", "period": "never"}).raise_for_status()
    used = event("green", user, cost_total="6.5")
    operator.post("/api/log-usage", json=used, headers={"X-API-Key": key_of("green")})
    answer = operator.get(path).json()
    assert (answer["amount"], answer["used"], answer["remaining"]) == ("5", "6.5", "-1.5")

    # What was used stays, whatever becomes of the budget.
    operator.delete(path)
    assert operator.put(path, json={"amount": "7", "period": "never"}).json()["remaining"] == "0.5"
    assert operator.delete("/api/tenants/green").status_code == 409


def test_many_at_once_make_one(operator: httpx.Client, tenant: str) -> None:
    bodies = {f"{tenant}x": {"name": "New"}, f"{tenant}/budgets/ann": {"amount": "5"}}
    bodies[f"{tenant}/users/ann@{uuid4().hex}.example"] = ANN
    for path, body in bodies.items():
        with ThreadPoolExecutor(10) as pool:
            answers = list(pool.map(lambda path: operator.put(path, json=body), [path] * 10))  # noqa: B023
        assert [answer.status_code for answer in answers] == [200] * 10
        assert len({answer.text for answer in answers}) == 1


def test_a_person_is_not_taken_from_another_tenant(operator: httpx.Client, tenant: str) -> None:
    email = f"ann@{uuid4().hex}.example"
    operator.put(f"{tenant}/users/{email}", json=ANN).raise_for_status()
    path = f"/api/tenants/green/users/{email}"

    answer = operator.put(path, json=ANN | {"role": "admin"})
    assert answer.status_code == 409
    assert "another tenant" in answer.json()["message"]
    assert operator.get(path).status_code == operator.delete(path).status_code == 404
    assert operator.get(f"{tenant}/users/{email}").json()["role"] == "user"


def test_who_has_something_is_kept(operator: httpx.Client, tenant: str) -> None:
    user = f"{tenant}/users/ann@{uuid4().hex}.example"
    for path, body in ((user, ANN), (f"{tenant}/budgets/ann", {"amount": "5"})):
        operator.put(path, json=body)
        answer = operator.delete(tenant)
        assert answer.status_code == 409
        assert answer.json() == {"message": "The tenant has people, budgets or usage."}
        assert operator.delete(path).status_code == 204
    assert operator.delete(tenant).status_code == 204


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/tenants/UPPER", {"name": "New"}),
        ("/api/tenants/a b", {"name": "New"}),
        ("/api/tenants/new", {}),
        ("/api/tenants/new", {"name": ""}),
        ("/api/tenants/new", {"name": "New", "colour": "blue"}),
        ("/api/tenants/new", {"name": "New", "default_budget": {}}),
        ("/api/tenants/new", {"name": "New", "default_budget": {"amount": "-1"}}),
        ("TENANT/users/ann", ANN),
        ("TENANT/users/ann@x.example", {**ANN, "role": "superuser"}),
        ("TENANT/users/ann@x.example", {**ANN, "password": "short"}),
        ("TENANT/users/ann@x.example", {"name": "Ann"}),
        ("TENANT/budgets/ann", {"amount": "9000000"}),
        ("TENANT/budgets/ann", {"amount": 5}),
        ("TENANT/budgets/ann", {"amount": "5", "period": "week"}),
        ("TENANT/budgets/ann", {"amount": "5", "used": "0"}),
        (f"TENANT/budgets/{'x' * 256}", {"amount": "5"}),
        ("TENANT/budgets/ann", None),
    ],
)
def test_what_cannot_be_is_told_in_words(
    operator: httpx.Client, tenant: str, path: str, body: Json | None
) -> None:
    answer = operator.put(path.replace("TENANT", tenant), json=body)

    assert answer.status_code == 422
    assert list(answer.json()) == ["message"]


def test_an_amount_that_is_none_is_told_how_to_be_written(
    operator: httpx.Client, tenant: str
) -> None:
    for amount in (20, "20,5", "-1", "1.0000000001", "1\n"):
        answer = operator.put(f"{tenant}/budgets/ann", json={"amount": amount})
        assert answer.json()["message"] == (
            'body.amount: must be a text such as "20" or "0.5", with at most nine decimal places'
        )


def test_who_is_not_there_is_told(operator: httpx.Client) -> None:
    for path in ("", "/users", "/users/ann@x.example", "/budgets", "/budgets/ann"):
        answer = operator.get(f"/api/tenants/nobody{path}")
        assert (answer.status_code, list(answer.json())) == (404, ["message"])


@pytest.mark.parametrize("key", ["", "key-of-green", OPERATOR[:-1], OPERATOR.upper()])
def test_nobody_but_the_operator(operator: httpx.Client, tenant: str, key: str) -> None:
    headers = {"X-API-Key": key}
    for method, path, body in (
        ("GET", "/api/tenants", None),
        ("PUT", tenant, {"name": "Mine"}),
        ("DELETE", tenant, None),
        ("PUT", f"{tenant}/users/eve@x.example", ANN),
        ("PUT", f"{tenant}/budgets/eve", {"amount": "5"}),
        ("PUT", "/api/tenants/nobody/budgets/eve", {}),
    ):
        answer = operator.request(method, path, json=body, headers=headers)
        assert (answer.status_code, list(answer.json())) == (401, ["message"])
    # And the operator is no tenant.
    asked = {"tenant_id": "green", "user_id": "ann", "model": "m", "cost_estimate": "0"}
    assert operator.post("/api/check-budget", json=asked).status_code == 401


def test_it_describes_itself(operator: httpx.Client) -> None:
    paths = operator.get("/openapi.json").json()["paths"]
    assert len(paths) == 8
    methods = {method for path in paths.values() for method in path}
    assert methods == {"get", "put", "delete", "post"}
