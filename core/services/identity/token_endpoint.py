"""The token endpoint, and userinfo: a code becomes tokens, and a token claims."""

from base64 import b64decode
from typing import NoReturn
from urllib.parse import unquote_plus

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from core.services.identity import codes, tokens
from core.services.identity.clients import Client, find_client
from core.services.identity.sessions import Person, person_of
from core.services.pocketbase import PocketBase
from core.services.web.forms import RepeatedFieldError, read_fields

router = APIRouter()


class OAuthError(Exception):
    """An error for an application, as RFC 6749 and RFC 6750 have it.

    Attributes:
        challenge: how it should prove who it is.
    """

    def __init__(self, code: str, message: str, *, challenge: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.challenge = challenge


@router.post("/token")
async def token(request: Request) -> Response:
    """Tokens for a code."""
    pocketbase: PocketBase = request.app.state.pocketbase
    try:
        given = await read_fields(request)
    except RepeatedFieldError:
        raise OAuthError("invalid_request", "a parameter is repeated") from None
    client = await _client(request, given)
    if given.get("grant_type") != "authorization_code":
        raise OAuthError("unsupported_grant_type", "grant_type must be authorization_code")
    try:
        grant = await codes.redeem(
            pocketbase,
            client,
            code=_needed(given, "code"),
            redirect_uri=_needed(given, "redirect_uri"),
            verifier=_needed(given, "code_verifier"),
        )
    except codes.BadCodeError as error:
        raise OAuthError("invalid_grant", str(error)) from None
    person = await _person(pocketbase, grant.session, client.id)
    if person is None:
        raise OAuthError("invalid_grant", "the session is over")
    return JSONResponse(await tokens.issue(pocketbase, client, grant, person))


@router.api_route("/userinfo", methods=["GET", "POST"])
async def userinfo(request: Request) -> Response:
    """Current claims for the application that has this access token."""
    pocketbase: PocketBase = request.app.state.pocketbase
    kind, _, access_token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer":
        raise OAuthError("invalid_token", "an access token is needed", challenge="Bearer")
    try:
        claims = await tokens.read_access_token(pocketbase, access_token.strip())
    except tokens.BadTokenError as error:
        _refuse_token(str(error))
    person = await _person(pocketbase, claims["sid"], claims["client_id"])
    if person is None or person.id != claims["sub"]:
        _refuse_token("its session is over")
    return JSONResponse(tokens.about_person(person, claims["scope"]))


async def explain(_: Request, error: OAuthError) -> Response:
    """The answer to an `OAuthError`."""
    body = {"error": error.code, "error_description": str(error)}
    headers = {"WWW-Authenticate": error.challenge} if error.challenge else None
    return JSONResponse(body, 401 if error.challenge else 400, headers)


async def _client(request: Request, given: dict[str, str]) -> Client:
    """The client of a request, by the header or by the form, and never by both."""
    client_id, secret = given.get("client_id", ""), given.get("client_secret", "")
    basic = request.headers.get("authorization")
    if basic:
        named, password = _basic(basic)
        if secret or client_id not in ("", named):
            raise OAuthError("invalid_request", "the client says twice who it is")
        client_id, secret = named, password
    client = find_client(client_id)
    state = request.app.state
    if client is None or client.id != await state.credentials.tenant_of(state.pocketbase, secret):
        raise OAuthError("invalid_client", "the client or its secret is wrong", challenge="Basic")
    return client


def _basic(header: str) -> tuple[str, str]:
    kind, _, encoded = header.partition(" ")
    try:
        decoded = b64decode(encoded, validate=True).decode() if kind.lower() == "basic" else ""
    except ValueError:  # no base64, or no text
        decoded = ""
    client_id, _, secret = decoded.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)


def _needed(given: dict[str, str], name: str) -> str:
    if not given.get(name):
        raise OAuthError("invalid_request", f"{name} is missing")
    return given[name]


async def _person(pocketbase: PocketBase, session: str, client_id: str) -> Person | None:
    person = await person_of(pocketbase, session)
    return person if person and person.tenant == client_id else None


def _refuse_token(why: str) -> NoReturn:
    challenge = f'Bearer error="invalid_token", error_description="{why}"'
    raise OAuthError("invalid_token", why, challenge=challenge)
