"""Whose account is whose, and who pays for it.

An account belongs to a person of the OpenID provider: to an issuer and a subject, which the login
writes down with it, beside the e-mail of that login. Nothing that an admin of the chat can do
changes the three.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from fastapi import HTTPException

PROVIDER = "oidc"  # as Open WebUI calls the one that the tenant's file names
_SET_ASIDE = "set-aside.invalid"

_EMAIL_OF_LOGIN = "The e-mail comes from the login. It follows the provider's at the next one."
_EMAIL_PAYS = (
    "An account's e-mail says who pays for it, and cannot be changed."
    " Make a new account for another person."
)
_PASSWORD_OF_LOGIN = "This account has no password: its person logs in at the provider."  # noqa: S105

_at_login: ContextVar[bool] = ContextVar("at_login", default=False)


@dataclass(frozen=True, kw_only=True)
class VerifiedLogin:
    """Claims of the OpenID provider about somebody who has logged in."""

    issuer: str
    subject: str
    email: str
    verified: bool


class Step(Enum):
    """Handling of an account whose e-mail address a login has, too."""

    NOTHING = auto()
    LINK = auto()  # an account of the chat's own, from now on this person's
    SET_ASIDE = auto()  # somebody else's, who has another address now
    REFUSE = auto()  # nobody vouches that the two are one person


def decide(login: VerifiedLogin, own: Any, holder: Any) -> Step:
    """Decide on the account that holds the address of a login.

    Args:
        login: what the provider says.
        own: the account of its issuer and subject; None if there is none.
        holder: the account with its e-mail address; None if there is none.
    """
    if holder is None or (own is not None and own.id == holder.id):
        return Step.NOTHING
    if not login.verified:
        return Step.REFUSE  # some providers let people type their address
    if stored(holder):
        return Step.SET_ASIDE
    return Step.LINK if own is None else Step.REFUSE


def of_subject(accounts: Iterable[Any], issuer: str | None, email: str) -> Any:
    """The account of an issuer, among those of a subject; None if there is none.

    Args:
        accounts: of the same subject, of whatever issuer.
        issuer: whose subject logs in.
        email: of that login. It alone tells whether an account from before issuers were kept is of
            this one: the tenant may have had another provider then.
    """
    unnamed = None
    for account in accounts:
        named = stored(account).get("iss")
        if named and named == issuer:
            return account
        if not named and account.email.lower() == email:
            unnamed = account
    return unnamed


def stored(account: Any) -> dict[str, str]:
    """The record of the last login in an account; empty for one of the chat's own."""
    providers = getattr(account, "oauth", None)
    found = providers.get(PROVIDER) if isinstance(providers, dict) else None
    return found if isinstance(found, dict) and found.get("sub") else {}


def claims(account: Any) -> dict[str, str]:
    """Claims of the signed header about an account's person, beside those of Open WebUI."""
    login = stored(account)
    if not login.get("iss"):
        return {}
    told = {"oidc_issuer": login["iss"], "oidc_subject": login["sub"]}
    return told | ({"oidc_email": login["email"]} if login.get("email") else {})


def set_aside_email(account_id: str) -> str:
    """An address that is nobody's, for an account whose own address is another person's now."""
    return f"{account_id}@{_SET_ASIDE}"


@contextmanager
def logging_in() -> Iterator[None]:
    """While the provider's word is carried out, which may change what an admin may not."""
    token = _at_login.set(True)
    try:
        yield
    finally:
        _at_login.reset(token)


def guard(users: Any, auths: Any, *, login: bool) -> None:
    """Refuse changes of an account's e-mail, and a password for an account of the provider.

    Args:
        users: Open WebUI's table of accounts.
        auths: its table of passwords.
        login: whether the tenant has an OpenID provider.
    """
    change_email, change_account = auths.update_email_by_id, users.update_user_by_id
    change_password = auths.update_user_password_by_id

    async def refuse_email(account_id: str, email: object) -> None:
        account = await users.get_user_by_id(account_id)
        if account and str(email).lower() != account.email.lower() and not _at_login.get():
            raise HTTPException(403, _EMAIL_OF_LOGIN if login else _EMAIL_PAYS)

    async def update_email_by_id(user_id: str, email: str, **more: Any) -> Any:
        await refuse_email(user_id, email)
        return await change_email(user_id, email, **more)

    async def update_user_by_id(id: str, updated: dict[str, Any], **more: Any) -> Any:  # noqa: A002
        if "email" in updated:
            await refuse_email(id, updated["email"])
        if {"oauth", "scim"} & set(updated) and not _at_login.get():
            raise HTTPException(403, _EMAIL_OF_LOGIN)
        return await change_account(id, updated, **more)

    async def update_user_password_by_id(user_id: str, *args: Any, **more: Any) -> Any:
        if login and stored(await users.get_user_by_id(user_id)) and not _at_login.get():
            raise HTTPException(403, _PASSWORD_OF_LOGIN)
        return await change_password(user_id, *args, **more)

    auths.update_email_by_id = update_email_by_id
    users.update_user_by_id = update_user_by_id
    auths.update_user_password_by_id = update_user_password_by_id
