"""The page after a login: `next` in the query of our pages."""

import re
from urllib.parse import parse_qs, urlsplit

from fastapi import Request

from core.services.identity import authorize
from core.services.identity.clients import Client, find_client

# A path of ours. A browser takes a second slash, or a backslash, for the beginning of a host.
_PATH = re.compile(r"/(?![/\\])[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*")


def destination(request: Request) -> str:
    """Nowhere but a page of ours."""
    wanted = request.query_params.get("next", "")
    return wanted if _PATH.fullmatch(wanted) else "/"


def client_of(request: Request) -> Client | None:
    """The application that the person comes from."""
    target = urlsplit(destination(request))
    if target.path != authorize.PATH:
        return None
    return find_client(parse_qs(target.query).get("client_id", [""])[0])
