"""The page where a person chooses a password: at the first login, and whenever they like."""

import hmac
from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from core.services.identity import logout, sessions, throttle
from core.services.identity.destination import client_of, destination
from core.services.identity.sessions import Person
from core.services.pocketbase import PocketBase
from core.services.web.forms import read_form
from core.services.web.language import Texts, texts_for
from core.services.web.pages import page

LEAST_CHARACTERS = 12
MOST_BYTES = 71
"""PocketBase hashes no more."""

router = APIRouter()


@dataclass(frozen=True)
class _Choice:
    """The person who is to choose a password.

    Attributes:
        is_first: whether they have just given a first password, and can do nothing else.
    """

    person: Person
    is_first: bool


class _NotSavedError(Exception):
    """The text is that of a problem; `field` is where it is."""

    def __init__(self, problem: str, field: str, status: int = 422, wait: int = 0) -> None:
        super().__init__(problem)
        self.field = field
        self.status = status
        self.headers = {"Retry-After": str(wait)} if wait else None


@router.get("/password")
async def show(request: Request) -> Response:
    """The form."""
    choice = await _choice(request)
    return _form(request, choice) if choice else _log_in(request)


@router.post("/password")
async def change(request: Request) -> Response:
    """Set the password, and end all sessions but this browser's."""
    fields = await read_form(request)
    choice = await _choice(request)
    if choice is None:
        return _log_in(request)
    try:
        await _check(request, choice, fields)
    except _NotSavedError as error:
        return _form(request, choice, error)
    return await _save(request, choice, fields["new_password"])


async def _choice(request: Request) -> _Choice | None:
    if person := await sessions.choosing_person(request):
        return _Choice(person, is_first=True)
    person = await sessions.current_person(request)
    return _Choice(person, is_first=False) if person else None


async def _check(request: Request, choice: _Choice, fields: dict[str, str]) -> None:
    t, email = texts_for(request), choice.person.email
    new = fields.get("new_password", "")
    if len(new) < LEAST_CHARACTERS:
        problem = t("password.too_short", least=LEAST_CHARACTERS)
        raise _NotSavedError(problem, "new_password")
    if len(new.encode()) > MOST_BYTES:
        raise _NotSavedError(t("password.too_long", most=MOST_BYTES), "new_password")
    if new.lower() == email:
        raise _NotSavedError(t("password.address"), "new_password")
    if not hmac.compare_digest(new.encode(), fields.get("again", "").encode()):
        raise _NotSavedError(t("password.differs"), "again")
    pocketbase: PocketBase = request.app.state.pocketbase
    if not choice.is_first:
        await _check_current(pocketbase, t, email, fields.get("password", ""))
    if await pocketbase.check_password(email, new):
        raise _NotSavedError(t("password.same"), "new_password")


async def _check_current(pocketbase: PocketBase, t: Texts, email: str, password: str) -> None:
    """Whoever finds a browser that is signed in must not guess the password here."""
    try:
        attempt = await throttle.begin(pocketbase, email)
    except throttle.TooManyAttemptsError as error:
        raise _NotSavedError(error.in_words(t), "password", 429, error.seconds) from None
    if await pocketbase.check_password(email, password) is None:
        raise _NotSavedError(t("password.wrong"), "password", 401)
    await attempt.forget()


async def _save(request: Request, choice: _Choice, password: str) -> Response:
    pocketbase: PocketBase = request.app.state.pocketbase
    fields = {
        "password": password,
        "passwordConfirm": password,
        "must_change_password": False,
    }
    # It ends all sessions: core/pocketbase/hooks/sessions.pb.js.
    await pocketbase.update("users", choice.person.id, fields)
    response: Response = RedirectResponse(destination(request), 303)
    if not choice.is_first:
        unaware = await logout.unaware_of_logout(pocketbase, choice.person)
        response = page(request, "password_changed.html", unaware=unaware)
    await sessions.start(request, response, choice.person.id)
    return response


def _log_in(request: Request) -> Response:
    query = {"next": destination(request) if "next" in request.query_params else "/password"}
    return RedirectResponse(f"/login?{urlencode(query)}", 303)


def _form(request: Request, choice: _Choice, error: _NotSavedError | None = None) -> Response:
    client = client_of(request)
    return page(
        request,
        "password.html",
        status=error.status if error else 200,
        headers=error.headers if error else None,
        leads_to=client.origin if client else "",
        choice=choice,
        least=LEAST_CHARACTERS,
        problem=str(error or ""),
        wrong=error.field if error else "",
    )
