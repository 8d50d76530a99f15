"""The login page."""

from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from core.services.identity import sessions, throttle
from core.services.identity.clients import Client
from core.services.identity.destination import client_of, destination
from core.services.pocketbase import PocketBase, UnverifiedError
from core.services.web.forms import read_form
from core.services.web.language import texts_for
from core.services.web.pages import page

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
        wait = {"Retry-After": str(error.seconds)}
        return await _form(request, error.in_words(t), email, 429, wait)
    try:
        user = await pocketbase.check_password(email, password)
    except UnverifiedError:
        return await _form(request, t("login.unverified"), email, 403)
    if user is None:
        return await _form(request, t("login.wrong"), email, 401)
    await attempt.forget()
    # A first password opens nothing but the page where another one is chosen.
    choose = f"/password?{urlencode({'next': destination(request)})}"
    to = choose if user["must_change_password"] else destination(request)
    response = RedirectResponse(to, 303)
    await sessions.start(request, response, user["id"])
    return response


async def _form(
    request: Request,
    problem: str = "",
    email: str = "",
    status: int = 200,
    headers: dict[str, str] | None = None,
) -> Response:
    client = client_of(request)
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
