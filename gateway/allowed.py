"""What a request may ask for, and the refusal of everything else."""

import re
from collections.abc import Mapping
from typing import Any

MOST_TOKENS = 10_000_000

_TOOLS_OF_THE_CALLER = ("function", "custom", None)
_NAMES_OF_A_TOOL = ("function", "custom", "name")

# Other tools cost what nobody here can bound, or ask another model.
_TOOLS_OF_THE_PROVIDER = re.compile(
    "web_search.*|web_fetch.*|google_?search.*|url_?context|code_?execution|enterprise_?web_?search"
    "|bash_.*|text_editor_.*|computer.*|memory_.*|local_shell|apply_patch|tool_search.*",
    re.IGNORECASE,
)

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

ANSWERS = ("n", "best_of")
"""What asks for several answers at once."""

_SAMPLING = "temperature top_p top_k min_p seed stop frequency_penalty presence_penalty"
_STREAM = "stream stream_options"

PARAMETERS: Mapping[str, frozenset[str]] = {
    route: frozenset(f"model user {names}".split())
    for route, names in {
        "/v1/chat/completions": f"messages {_STREAM} {_SAMPLING} n max_tokens max_completion_tokens"
        " repetition_penalty logit_bias logprobs top_logprobs response_format tools tool_choice"
        " parallel_tool_calls functions function_call reasoning_effort verbosity thinking"
        " chat_template_kwargs web_search_options modalities audio prediction safety_settings"
        " safety_identifier service_tier store prompt_cache_key prompt_cache_retention metadata"
        " cache",
        "/v1/completions": f"prompt {_STREAM} {_SAMPLING} n max_tokens best_of echo suffix"
        " logit_bias logprobs metadata cache",
        "/v1/messages": "messages system max_tokens stream stop_sequences temperature top_p top_k"
        " thinking tools tool_choice output_format output_config context_management cache_control"
        " service_tier metadata",
        "/v1/responses": f"input instructions max_output_tokens {_STREAM} temperature top_p"
        " top_logprobs text tools tool_choice max_tool_calls parallel_tool_calls reasoning include"
        " truncation context_management previous_response_id safety_identifier service_tier store"
        " prompt_cache_key prompt_cache_retention metadata",
        "/v1/embeddings": "input dimensions encoding_format input_type metadata cache",
        "/v1/images/generations": "prompt n size quality style background moderation"
        " output_format output_compression response_format",
        "/v1/audio/speech": "input voice instructions speed response_format",
        "/v1/audio/transcriptions": "file language prompt temperature response_format"
        " timestamp_granularities timestamp_granularities[]",
    }.items()
}
"""What a request may set, by route.

LiteLLM takes hundreds of other names for orders of its own: where a request goes, what it costs,
how often it is tried, and whether it is logged. Providers take others for limits past those that
are checked here, or for work that has another price.
"""


_KINDS: Mapping[str, tuple[type, str]] = {
    "model": (str, "the name of one model"),
    "user": (str, "a text"),
    "stream": (bool, "true or false"),
    "stream_options": (dict, "an object"),
    "tools": (list, "a list"),
}


class RequestError(ValueError):
    """The request cannot be let through; the text is for the caller."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


def check_body(route: str, body: object) -> None:
    """Refuse a body, as the caller wrote it, that would lead past a budget.

    Raises:
        RequestError: with what is wrong.
    """
    if not isinstance(body, dict):
        raise RequestError("The body must be a JSON object.")
    for name in body:
        if name not in PARAMETERS[route]:
            raise RequestError(f"`{name[:64]}` cannot be set in a request to this gateway.", name)
    for name, (kind, words) in _KINDS.items():
        if body.get(name) is not None and not isinstance(body[name], kind):
            raise RequestError(f"`{name}` must be {words}.", name)
    for name in ("metadata", "cache"):
        value = body.get(name)
        if value is not None and not _is_flat(value):
            raise RequestError(f"`{name}` must be an object without objects or lists in it.", name)
    for tool in body.get("tools") or ():
        _check_tool(tool)


def _is_flat(value: object) -> bool:
    return isinstance(value, dict) and not any(isinstance(v, dict | list) for v in value.values())


def _check_tool(tool: object) -> None:
    if is_of_the_caller(tool):
        return
    kind = tool.get("type") or next(iter(tool), None) if isinstance(tool, dict) else None
    if kind in _TOOLS_OF_THE_CALLER:
        raise RequestError("A tool of your own must have a name.", "tools")
    if not isinstance(kind, str) or not _TOOLS_OF_THE_PROVIDER.fullmatch(kind):
        raise RequestError(f"This gateway does not offer the tool `{str(kind)[:64]}`.", "tools")


def is_of_the_caller(tool: object) -> bool:
    """Whether a provider only says how it wants to use it."""
    return (
        isinstance(tool, dict)
        and tool.get("type") in _TOOLS_OF_THE_CALLER
        and any(name in tool for name in _NAMES_OF_A_TOOL)
    )


def check(call_type: str, body: Mapping[str, Any]) -> None:
    """Refuse what this gateway cannot set money aside for.

    Raises:
        RequestError: with what is wrong.
    """
    if call_type not in OUTPUT_LIMITS and call_type not in UNITS:
        raise RequestError("This gateway does not offer this kind of call.")
    if not isinstance(body.get("model"), str):
        raise RequestError("`model` must be the name of one model.", "model")
    for name in (*ANSWERS, *OUTPUT_LIMITS.get(call_type, ())):
        value = body.get(name)
        if value is not None and (type(value) is not int or not 0 < value <= MOST_TOKENS):
            raise RequestError(f"`{name}` must be a whole number above 0.", name)
