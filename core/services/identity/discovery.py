"""Discovery: addresses and keys that applications find by themselves."""

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from joserfc.jwk import KeySet

from core.services.identity import authorize
from core.services.identity.signing_keys import published_keys, signing_key
from core.services.identity.tokens import ALGORITHM
from core.services.settings import settings
from core.services.web.language import LANGUAGES
from core.services.web.middleware import internal_url

router = APIRouter()


@router.get("/.well-known/openid-configuration")
async def configuration(request: Request) -> Response:
    """OpenID Connect Discovery: browsers go to public addresses, programs where they asked."""
    public = settings().public_url
    here = internal_url(request.headers["host"]) or public
    return JSONResponse(
        {
            "issuer": public,
            "authorization_endpoint": f"{public}{authorize.PATH}",
            "end_session_endpoint": f"{public}/end-session",
            "token_endpoint": f"{here}/token",
            "userinfo_endpoint": f"{here}/userinfo",
            "jwks_uri": f"{here}/jwks.json",
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": ["authorization_code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [ALGORITHM],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
            "scopes_supported": authorize.SCOPES,
            "claims_supported": [
                *("iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "sid"),
                *("email", "email_verified", "name", "role"),
            ],
            "ui_locales_supported": LANGUAGES,
            "authorization_response_iss_parameter_supported": True,
            "request_parameter_supported": False,
            "request_uri_parameter_supported": False,
            "backchannel_logout_supported": True,
            "backchannel_logout_session_supported": False,
        }
    )


@router.get("/jwks.json")
async def keys(request: Request) -> Response:
    """The public keys, with the one that the next token is signed with."""
    pocketbase = request.app.state.pocketbase
    await signing_key(pocketbase)
    published = await published_keys(pocketbase)
    return JSONResponse(KeySet([*published]).as_dict(private=False))
