"""Runs inside a container that shares nothing with the project, and asks what only it can ask.

Prints one object of JSON: `problem`, empty if all is well, and what else was found out. No secret
is printed, and nothing is changed.
"""

import base64
import json
import os
import sys
import urllib.error
import urllib.parse
import urllib.request
from http import HTTPStatus
from pathlib import Path

_SECRETS = Path("/run/secrets/env")
_SECONDS = 10
_NO_CODE = "a-code-that-nobody-was-given"


def _ask(url: str, body: bytes | None = None, **headers: str) -> tuple[int, str]:
    """Status and text of an answer; a redirect is followed."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, body, named)
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def _secret(name: str) -> str:
    # As the shell hands it to the process.
    return (_SECRETS / name).read_text(encoding="utf-8").rstrip("\n")


def _object(text: str) -> dict[str, object]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def fetch(url: str) -> dict[str, object]:
    """The answer of an address."""
    status, text = _ask(url)
    return {"problem": "", "status": status, "text": text}


def login() -> dict[str, object]:
    """Whether the OpenID provider knows this chat: discovery, and the token endpoint.

    A code that nobody was given is refused as `invalid_grant` by a provider that knows the client
    and its secret.
    """
    status, text = _ask(os.environ["OPENID_PROVIDER_URL"])
    known = _object(text)
    if "authorization_endpoint" not in known or "token_endpoint" not in known:
        said = f"answered {status}" if status != HTTPStatus.OK else "is no OpenID provider"
        return {"problem": f"{said}: {_short(text)}"}
    return {"problem": _token_problem(known), "authorize": _authorize(known)}


def _authorize(known: dict[str, object]) -> str:
    """The page that a browser is sent to for a login."""
    asked = {
        "response_type": "code",
        "client_id": os.environ["OAUTH_CLIENT_ID"],
        "redirect_uri": os.environ["OPENID_REDIRECT_URI"],
        "scope": os.environ.get("OAUTH_SCOPES", "openid"),
        "state": "doctor",
        "nonce": "doctor",
        "code_challenge": base64.urlsafe_b64encode(bytes(32)).decode().rstrip("="),
        "code_challenge_method": "S256",
    }
    joint = "&" if "?" in str(known["authorization_endpoint"]) else "?"
    return f"{known['authorization_endpoint']}{joint}{urllib.parse.urlencode(asked)}"


def _token_problem(known: dict[str, object]) -> str:
    client = os.environ["OAUTH_CLIENT_ID"]
    secret = _secret("OAUTH_CLIENT_SECRET")
    form = {
        "grant_type": "authorization_code",
        "code": _NO_CODE,
        "redirect_uri": os.environ["OPENID_REDIRECT_URI"],
        "code_verifier": _NO_CODE * 2,
    }
    headers = {}
    methods = known.get("token_endpoint_auth_methods_supported") or ["client_secret_basic"]
    if "client_secret_basic" in str(methods):
        pair = f"{urllib.parse.quote_plus(client)}:{urllib.parse.quote_plus(secret)}"
        headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
    else:
        form |= {"client_id": client, "client_secret": secret}
    body = urllib.parse.urlencode(form).encode()
    status, text = _ask(str(known["token_endpoint"]), body, **headers)
    error = _object(text).get("error")
    if error == "invalid_grant":
        return ""
    if error in ("invalid_client", "unauthorized_client") or status == HTTPStatus.UNAUTHORIZED:
        return f"refuses the client {client!r} or its secret"
    return f"its token endpoint answered {status}: {_short(text)}"


def billing(url: str, tenant: str, account: str) -> dict[str, object]:
    """Whether the Billing API answers the tenant's key with a budget."""
    key = _secret("BILLING_API_KEY")
    asked = {"tenant_id": tenant, "user_id": account, "model": "", "cost_estimate": "0"}
    body = json.dumps(asked).encode()
    status, text = _ask(url, body, X_API_Key=key, Content_Type="application/json")
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return {"problem": f"refuses the tenant's key ({status})"}
    if status not in (HTTPStatus.OK, HTTPStatus.NOT_FOUND) or "allowed" not in _object(text):
        return {"problem": f"answered {status}: {_short(text)}"}
    return {"problem": ""}


def gateway() -> dict[str, object]:
    """The gateway's own numbers of what is on its way to the Billing API."""
    key = _secret("LITELLM_MASTER_KEY")
    status, text = _ask("http://127.0.0.1:4000/metrics", Authorization=f"Bearer {key}")
    if status != HTTPStatus.OK:
        return {"problem": f"answered {status}: {_short(text)}"}
    guard = _object(_ask("http://127.0.0.1:4000/health/guard")[1])
    numbers = dict(line.rsplit(" ", 1) for line in text.splitlines() if line[:1] != "#")
    return {
        "problem": "",
        "billing": guard["billing"],
        "outbox": int(float(numbers["gateway_outbox_events"])),
        "outbox_seconds": float(numbers["gateway_outbox_age_seconds"]),
        "refused": int(float(numbers["gateway_refused_events"])),
        "allowed": float(numbers["gateway_allowed_total"]),
    }


def disk(path: str) -> dict[str, object]:
    """Usage of the disk, in percent and free bytes."""
    found = os.statvfs(path)
    free = found.f_bavail * found.f_frsize
    return {
        "problem": "",
        "free": free,
        "used_percent": 100 - 100 * found.f_bavail // found.f_blocks,
    }


def _short(text: str) -> str:
    return " ".join(text.split())[:200]


def main() -> None:
    """Do what the arguments name."""
    name, *arguments = sys.argv[1:]
    probes = {
        "fetch": fetch,
        "login": login,
        "billing": billing,
        "gateway": gateway,
        "disk": disk,
    }
    try:
        found = probes[name](*arguments)  # type: ignore[operator]
    except (OSError, ValueError, KeyError) as error:
        found = {"problem": f"does not answer: {getattr(error, 'reason', error)}"}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
