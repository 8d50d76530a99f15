"""What callers are told: the provider's words about their request, and nothing of LiteLLM's."""

import json

import pytest

from gateway.failure import Failure, body_of, error_body, plain

NO_FALLBACK = (
    "\n\nLiteLLM: model group 'gpt' failed with the error above. No fallback was attempted."
)
RECEIVED = (
    ". Received Model Group=gpt\nAvailable Model Group Fallbacks=None LiteLLM Retried: 2 times"
)
TRACEBACK = '\n\nTraceback (most recent call last):\n  File "/app/litellm/main.py", line 1\n    x'


def openai(message: str, kind: str | None = None, code: int = 500) -> object:
    return {"error": {"message": message, "type": kind, "param": None, "code": str(code)}}


@pytest.mark.parametrize(("status", "text", "told"), [
    # the provider's words about the request
    (400, "litellm.BadRequestError: OpenAIException - Too many images" + NO_FALLBACK,
     (400, "Too many images")),
    (400, "litellm.ContextWindowExceededError: litellm.BadRequestError: ContextWindowExceededError:"
     " OpenAIException - The prompt is too long" + RECEIVED, (400, "The prompt is too long")),
    (429, "litellm.RateLimitError: RateLimitError: OpenAIException - Slow down" + RECEIVED,
     (429, "Slow down")),
    (400, 'litellm.BadRequestError: AnthropicException - {"type":"error","error":{"type":'
     '"invalid_request_error","message":"max_tokens: {must} be set"}}' + NO_FALLBACK,
     (400, "max_tokens: {must} be set")),
    (404, "litellm.NotFoundError: OpenAIException - The model does not exist" + RECEIVED,
     (404, "The model does not exist")),
    (400, "litellm.BadRequestError: GeminiException BadRequestError - b'not JSON {'",
     (400, "GeminiException BadRequestError - b'not JSON {'")),
    # trouble of the operator's
    (401, "litellm.AuthenticationError: AuthenticationError: OpenAIException - Incorrect API key"
     " provided: sk-12***89" + RECEIVED,
     (502, "The provider of the model `gpt` (OpenAI) does not accept this gateway's key, or its"
      " account. Ask your administrator.")),
    (402, "litellm.APIError: APIError: DeepseekException - Insufficient Balance",
     (502, "The provider (Deepseek) does not accept this gateway's key, or its account. Ask your"
      " administrator.")),
    (500, "litellm.InternalServerError: InternalServerError: OpenAIException - Connection error."
     + RECEIVED, (502, "The provider of the model `gpt` (OpenAI) cannot be reached. Try again"
                  " later.")),
    (500, "litellm.APIConnectionError: OpenAIException - Cannot connect to host 10.0.0.7:8000",
     (502, "The provider (OpenAI) cannot be reached. Try again later.")),
    (408, "litellm.Timeout: APITimeoutError - Request timed out after 3.0 seconds" + RECEIVED,
     (504, "The provider of the model `gpt` did not answer in time. Try again later.")),
    (500, "litellm.InternalServerError: AnthropicException - something at 10.0.0.7" + TRACEBACK,
     (500, "The provider (Anthropic) failed. Try again later.")),
    (503, "litellm.ServiceUnavailableError: OpenAIException - Overloaded",
     (503, "The provider (OpenAI) failed. Try again later.")),
    (429, "litellm.types.router.RouterRateLimitError: No deployments available for selected model,"
     " Try again in 30 seconds. Passed model=gpt. cooldown_list=['gpt/1']",
     (429, "No provider of the model `gpt` can be asked at the moment: they failed, or are at their"
      " limit. Try again in a moment.")),
    # LiteLLM's own
    (400, "Invalid request format: litellm.APIConnectionError: APIConnectionError: OpenAIException"
     " - 'str' object has no attribute 'get'" + NO_FALLBACK, (400, "The request is malformed.")),
    (500, "'NoneType' object is not iterable" + TRACEBACK,
     (500, "The gateway could not answer this request. Try again later.")),
    (400, "Something about the body" + TRACEBACK, (400, "Something about the body")),
    (400, "", (400, "The request was refused.")),
])  # fmt: skip
def test_a_failure_is_told_in_a_sentence(status: int, text: str, told: tuple[int, str]) -> None:
    failure = plain(status, openai(text, code=status))
    assert (failure.status, failure.message) == told


@pytest.mark.parametrize(("status", "kind"), [
    (402, "budget_exceeded"), (429, "budget_reserved"), (503, "budget_unknown"),
])  # fmt: skip
def test_a_refusal_of_our_own_stays_as_it_is(status: int, kind: str) -> None:
    failure = plain(status, openai("Your budget is used up.", kind, status))
    assert failure == Failure(status=status, message="Your budget is used up.", kind=kind)


@pytest.mark.parametrize(("content", "message"), [
    ({"detail": "Not Found"}, "Not Found"),
    ({"detail": [{"msg": "Field required"}, {"msg": "Wrong"}]}, "Field required; Wrong"),
    ({"detail": ["Wrong", {"msg": "Field required"}]}, "Wrong; Field required"),
    (openai('litellm.BadRequestError: OpenAIException - {"detail": ["Wrong"]}'), "Wrong"),
    ({"detail": {"error": "No such thing"}}, "No such thing"),
    ({"type": "error", "error": {"type": "x", "message": "As Anthropic says it"}},
     "As Anthropic says it"),
    ({"error": {"error": {"message": "Deep"}}}, "Deep"),
    ("a text", "a text"),
    ([], "The request was refused."),
    ({}, "The request was refused."),
])  # fmt: skip
def test_every_form_of_an_error_is_read(content: object, message: str) -> None:
    assert plain(404, content).message == message


def test_the_form_is_that_of_the_api() -> None:
    failure = Failure(status=402, message="Your budget is used up.", kind="budget_exceeded")
    assert json.loads(body_of(failure, "/v1/chat/completions")) == {
        "error": {
            "message": "Your budget is used up.",
            "type": "budget_exceeded",
            "param": None,
            "code": "402",
        }
    }
    for path in ("/v1/messages", "/messages", "/v1/messages/count_tokens"):
        assert json.loads(body_of(failure, path)) == {
            "type": "error",
            "error": {"type": "billing_error", "message": "Your budget is used up."},
        }


@pytest.mark.parametrize(("status", "kind"), [
    (400, "invalid_request_error"), (401, "authentication_error"), (403, "permission_error"),
    (404, "not_found_error"), (408, "invalid_request_error"), (413, "request_too_large"),
    (415, "invalid_request_error"), (429, "rate_limit_error"), (500, "api_error"),
    (502, "api_error"), (503, "overloaded_error"),
])  # fmt: skip
def test_anthropics_kinds_of_errors(status: int, kind: str) -> None:
    body = json.loads(error_body({"path": "/v1/messages"}, status, "No."))
    assert body["error"]["type"] == kind
