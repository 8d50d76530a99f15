"""Signing out: of this browser, or of everything."""

from urllib.parse import urlencode

import aiohttp
from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from core.services.identity import sessions, tokens
from core.services.identity.clients import Client, all_clients, find_client
from core.services.identity.sessions import Person, current_person
from core.services.log import log
from core.services.pocketbase import PocketBase
from core.services.web.forms import read_form
from core.services.web.pages import page

_SECONDS = 5

router = APIRouter()


@router.get("/end-session")
async def end_session(request: Request) -> Response:
    """Sign out on an application's behalf (OpenID Connect RP-Initiated Logout).

    Without a token that was given to this very person, anybody may have sent them here: they are
    asked.
    """
    pocketbase: PocketBase = request.app.state.pocketbase
    person = await current_person(request)
    hint = await _hint(request)
    if person and (hint is None or hint["sub"] != person.id):
        to = _application(request, all_clients())
        return page(request, "sign_out.html", leads_to=to.origin if to else "", person=person)
    if hint is None:
        return await _signed_out(request, all_clients())
    await sessions.end_session(pocketbase, hint["sid"])
    client = find_client(hint["aud"])
    return await _signed_out(request, [client] if client else [])


@router.post("/end-session")
@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """Sign out of this browser: the person was asked, or came by themselves."""
    await read_form(request)
    return await _signed_out(request, all_clients())


@router.post("/sign-out-everywhere")
async def sign_out_everywhere(request: Request) -> Response:
    """End all sessions of the person, here and in the tenant's chat."""
    pocketbase: PocketBase = request.app.state.pocketbase
    await read_form(request)
    person = await current_person(request)
    if person is None:
        return RedirectResponse("/login", 303)
    await sessions.end_all(pocketbase, person)
    unaware = await unaware_of_logout(pocketbase, person)
    return page(request, "signed_out.html", everywhere=True, unaware=unaware)


async def unaware_of_logout(pocketbase: PocketBase, person: Person) -> str:
    """Tell the tenant's chat that all sessions of a person ended: its name if that failed."""
    client = find_client(person.tenant)
    told = client is None or await _tell(pocketbase, client, person)
    return client.tenant.name if client and not told else ""


async def _signed_out(request: Request, possible: list[Client]) -> Response:
    """End this browser's session, and go back to the application that wants so, if it may."""
    response: Response = page(request, "signed_out.html", everywhere=False, unaware="")
    if client := _application(request, possible):
        state = request.query_params.get("state")
        query = f"?{urlencode({'state': state})}" if state else ""
        response = RedirectResponse(client.signed_out_uri + query, 303)
    await sessions.end(request, response)
    return response


def _application(request: Request, possible: list[Client]) -> Client | None:
    """Whose address it is that the person wants to go to when they are signed out."""
    wanted = request.query_params.get("post_logout_redirect_uri")
    return next((client for client in possible if client.signed_out_uri == wanted), None)


async def _hint(request: Request) -> tokens.Claims | None:
    """For whom an application signs out, if it can show a token that we gave it."""
    token, client_id = map(request.query_params.get, ("id_token_hint", "client_id"))
    try:
        hint = await tokens.read_id_token(request.app.state.pocketbase, token or "")
    except tokens.BadTokenError:
        return None
    return hint if client_id in (None, hint["aud"]) else None


async def _tell(pocketbase: PocketBase, client: Client, person: Person) -> bool:
    """Tell an application that the person signed out (OpenID Connect Back-Channel Logout)."""
    if not client.is_in_reach:
        return False
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as http:
            for token in await tokens.logout_tokens(pocketbase, client, person):
                form = {"logout_token": token}
                async with http.post(client.logout_uri, data=form, allow_redirects=False) as answer:
                    if answer.ok:
                        return True
                    log("logout_not_told", client=client.id, why=f"it answered {answer.status}")
    except (aiohttp.ClientError, TimeoutError) as error:
        log("logout_not_told", client=client.id, why=type(error).__name__)
    return False
