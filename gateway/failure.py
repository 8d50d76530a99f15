"""Errors for callers: one sentence, in the form of the API that was called.

LiteLLM answers with tracebacks, its version, addresses of deployments and its own words around a
provider's. What the provider says about the request itself is kept: the caller needs it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from asgi.body_limit import Scope

# The kinds of this gateway's own refusals, such as `budget_exceeded`.
_OWN = ("budget_", "gateway_")

_ANTHROPIC_PATHS = ("/v1/messages", "/messages")

_OPENAI_KINDS = {401: "invalid_request_error", 403: "permission_error", 429: "rate_limit_error"}
_ANTHROPIC_KINDS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}

_RAISED = re.compile(r"litellm\.(?:\w+\.)*\w*(?:Error|Exception|Timeout): ?")
_PREFIX = re.compile(r"(?:litellm\.)?(?:\w+\.)*(\w*(?:Error|Exception|Timeout)): ?")
_PROVIDER = re.compile(r"(?!API)(\w+?)(?:Exception|Error)(?: -|:) ?")
# What LiteLLM adds begins with one of these, and goes on to the end.
_LITELLMS_OWN = re.compile(
    r"\n*LiteLLM: |\.? ?Received Model Group=|\n?Available Model Group Fallbacks="
    r"| ?LiteLLM Retried: |\n?Deployment Info: |\nmodel: | ?No fallback model group found"
    r"|\n?Traceback \(most recent|\n  File \""
    r"| ?To (?:disable this security feature|let keys address responses)"
)
_MODEL = re.compile(
    r"(?:Received Model Group=|Passed model=|model group ')([^\s,']+?)\.?(?=[\s,']|$)"
)
_LONGEST = 2000
_SERVER_ERROR = HTTPStatus.INTERNAL_SERVER_ERROR


@dataclass(frozen=True, kw_only=True)
class Failure:
    """An error for the caller."""

    status: int
    message: str
    kind: str | None = None
    param: str | None = None

    @property
    def is_ours(self) -> bool:
        """Whether the caller can do nothing about it."""
        return self.status >= _SERVER_ERROR


def error_body(scope: Scope, status: int, message: str) -> bytes:
    """The body of a refusal."""
    kind = "gateway_busy" if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return body_of(Failure(status=status, message=message, kind=kind), str(scope["path"]))


def body_of(failure: Failure, path: str) -> bytes:
    """The failure in the form that clients of a path know."""
    return json.dumps(content_of(failure, path)).encode()


def content_of(failure: Failure, path: str) -> dict[str, Any]:
    """The failure in the form that clients of a path know, as data."""
    if path.startswith(_ANTHROPIC_PATHS):
        usual = "api_error" if failure.is_ours else "invalid_request_error"
        kind = _ANTHROPIC_KINDS.get(failure.status, usual)
        return {"type": "error", "error": {"type": kind, "message": failure.message}}
    usual = "server_error" if failure.is_ours else "invalid_request_error"
    error = {
        "message": failure.message,
        "type": failure.kind or _OPENAI_KINDS.get(failure.status, usual),
        "param": failure.param,
        "code": str(failure.status),
    }
    return {"error": error}


def plain(status: int, content: object) -> Failure:
    """An error of LiteLLM's, in any of the forms it has, as what the caller may know of it."""
    error = _error_in(content)
    message = str(error.get("message") or "")
    kind = error.get("type") if error.get("type") not in (None, "None", "") else None
    if not str(kind).startswith(_OWN):
        kind = (
            None
            if str(kind).startswith(("throttling", "auth")) or status >= _SERVER_ERROR
            else kind
        )
        from_provider = _from_litellm(message)
        if from_provider is not None:
            return from_provider.failure(status)
        if status >= _SERVER_ERROR:
            message = "The gateway could not answer this request. Try again later."
    return Failure(
        status=status,
        message=_shortened(message) or "The request was refused.",
        kind=None if kind is None else str(kind),
        param=_text(error.get("param")),
    )


@dataclass(frozen=True, kw_only=True)
class _Raised:
    """An exception of LiteLLM's, as its text tells it."""

    name: str
    provider: str
    model: str
    words: str

    def failure(self, status: int) -> Failure:
        for applies, other_status, message in self._troubles(status):
            if applies:
                return Failure(status=other_status, message=message)
        return Failure(status=status, message=self.words)

    def _troubles(self, status: int) -> Iterator[tuple[bool, int, str]]:
        """Errors of others: whether it is this one, the status and the sentence for the caller."""
        model = f" of the model `{self.model}`" if self.model else ""
        place = f"The provider{model}" + (f" ({self.provider})" if self.provider else "")
        unconnected = self.name == "APIConnectionError"
        yield (
            self.name == "RouterRateLimitError" or "No deployments available" in self.words,
            429,
            f"No provider{model} can be asked at the moment: they failed, or are at their limit."
            " Try again in a moment.",
        )
        yield (
            status in (401, 402, 403),
            502,
            f"{place} does not accept this gateway's key, or its account. Ask your administrator.",
        )
        yield (
            self.name.endswith("Timeout") or status in (408, 504),
            504,
            f"{place} did not answer in time. Try again later.",
        )
        yield unconnected and status < _SERVER_ERROR, status, "The request is malformed."
        yield (
            unconnected or "Connection error" in self.words,
            502,
            f"{place} cannot be reached. Try again later.",
        )
        yield (
            status >= _SERVER_ERROR,
            status if status in (502, 503, 529) else 500,
            f"{place} failed. Try again later.",
        )


def _from_litellm(message: str) -> _Raised | None:
    """None for a message that is not the text of an exception of LiteLLM's."""
    raised = _RAISED.search(message)
    if raised is None:
        return None
    name, rest = "", message[raised.start() :]
    while prefix := _PREFIX.match(rest):
        name, rest = name or prefix[1], rest[prefix.end() :]
    provider = _PROVIDER.match(rest)
    if provider:
        rest = rest[provider.end() :]
    model = _MODEL.search(message)
    return _Raised(
        name=name,
        provider=provider[1] if provider else "",
        model=model[1] if model else "",
        words=_said(_shortened(rest)),
    )


def _shortened(message: str) -> str:
    """Without what LiteLLM adds."""
    return _LITELLMS_OWN.split(message)[0].strip()[:_LONGEST]


def _said(words: str) -> str:
    """A provider's message, out of the JSON that it is in."""
    start, end = words.find("{"), words.rfind("}")
    with suppress(ValueError, KeyError):
        return str(_error_in(json.loads(words[start : end + 1]))["message"])
    return words


def _error_in(content: object) -> Mapping[str, Any]:
    if not isinstance(content, dict):
        return {"message": content if isinstance(content, str) else ""}
    for name in ("error", "detail", "message"):
        inner = content.get(name)
        if isinstance(inner, dict):
            return _error_in(inner) if "error" in inner else inner
        if isinstance(inner, str):
            return {**content, "message": inner}
        if isinstance(inner, list):  # FastAPI's list of what is wrong
            return {"message": "; ".join(_said_in(each) for each in inner)}
    return {}


def _said_in(item: object) -> str:
    return str(item.get("msg")) if isinstance(item, dict) else str(item)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value != "None" else None
