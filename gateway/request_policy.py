"""The fields of a request: those that are passed on, those that are dropped, and the refused.

LiteLLM takes hundreds of names for orders of its own: where a request goes, what it costs, how
often it is tried, and whether it is logged. Providers take others for limits past those that are
checked here, or for work that has another price. So a name that is not passed on by `PASSED` never
reaches LiteLLM: one that steers, escapes, constrains or costs is refused, any other is dropped and
named to the caller.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from gateway.tools import is_known, is_of_the_caller

MOST_TOKENS = 10_000_000

OUTPUT_LIMITS: Mapping[str, tuple[str, ...]] = {
    "acompletion": ("max_completion_tokens", "max_tokens"),
    "atext_completion": ("max_tokens",),
    "anthropic_messages": ("max_tokens",),
    "aresponses": ("max_output_tokens",),
    "aembedding": (),
}
"""The calls that are paid by the token, and what limits an answer's tokens in each."""

UNITS = ("aimage_generation", "image_generation", "aspeech", "transcription", "atranscription")
"""The calls that are paid by the image, the second or the character."""

FREE = ("aget_responses", "adelete_responses", "acancel_responses", "alist_input_items")
"""The calls that cost nothing: of an answer that a provider keeps, and that was paid before."""

ANSWERS = ("n", "best_of")
"""Fields that ask for several answers at once."""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SAMPLING = "temperature top_p top_k min_p seed stop frequency_penalty presence_penalty"
_STREAM = "stream stream_options"
_ANTHROPIC = (
    "messages system tools tool_choice thinking output_format output_config context_management"
    " cache_control reasoning_effort"
)

PASSED: Mapping[str, frozenset[str]] = {
    route: _names(f"model {names}")
    for route, names in {
        "/v1/chat/completions": f"messages user {_STREAM} {_SAMPLING} n max_tokens"
        " max_completion_tokens repetition_penalty logit_bias logprobs top_logprobs"
        " response_format tools tool_choice parallel_tool_calls functions function_call"
        " reasoning_effort verbosity thinking chat_template_kwargs web_search_options modalities"
        " audio prediction safety_settings safety_identifier service_tier store prompt_cache_key"
        " prompt_cache_retention metadata cache",
        "/v1/completions": f"prompt user {_STREAM} {_SAMPLING} n max_tokens best_of echo suffix"
        " logit_bias logprobs metadata cache",
        "/v1/messages": f"{_ANTHROPIC} user max_tokens stream stop_sequences temperature top_p"
        " top_k service_tier metadata",
        "/v1/messages/count_tokens": _ANTHROPIC,
        "/v1/responses": f"input instructions user max_output_tokens {_STREAM} temperature top_p"
        " top_logprobs text tools tool_choice max_tool_calls parallel_tool_calls reasoning include"
        " truncation context_management previous_response_id safety_identifier service_tier store"
        " prompt_cache_key prompt_cache_retention metadata",
        "/v1/embeddings": "input user dimensions encoding_format input_type metadata cache",
        "/v1/images/generations": "prompt user n size quality style background moderation"
        " output_format output_compression response_format",
        "/v1/audio/speech": "input user voice instructions speed response_format",
        "/v1/audio/transcriptions": "file user language prompt temperature response_format"
        " timestamp_granularities timestamp_granularities[]",
    }.items()
}
"""Fields that reach LiteLLM, by route."""

UNKEYED = _names(
    "min_p repetition_penalty chat_template_kwargs safety_settings input_type"
    " timestamp_granularities[]"
)
"""Fields that LiteLLM leaves out of the key of its cache: a request with one gets no cache."""

OF_THE_CHAT = _names(
    "mirostat mirostat_eta mirostat_tau repeat_last_n repeat_penalty tfs_z think format keep_alive"
    " num_keep num_ctx num_batch num_thread num_gpu num_predict use_mmap use_mlock options"
)
"""Knobs of Ollama that Open WebUI offers for every model, and that no model here has."""

_OF_THE_TENANT = re.compile(
    "litellm.*|.*cost.*|api_(base|key|type|version)|base_url|.*fallbacks?(_.*)?|.*retr(y|ies).*"
    "|.*timeout.*|custom_llm_provider|extra_(headers|body|query)|(default_)?headers"
    "|provider_specific_header|mock_.*|no-log|.*callbacks?.*|.*logging.*|guardrails?"
    "|models?_.*|models|base_model|specific_deployment|deployment_id|organization|drop_params"
    "|additional_drop_params|allowed_openai_params|routing_strategy|tags|prompt_(id|label|variables)"
    "|caching|cache_(hit|key)|user_api_key.*|(aws|azure|vertex|s3|bedrock)_.*|proxy_server_request"
    "|secret_fields|configurable_clientside_auth_params|route|provider|rpm|tpm|weight|order"
)
"""Orders to LiteLLM, or to a gateway behind it: the tenant's file gives them."""

