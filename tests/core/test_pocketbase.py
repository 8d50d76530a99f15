"""That PocketBase is as the migrations and hooks say."""

from tests.core.superuser import Superuser


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
    assert superuser.budget(tenant, "ANN@small.example", 5)["user"] == ann["email"]
