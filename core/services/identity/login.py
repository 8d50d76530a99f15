"""The login page."""

import re
from urllib.parse import parse_qs, urlsplit

from babel.dates import format_timedelta
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from core.services.forms import read_form
from core.services.identity import authorize, sessions, throttle
from core.services.identity.clients import Client, find_client
from core.services.language import texts_for
from core.services.pages import page
from core.services.pocketbase import PocketBase, UnverifiedError

# A path of ours. A browser takes a second slash, or a backslash, for the beginning of a host.
_PATH = re.compile(r"/(?![/\\])[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")

router = APIRouter()


@router.get("/login")
async def show(request: Request) -> Response:
    """The form; whoever is signed in may sign in as somebody else."""
    return await _form(request)


@router.post("/login")
async def log_in(request: Request) -> Response:
    """Sign in, and go on to where the person wanted to."""
    t = texts_for(request)
    pocketbase: PocketBase = request.app.state.pocketbase
    fields = await read_form(request)
    email, password = fields.get("email", "").strip().lower(), fields.get("password", "")
    try:
        attempt = await throttle.begin(pocketbase, email)
    except throttle.TooManyAttemptsError as error:
        minutes = format_timedelta(error.seconds, threshold=1, locale=t.language)
        wait = {"Retry-After": str(error.seconds)}
        return await _form(request, t("login.wait", minutes=minutes), email, 429, wait)
    try:
        user = await pocketbase.check_password(email, password)
    except UnverifiedError:
        return await _form(request, t("login.unverified"), email, 403)
    if user is None:
        return await _form(request, t("login.wrong"), email, 401)
    await attempt.forget()
    response = RedirectResponse(_next(request), 303)
    await sessions.start(request, response, user["id"])
    return response


async def _form(
    request: Request,
    problem: str = "",
    email: str = "",
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response:
    client = _client(request)
    return page(
        request,
        "login.html",
        status=status,
        headers=headers,
        # Chromium does not follow a form's redirect to an origin that is not named.
        leads_to=client.origin if client else "",
        client_name=client.tenant.name if client else "",
        notice=await _notice(request, client),
        problem=problem,
        email=email,
    )


async def _notice(request: Request, client: Client | None) -> str:
    person, t = await sessions.current_person(request), texts_for(request)
    if person is None:
        return ""
    if client and person.tenant != client.id:
        return t("login.other_tenant", email=person.email, name=client.tenant.name)
    return t("login.signed_in", email=person.email)


def _next(request: Request) -> str:
    """Where to go after the login: nowhere but to a page of ours."""
    wanted = request.query_params.get("next", "")
    return wanted if _PATH.fullmatch(wanted) else "/"


def _client(request: Request) -> Client | None:
    """The application that the person comes from."""
    target = urlsplit(_next(request))
    if target.path != authorize.PATH:
        return None
    return find_client(parse_qs(target.query).get("client_id", [""])[0])