_COSTS = _names(
    "n best_of candidate_count candidateCount num_return_sequences speed background"
    " background_options service_tier serviceTier container mcp_servers conversation compaction"
    " search_parameters data_sources plugins web_search_options enable_search generation_config"
    " generationConfig use_beam_search"
)
"""Work that has another price, or one that nobody here knows."""

_DEFAULTS: Mapping[str, str] = {"speed": "standard", "inference_geo": "global"}
"""Values that Anthropic assumes without the name, too."""

_CONTENT = _names(
    "messages input prompt system instructions contents system_instruction suffix file image audio"
    " stream documents previous_response_id"
)
"""Fields that decide the answer, and belong to another API."""

_CONSTRAINING_WORDS = _names(
    # where
    "geo region regions residency location country jurisdiction zone"
    # how long it is kept, and for what
    " store stored storage retention retain persist zdr ttl expire expires expiry training privacy"
    " confidential compliance"
    # safety
    " safe safety safeguard safeguards moderation moderate guard guardrail guardrails policy"
    " policies filter filters access consent"
    # form
    " format formats schema grammar guided regex structured mime modalities"
    # limits
    " max maximum limit limits budget quota tokens stop allow allowed deny denied block blocked"
    " ban banned bad"
)
"""Parts of names: what is called so restricts an answer, and would not if it were dropped."""

_WORD_ENDS = re.compile(r"[^A-Za-z]+|(?<=[a-z])(?=[A-Z])")


DROPPED = "cloudfreedom.dropped"
"""Key of a request's scope with the names of dropped fields, as a header may have them."""

_MOST_NAMED = 20
_NOT_IN_A_HEADER = re.compile(r"[^\w.\[\]-]", re.ASCII)


