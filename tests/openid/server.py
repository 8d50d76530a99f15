"""Canaille, an OpenID provider that is none of ours, with one client and some people.

    python3 server.py '{"host": "127.0.0.1", ...}'

The argument is a `Settings`, and so is the body of `PUT /_control`, which replaces the client,
people and sessions. Nothing is kept: started again it knows what the argument says.
"""

import sys
from functools import partial
from typing import Any

from canaille import create_app
from canaille.app import models
from canaille.app.flask import csrf
from canaille.backends import Backend
from canaille.oidc import provider
from canaille.oidc.userinfo import generate_user_claims
from flask import Flask, request
from pydantic import BaseModel


class Account(BaseModel):
    """Somebody whom the provider knows; `verified` is what it says of the e-mail, if anything."""

    user_name: str
    name: str
    email: str
    password: str
    groups: list[str]
    verified: bool | None = None


class Settings(BaseModel):
    host: str
    port: int
    signing_key: dict[str, str | list[str]]
    client_id: str
    client_secret: str
    chat: str
    people: list[Account]


def application(settings: Settings) -> Flask:
    app: Flask = create_app(
        {
            "SECRET_KEY": settings.client_secret,
            "SERVER_NAME": f"{settings.host}:{settings.port}",
            "PREFERRED_URL_SCHEME": "http",
            "CANAILLE": {"DATABASE": "memory", "FORCE_HTTPS": False, "JAVASCRIPT": False},
            "CANAILLE_OIDC": {
                "ACTIVE_JWKS": [settings.signing_key],
                "TRUSTED_DOMAINS": ["127.0.0.1"],  # nobody is asked for consent
            },
        }
    )
    app.put("/_control")(csrf.exempt(_replace))
    with app.app_context(), Backend.instance.session():
        _fill(settings)
    return app


def _replace() -> tuple[str, int]:
    Backend.instance.indexes = Backend.instance.attribute_indexes = None
    _fill(Settings.model_validate_json(request.get_data()))
    return "", 204


def _fill(settings: Settings) -> None:
    verified = {account.user_name: account.verified for account in settings.people}
    provider.generate_user_claims = partial(_claims, verified)
    save = Backend.instance.save
    users = {account.user_name: _user(account) for account in settings.people}
    for user in users.values():
        save(user)
    for group in sorted({group for account in settings.people for group in account.groups}):
        members = [account for account in settings.people if group in account.groups]
        known = [users[account.user_name] for account in members]
        save(models.Group(display_name=group, members=known))
    client = _client(settings)
    save(client)
    client.audience = [client]
    save(client)


def _user(account: Account) -> Any:
    return models.User(
        user_name=account.user_name,
        formatted_name=account.name,
        family_name=account.name,
        emails=[account.email],
        password=account.password,
    )


def _client(settings: Settings) -> Any:
    return models.Client(
        client_id=settings.client_id,
        client_secret=settings.client_secret,
        client_name="Epsilon",
        client_uri=settings.chat,
        redirect_uris=[f"{settings.chat}/oauth/oidc/callback"],
        post_logout_redirect_uris=[f"{settings.chat}/auth"],
        grant_types=["authorization_code"],
        response_types=["code"],
        scope=["openid", "email", "profile", "groups"],
        token_endpoint_auth_method="client_secret_basic",
        id_token_signed_response_alg="RS256",
    )


def _claims(verified: dict[str, bool | None], user: Any, *more: Any) -> dict[str, Any]:
    """Canaille says nothing of whether an e-mail is verified; other providers do."""
    said = verified[user.user_name]
    known: dict[str, Any] = generate_user_claims(user, *more)
    return known if said is None else {**known, "email_verified": said}


def main() -> None:
    settings = Settings.model_validate_json(sys.argv[1])
    application(settings).run(settings.host, settings.port, threaded=True)


if __name__ == "__main__":
    main()
