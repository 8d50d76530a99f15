"""The payer of a request: a person of the chat, a program's account, or the tenant's account.

A person is known by the signed header of Open WebUI. Its claims `oidc_issuer`, `oidc_subject` and
`oidc_email` come from the account's login at the OpenID provider, where nobody who administers the
chat can change them; an account that never logged in there has none of them.
"""

from dataclasses import asdict, dataclass
from typing import Any, Self

import jwt

from gateway.settings import ApiKey, Settings

_ALGORITHM = "HS256"


class InvalidIdentityError(ValueError):
    """A header that names a person is not valid; its text is for the caller."""


@dataclass(frozen=True, kw_only=True)
class Payer:
    """Somebody with a budget.

    Attributes:
        key: of the budget in the ledger. It follows from `user_id`, because whoever shares a
            budget at the Billing API, such as a person's chat and program, must share it here.
        user_id: as the Billing API knows the payer.
        subject: a person's at the OpenID provider; empty if there is none.
        former_key: the key that the ledger used before the provider's subject was known.
    """

    key: str
    user_id: str
    subject: str = ""
    former_key: str = ""

    @classmethod
    def named(cls, user_id: str, *, subject: str = "") -> Self:
        """The payer of a name in the tenant's file, or of an e-mail address."""
        return cls(key=_key(user_id), user_id=user_id, subject=subject)

    def record(self) -> dict[str, str]:
        """As it travels with a request through LiteLLM."""
        return asdict(self)


def account_payer(settings: Settings) -> Payer:
    """The tenant's account, for requests of nobody in particular."""
    return Payer.named(settings.account)


def program_payer(key: ApiKey) -> Payer:
    """The account that a program's key belongs to."""
    return Payer.named(key.user)


def chat_payer(header: str | None, secret: str, settings: Settings) -> Payer:
    """The payer of a request from the chat.

    Args:
        header: Open WebUI's signed header; None if the request has none.
        secret: what it is signed with.
        settings: of the tenant.

    Raises:
        InvalidIdentityError: the header is there and proves nothing.
    """
    if header is None:
        return account_payer(settings)
    claims = _claims(header, secret)
    issuer, subject = _text(claims, "oidc_issuer"), _text(claims, "oidc_subject")
    if issuer and subject:
        return _person(claims, subject, settings)
    if settings.login:
        # An account of the chat's own: its admin could give it anybody's e-mail address.
        return account_payer(settings)
    return Payer.named(_email(claims, "email"))


def _person(claims: dict[str, Any], subject: str, settings: Settings) -> Payer:
    email = _text(claims, "oidc_email").lower()
    if settings.billed_by_subject or not email:
        former = _text(claims, "email").lower()
        return Payer(key=subject, user_id=subject, subject=subject, former_key=former)
    return Payer.named(email, subject=subject)


def _claims(header: str, secret: str) -> dict[str, Any]:
    try:
        claims: dict[str, Any] = jwt.decode(
            header,
            secret,
            algorithms=[_ALGORITHM],
            options={"require": ["exp"], "verify_aud": False},
        )
    except jwt.ExpiredSignatureError:
        raise InvalidIdentityError("The chat's proof of who asks has expired.") from None
    except jwt.InvalidTokenError:
        raise InvalidIdentityError("The chat's proof of who asks is not valid.") from None
    return claims


def _email(claims: dict[str, Any], name: str) -> str:
    email = _text(claims, name).lower()
    if not email:
        raise InvalidIdentityError("The chat's proof of who asks names nobody.")
    return email


def _text(claims: dict[str, Any], name: str) -> str:
    value = claims.get(name)
    return value.strip() if isinstance(value, str) else ""


def _key(user_id: str) -> str:
    """E-mail addresses are compared in small letters, other names as they are."""
    return user_id.lower() if "@" in user_id else user_id
