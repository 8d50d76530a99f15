"""Forms that nobody but our own pages can send."""

import hmac
import secrets
from dataclasses import dataclass
from typing import Self

from fastapi import Request, Response

from core.services.web import cookies


class ForgedFormError(Exception):
    """The form is not from a page that this browser was given, or that page is too old."""


class RepeatedFieldError(Exception):
    """The form has a field more than once."""


@dataclass(frozen=True)
class Visitor:
    """A browser, signed in or not.

    Attributes:
        secret: known to nobody but this browser.
        known: whether the browser knows it already.
        session: the session's token, so that a form outlives neither a login nor a logout.
    """

    secret: str
    known: bool
    session: str

    @classmethod
    def of(cls, request: Request) -> Self:
        """The browser that sent the request."""
        secret = cookies.read(request, cookies.VISITOR)
        session = cookies.read(request, cookies.SESSION)
        return cls(secret or secrets.token_urlsafe(32), bool(secret), session)

    @property
    def form_token(self) -> str:
        """The hidden field `form_token` of this browser's forms."""
        return hmac.digest(self.secret.encode(), self.session.encode(), "sha256").hex()

    def remember(self, response: Response) -> None:
        """Let the browser know its secret."""
        if not self.known:
            cookies.write(response, cookies.VISITOR, self.secret)


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form that one of our pages sent.

    Raises:
        ForgedFormError: it did not.
        RepeatedFieldError: it has a field more than once.
    """
    fields = await read_fields(request)
    visitor = Visitor.of(request)  # one that is not known has a secret that nobody knows
    token = fields.get("form_token", "").encode()
    # Browsers say where a form comes from on https and on loopback only.
    ours = request.headers.get("sec-fetch-site", "none") in ("same-origin", "none")
    if not (ours and hmac.compare_digest(token, visitor.form_token.encode())):
        raise ForgedFormError
    return fields


async def read_fields(request: Request) -> dict[str, str]:
    """The fields of a form, whoever sent it.

    Raises:
        RepeatedFieldError: it has a field more than once.
    """
    form = await request.form(max_files=0, max_fields=20, max_part_size=8192)
    if len(form) != len(form.multi_items()):
        raise RepeatedFieldError
    return {name: value for name, value in form.items() if isinstance(value, str)}
