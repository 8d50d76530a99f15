"""What LiteLLM knows of requests is what the gateway knows: a new version says what is new."""

import json
from typing import Any

import pytest
from docker import DockerClient

from gateway.request_policy import PASSED, UNKEYED
from images.catalog import load_catalog

SCRIPT = """
import json
from litellm.litellm_core_utils.model_param_helper import ModelParamHelper as known
from litellm.types.utils import all_litellm_params
print(json.dumps({
    "/v1/chat/completions": sorted(known._get_litellm_supported_chat_completion_kwargs()),
    "/v1/completions": sorted(known._get_litellm_supported_text_completion_kwargs()),
    "/v1/embeddings": sorted(known._get_litellm_supported_embedding_kwargs()),
    "/v1/audio/transcriptions": sorted(known._get_litellm_supported_transcription_kwargs()),
    "/v1/responses": sorted(known._get_litellm_supported_responses_api_kwargs()),
    "/v1/messages": sorted(known._get_litellm_supported_anthropic_messages_kwargs()),
    "key": sorted(known.get_all_llm_api_params()),
    "own": sorted(all_litellm_params),
}))
"""

NOT_PASSED = {
    "/v1/chat/completions": {"moderation", "prompt_cache_options"},
    "/v1/completions": set(),
    "/v1/embeddings": set(),
    "/v1/audio/transcriptions": {
        *("chunking_strategy", "include", "keywords", "languages", "stream"),
        *("known_speaker_names", "known_speaker_references"),
    },
    "/v1/responses": {
        *("access_programs", "background", "background_options", "conversation", "image"),
        *("moderation", "prompt", "prompt_cache_options"),
    },
    "/v1/messages": {
        *("compaction", "container", "inference_geo", "litellm_metadata", "mcp_servers"),
        *("safeguards", "speed"),
    },
}
"""What LiteLLM would take, and the gateway refuses or drops: see `gateway.request_policy`."""

# These are never kept in LiteLLM's cache.
UNCACHED = ("/v1/images/generations", "/v1/audio/speech", "/v1/messages/count_tokens")


@pytest.fixture(scope="module")
def litellms(engine: DockerClient) -> dict[str, Any]:
    printed = engine.containers.run(
        load_catalog("built").running["litellm"].reference,
        ["python3", "-c", SCRIPT],
        environment={"LITELLM_LOCAL_MODEL_COST_MAP": "True"},
        stderr=False,
        remove=True,
    )
    return dict(json.loads(printed.splitlines()[-1]))


@pytest.mark.parametrize("route", NOT_PASSED)
def test_every_parameter_of_litellm_is_passed_on_or_known(
    litellms: dict[str, Any], route: str
) -> None:
    assert {*litellms[route]} - PASSED[route] == NOT_PASSED[route]


def test_none_of_litellms_own_orders_is_passed_on(litellms: dict[str, Any]) -> None:
    passed = {name for names in PASSED.values() for name in names}
    assert passed & {*litellms["own"]} == {"cache", "metadata"}  # whose values are checked


def test_what_is_not_in_the_key_of_the_cache_is_known(litellms: dict[str, Any]) -> None:
    passed = {name for route, names in PASSED.items() if route not in UNCACHED for name in names}
    assert passed - {*litellms["key"]} - {"cache", "metadata"} == UNKEYED