class RequestError(ValueError):
    """The request cannot be let through; the text is for the caller."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


@dataclass(frozen=True, kw_only=True)
class Body:
    """A body as LiteLLM may have it, and the names that are not in it any more."""

    value: dict[str, Any]
    dropped: tuple[str, ...] = ()


# --- Routes


def route_of(scope: Mapping[str, Any]) -> str:
    """The path of an ASGI request as `PASSED` has it: LiteLLM takes most without `/v1`, too."""
    path = str(scope["path"])
    return f"/v1{path}" if f"/v1{path}" in PASSED else path


def has_json_body(scope: Mapping[str, Any]) -> bool:
    """Whether an ASGI request is to a route that takes JSON, and no form."""
    route = route_of(scope)
    return route in PASSED and route not in _FORM_ROUTES


# --- Names


def validate_body(route: str, body: object, *, cache_seconds: int | None = None) -> Body:
    """A caller's body without what nobody here knows.

    Args:
        route: one of `PASSED`.
        body: what the caller wrote, parsed.
        cache_seconds: longest life of a cached answer; None if nothing is cached.

    Raises:
        RequestError: with what is wrong.
    """
    if not isinstance(body, dict):
        raise RequestError("The body must be a JSON object.")
    kept, dropped = {}, []
    for name, value in body.items():
        if name in PASSED[route]:
            kept[name] = _without_point(name, value)
        elif value is not None and not _is_off(name, value) and (reason := _reason(name)):
            raise RequestError(
                f"`{name[:64]}` cannot be set in a request to {route}: {reason}.", name
            )
        else:
            dropped.append(name)
    _check_values(route, kept)
    _limit_cache(kept, cache_seconds)
    return Body(value=kept, dropped=tuple(_in_a_header(name) for name in dropped[:_MOST_NAMED]))


def _in_a_header(name: str) -> str:
    return _NOT_IN_A_HEADER.sub("?", name[:64])


def _is_off(name: str, value: object) -> bool:
    """Whether it is what a client writes that wants no such work."""
    is_default = name in _DEFAULTS and value == _DEFAULTS[name]
    is_none = (name in _COSTS or name == "stream") and (value is False or value in ([], {}))
    return is_default or is_none


def _reason(name: str) -> str | None:
    """The reason why a name that is not passed on is refused, if it is."""
    if name in OF_THE_CHAT:
        return None
    if _OF_THE_TENANT.fullmatch(name):
        return "the tenant's file decides it"
    if name in _COSTS:
        return "its price is not known here"
    if name in _CONTENT:
        return "it belongs to another API"
    if not _CONSTRAINING_WORDS.isdisjoint(word.lower() for word in _WORD_ENDS.split(name)):
        return "it restricts the answer, and this gateway cannot see to that"
    return None


# --- Values

Check = Callable[[Any], bool]


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_whole(value: object) -> bool:
    return type(value) is int


def _is_count(value: object) -> bool:
    return type(value) is int and 0 < value <= MOST_TOKENS


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _is_flat(value: object) -> bool:
    return isinstance(value, dict) and not any(isinstance(v, dict | list) for v in value.values())


def _are(check: Check) -> Check:
    return lambda value: isinstance(value, list) and all(check(item) for item in value)


def _either(*checks: Check) -> Check:
    return lambda value: any(check(value) for check in checks)


_TEXTS, _OBJECTS, _WHOLES = _are(_is_text), _are(_is_object), _are(_is_whole)

_KINDS: Mapping[str, tuple[str, Check]] = {
    name: (words, check)
    for words, check, names in (
        ("the name of one model", _is_text, "model"),
        (
            "a text",
            _is_text,
            "user instructions suffix service_tier prompt_cache_key prompt_cache_retention"
            " safety_identifier truncation previous_response_id encoding_format input_type"
            " verbosity size quality style moderation language",
        ),
        ("true or false", _is_flag, "stream store echo parallel_tool_calls"),
        (
            "an object",
            _is_object,
            "stream_options logit_bias thinking chat_template_kwargs web_search_options audio"
            " prediction output_config text reasoning cache_control",
        ),
        (
            "a number",
            _is_number,
            "temperature top_p min_p frequency_penalty presence_penalty repetition_penalty",
        ),
        ("a whole number", _is_whole, "seed top_k top_logprobs"),
        (
            "a whole number above 0",
            _is_count,
            "n best_of max_tokens max_completion_tokens max_output_tokens max_tool_calls"
            " dimensions",
        ),
        ("a list of texts", _TEXTS, "modalities include stop_sequences"),
        ("a list of objects", _OBJECTS, "messages tools functions safety_settings"),
        ("a text or a list of texts", _either(_is_text, _TEXTS), "stop"),
        (
            "a text or an object",
            _either(_is_text, _is_object),
            "tool_choice function_call reasoning_effort voice response_format output_format",
        ),
        ("a text or a list of objects", _either(_is_text, _OBJECTS), "system"),
        ("an object or a list", _either(_is_object, _OBJECTS), "context_management"),
        ("true, false or a whole number", _either(_is_flag, _is_whole), "logprobs"),
        ("an object without objects or lists in it", _is_flat, "metadata cache"),
    )
    for name in names.split()
}

_WHOLE = frozenset(name for name, (_, check) in _KINDS.items() if check in (_is_whole, _is_count))


def _without_point(name: str, value: object) -> object:
    """JSON has one kind of number: 100.0 is 100, which is all that providers take."""
    if name in _WHOLE and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


_MANY_TEXTS = _either(_is_text, _TEXTS, _WHOLES, _are(_WHOLES))
_PROMPTS: Mapping[str, tuple[str, str, Check]] = {
    "/v1/chat/completions": ("messages", "a list of objects", _OBJECTS),
    "/v1/messages": ("messages", "a list of objects", _OBJECTS),
    "/v1/messages/count_tokens": ("messages", "a list of objects", _OBJECTS),
    "/v1/completions": ("prompt", "a text, a list of texts, or tokens", _MANY_TEXTS),
    "/v1/embeddings": ("input", "a text, a list of texts, or tokens", _MANY_TEXTS),
    "/v1/responses": ("input", "a text or a list of objects", _either(_is_text, _OBJECTS)),
    "/v1/images/generations": ("prompt", "a text", _is_text),
    "/v1/audio/speech": ("input", "a text", _is_text),
}
"""The field that an answer is to, by route: it must be there, and not be empty."""

_FORM_ROUTES = frozenset({"/v1/audio/transcriptions"})
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")


def _check_values(route: str, body: Mapping[str, Any]) -> None:
    if body.get("model") is None:
        raise RequestError("`model` must be the name of one model.", "model")
    if route in _FORM_ROUTES:  # whose fields are texts, all of them
        _check(body, "model", *_KINDS["model"])
        return
    for name, (words, check) in _KINDS.items():
        _check(body, name, words, check)
    name, words, check = _PROMPTS[route]
    if not body.get(name):
        raise RequestError(f"`{name}` must not be missing or empty.", name)
    _check(body, name, words, check)
    if route == "/v1/messages" and body.get("max_tokens") is None:
        raise RequestError("`max_tokens` must be a whole number above 0.", "max_tokens")
    for number, message in enumerate(body.get("messages") or ()):
        _check_message(number, message)
    for tool in body.get("tools") or ():
        _check_tool(tool)


def _check(body: Mapping[str, Any], name: str, words: str, check: Check) -> None:
    value = body.get(name)
    if value is not None and not check(value):
        raise RequestError(f"`{name}` must be {words}.", name)


def _check_message(number: int, message: Mapping[str, Any]) -> None:
    place = f"messages[{number}]"
    if message.get("role") not in _ROLES:
        raise RequestError(f"`{place}.role` must be one of {', '.join(_ROLES)}.", f"{place}.role")
    content = message.get("content")
    if content is None or isinstance(content, str):
        return
    if not isinstance(content, list):
        raise RequestError(f"`{place}.content` must be a text or a list.", f"{place}.content")
    for index, part in enumerate(content):
        _check_part(f"{place}.content[{index}]", part)


def _check_part(place: str, part: object) -> None:
    if not isinstance(part, dict) or not isinstance(part.get("type"), str):
        raise RequestError(f"`{place}` must be an object with a `type`.", place)
    kind = part["type"]
    if kind == "text" and not isinstance(part.get("text"), str):
        raise RequestError(f"`{place}.text` must be a text.", f"{place}.text")
    if kind == "image_url":
        image = part.get("image_url")
        url = image.get("url") if isinstance(image, dict) else image
        if not isinstance(url, str):
            raise RequestError(f"`{place}.image_url.url` must be a text.", f"{place}.image_url")


def _check_tool(tool: Mapping[str, Any]) -> None:
    if is_of_the_caller(tool) or is_known(tool):
        return
    kind = tool.get("type") or next(iter(tool), None)
    if kind in ("function", "custom", None):
        raise RequestError("A tool of your own must have a name.", "tools")
    raise RequestError(f"This gateway does not offer the tool `{str(kind)[:64]}`.", "tools")


# --- The cache

_FLAGS_OF_THE_CACHE = ("use-cache", "no-cache", "no-store")
_SECONDS_OF_THE_CACHE = ("ttl", "s-maxage", "s-max-age")
_NAMES_OF_THE_CACHE = (*_FLAGS_OF_THE_CACHE, *_SECONDS_OF_THE_CACHE, "namespace")


def _limit_cache(body: dict[str, Any], most: int | None) -> None:
    """Keep an answer no longer than the tenant does, and not at all where others could get it."""
    if any(body.get(name) is not None for name in UNKEYED):
        body["cache"] = {"no-cache": True, "no-store": True}
        return
    cache = body.get("cache")
    if cache is None:
        return
    _check_cache(cache)
    for name in _SECONDS_OF_THE_CACHE:
        if most is not None and cache.get(name) is not None:
            cache = {**cache, name: min(cache[name], most)}
    body["cache"] = {name: cache[name] for name in _NAMES_OF_THE_CACHE if name in cache}


def _check_cache(cache: Mapping[str, Any]) -> None:
    def must(names: Iterable[str], words: str, check: Check) -> None:
        for name in names:
            if cache.get(name) is not None and not check(cache[name]):
                raise RequestError(f"`cache.{name}` must be {words}.", f"cache.{name}")

    must(_FLAGS_OF_THE_CACHE, "true or false", _is_flag)
    must(_SECONDS_OF_THE_CACHE, "a number of seconds", lambda v: _is_number(v) and v >= 0)
    must(("namespace",), "a text", _is_text)


# --- A call, as LiteLLM understood it


def validate_call(call_type: str, body: Mapping[str, Any]) -> None:
    """Refuse what this gateway cannot set money aside for.

    Raises:
        RequestError: with what is wrong.
    """
    if call_type not in OUTPUT_LIMITS and call_type not in UNITS:
        raise RequestError("This gateway does not offer this kind of call.")
    _check({"model": "", **body}, "model", *_KINDS["model"])
    if not body.get("model"):
        raise RequestError("`model` must be the name of one model.", "model")
    for name in (*ANSWERS, *OUTPUT_LIMITS.get(call_type, ())):
        _check(body, name, *_KINDS[name])
