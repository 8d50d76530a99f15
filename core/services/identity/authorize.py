"""The authorization endpoint: applications send people here, who go back with a code."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import RedirectResponse

from core.services.identity import codes
from core.services.identity.clients import Client, find_client
from core.services.identity.sessions import Person, current_person
from core.services.settings import settings
from core.services.web.pages import PageError

PATH = "/authorize"
SCOPES = ("openid", "email", "profile")

_LONGEST = 1000
_SECONDS = re.compile(r"[0-9]{1,9}")
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")

router = APIRouter()


class AuthorizationError(Exception):
    """An error for the application, in its own address.

    Attributes:
        code: as in RFC 6749 and OpenID Connect.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class AuthorizationRequest:
    """A valid request of an application.

    Attributes:
        silent: whether the person must not be shown anything.
        again: whether the password has to be given even so.
        max_age: how many seconds ago the person may have given the password; None is any time.
    """

    scope: str
    challenge: str
    nonce: str
    silent: bool
    again: bool
    max_age: int | None


@router.get(PATH)
async def authorize(request: Request) -> Response:
    """Send a person back to the application that they came from, with a code."""
    given = request.query_params
    client = _client(request)
    try:
        asked = _read(given)
        person = await current_person(request)
        if person is None or asked.again or _is_too_long_ago(person, asked.max_age):
            return _log_in(request, asked)
        if person.tenant != client.id:
            return _log_in(request, asked, error="access_denied")
        grant = codes.Grant(
            client=client.id,
            session=person.session,
            redirect_uri=client.redirect_uri,
            scope=asked.scope,
            challenge=asked.challenge,
            nonce=asked.nonce,
        )
        return _back(client, given, code=await codes.issue(request.app.state.pocketbase, grant))
    except AuthorizationError as error:
        return _back(client, given, error=error.code, error_description=str(error))


def _client(request: Request) -> Client:
    """The client. Nobody is sent to an address that is not theirs, so these errors are pages."""
    given = request.query_params
    if len(given) != len(given.multi_items()):
        raise PageError(400, "repeated_parameter")
    client = find_client(given.get("client_id", ""))
    if client is None:
        raise PageError(400, "unknown_client")
    if given.get("redirect_uri") != client.redirect_uri:
        raise PageError(400, "unknown_redirect")
    return client


def _read(given: Mapping[str, str]) -> AuthorizationRequest:
    for name in ("request", "request_uri"):
        _check(name not in given, f"{name} is not supported", code=f"{name}_not_supported")
    kind = given.get("response_type")
    _check(kind, "response_type is missing")
    _check(kind == "code", "response_type must be code", code="unsupported_response_type")
    _check(given.get("response_mode", "query") == "query", "response_mode must be query")
    _check(given.get("state"), "state is missing")
    nonce = given.get("nonce", "")
    _check(len(nonce) <= _LONGEST, "nonce is too long")
    challenge = given.get("code_challenge", "")
    _check(challenge, "code_challenge is missing")
    _check(given.get("code_challenge_method") == "S256", "code_challenge_method must be S256")
    _check(_CHALLENGE.fullmatch(challenge), "code_challenge is not a SHA-256 in base64url")
    prompts = given.get("prompt", "").split()
    _check("none" not in prompts or len(prompts) == 1, "prompt=none stands alone")
    max_age = given.get("max_age")
    _check(max_age is None or _SECONDS.fullmatch(max_age), "max_age is no number of seconds")
    scopes = given.get("scope", "").split()
    _check("openid" in scopes, "scope must have openid", code="invalid_scope")
    return AuthorizationRequest(
        scope=" ".join(scope for scope in SCOPES if scope in scopes),
        challenge=challenge,
        nonce=nonce,
        silent=prompts == ["none"],
        again="login" in prompts or "select_account" in prompts,
        max_age=None if max_age is None else int(max_age),
    )


def _check(right: object, message: str, *, code: str = "invalid_request") -> None:
    if not right:
        raise AuthorizationError(code, message)


def _is_too_long_ago(person: Person, max_age: int | None) -> bool:
    return max_age is not None and time.time() - person.signed_in_at > max_age


def _log_in(
    request: Request, asked: AuthorizationRequest, *, error: str = "login_required"
) -> Response:
    """Show the login page, which leads back here."""
    if asked.silent:
        raise AuthorizationError(error, "nobody is signed in who may")
    # The next time, the password was just given.
    given = {
        name: value
        for name, value in request.query_params.items()
        if name not in ("prompt", "max_age")
    }
    query = {"next": f"{PATH}?{urlencode(given)}"}
    if "ui_locales" in given:
        query["ui_locales"] = given["ui_locales"]
    return RedirectResponse(f"/login?{urlencode(query)}", 303)


def _back(client: Client, given: Mapping[str, str], **answer: str) -> Response:
    answer |= {"iss": settings().public_url}
    if "state" in given:
        answer["state"] = given["state"]
    return RedirectResponse(f"{client.redirect_uri}?{urlencode(answer)}", 303)
