"""What the tests make and see in PocketBase, past all of its rules."""

import secrets
from typing import Any, Self

from core.services.settings import SUPERUSER
from tests.connections import client

Record = dict[str, Any]

PASSWORD = "a password of the tests"
NANOS = 1_000_000_000


class Superuser:
    """Close it by leaving its context."""

    def __init__(self, url: str, password: str) -> None:
        self.http = client(base_url=url, timeout=30)
        path = "/api/collections/_superusers/auth-with-password"
        answer = self.http.post(path, json={"identity": SUPERUSER, "password": password})
        self.http.headers["Authorization"] = answer.raise_for_status().json()["token"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.http.close()

    def create(self, collection: str, **fields: object) -> Record:
        answer = self.http.post(f"/api/collections/{collection}/records", json=fields)
        assert answer.is_success, answer.text
        return dict(answer.json())

    def update(self, collection: str, record: Record, **fields: object) -> Record:
        path = f"/api/collections/{collection}/records/{record['id']}"
        answer = self.http.patch(path, json=fields)
        assert answer.is_success, answer.text
        return dict(answer.json())

    def delete(self, collection: str, record: Record) -> None:
        path = f"/api/collections/{collection}/records/{record['id']}"
        self.http.delete(path).raise_for_status()

    def list(
        self, collection: str, filter_: str = "", *, sort: str = "id", **values: str
    ) -> list[Record]:
        """All records; `{name}` in the filter stands for the value of that name."""
        for name in values:
            filter_ = filter_.replace(f"{{{name}}}", f"@request.query.{name}")
        options = {"filter": filter_, "perPage": "1000", "sort": sort, **values}
        found: list[Record] = []
        for page in range(1, 1000):
            path = f"/api/collections/{collection}/records"
            answer = self.http.get(path, params=options | {"page": str(page)})
            assert answer.is_success, answer.text
            found += answer.json()["items"]
            if len(found) == answer.json()["totalItems"]:
                break
        return found

    def lift_limits(self) -> None:
        """Let this machine ask as often as it likes."""
        limits = self.http.get("/api/settings").json()["rateLimits"]
        changed = {"rateLimits": limits | {"excludedIPs": ["127.0.0.1"]}}
        self.http.patch("/api/settings", json=changed).raise_for_status()

    # --- What most tests begin with

    def tenant(self, slug: str = "", **fields: object) -> Record:
        slug = slug or f"t{secrets.token_hex(4)}"
        return self.create("tenants", slug=slug, name=slug.title(), **fields)

    def user(self, tenant: Record, name: str = "ann", **fields: object) -> Record:
        """A person who is verified and has `PASSWORD`; `ann` is `ann@<slug>.example`."""
        person = {
            "email": f"{name}@{tenant['slug']}.example",
            "name": name.title(),
            "role": "user",
            "verified": True,
            "password": PASSWORD,
            "passwordConfirm": PASSWORD,
        }
        return self.create("users", tenant=tenant["id"], **(person | fields))

    def key(self, tenant: Record, user: str) -> str:
        """Under which somebody's budget and usage is kept: a person's id, or the name itself."""
        values = {"t": tenant["id"], "u": user.lower()}
        found = self.list("users", "tenant = {t} && email = {u}", **values)
        return str(found[0]["id"]) if found else user

    def budget(self, tenant: Record, user: str, amount: int, period: str = "month") -> Record:
        """An amount in nanos, for a person by e-mail, or an account by name."""
        key = self.key(tenant, user)
        return self.create("budgets", tenant=tenant["id"], user=key, amount=amount, period=period)

    def used(self, tenant: Record, user: str) -> int:
        """Nanos."""
        values = {"t": tenant["id"], "u": self.key(tenant, user)}
        [balance] = self.list("balances", "tenant = {t} && user = {u}", **values)
        return int(balance["used"])

    def token(self, user: Record, seconds: int = 600) -> str:
        """What the person would get for their password."""
        path = f"/api/collections/users/impersonate/{user['id']}"
        answer = self.http.post(path, json={"duration": seconds})
        return str(answer.raise_for_status().json()["token"])
