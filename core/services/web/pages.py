"""Pages for people, from `templates/`."""

from collections.abc import Mapping
from pathlib import Path

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from core.services.settings import settings
from core.services.web import forms
from core.services.web.language import texts_for

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class PageError(Exception):
    """A page that says what is wrong.

    Attributes:
        reason: the part of a text's name after `error.`.
    """

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def page(
    request: Request,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    leads_to: str = "",
    **values: object,
) -> HTMLResponse:
    """A page in the language of who asks.

    A template has `t` (texts), `core` (settings), `form_token`, `person` (if it is given) and
    the values. Its form may lead to the origin `leads_to`, beside our own.
    """
    visitor = forms.Visitor.of(request)
    html = _TEMPLATES.get_template(template).render(
        {
            "t": texts_for(request),
            "core": settings(),
            "form_token": visitor.form_token,
            "person": None,
            **values,
        }
    )
    response = HTMLResponse(html, status, headers)
    response.headers["Content-Security-Policy"] = content_policy(leads_to)
    visitor.remember(response)
    return response


def content_policy(form_leads_to: str = "") -> str:
    """Nothing but our own style sheets and pictures; no scripts, no frames."""
    return (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
        f"frame-ancestors 'none'; form-action 'self' {form_leads_to}"
    ).strip()
