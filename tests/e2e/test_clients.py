"""The programs that people use with a gateway work as they are, and are on the right bill."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest
from langchain_anthropic import ChatAnthropic
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import SecretStr

from tests.e2e.money import Money, Payer
from tests.e2e.waiting import until

pytestmark = pytest.mark.usefixtures("on_one_way")

HELLO: Any = [{"role": "user", "content": "Hello there"}]
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"file": {"type": "string"}}}
TOOL: Any = {"type": "function", "function": {"name": "open", "parameters": SCHEMA}}
CLAUDES_TOOL: Any = {"name": "open", "input_schema": SCHEMA}


@dataclass(frozen=True)
class Program:
    """A program with a key, and what it speaks with."""

    payer: Payer
    api: str
    key: str

    @property
    def openai(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.api}/v1", api_key=self.key, max_retries=0)

    @property
    def anthropic(self) -> anthropic.Anthropic:
        return anthropic.Anthropic(base_url=self.api, api_key=self.key, max_retries=0)

    def langchain(self, **more: Any) -> ChatOpenAI:
        url, key = f"{self.api}/v1", SecretStr(self.key)
        return ChatOpenAI(model="paid", base_url=url, api_key=key, **more)

    @property
    def langchain_anthropic(self) -> ChatAnthropic:
        return ChatAnthropic(model="claude", base_url=self.api, api_key=SecretStr(self.key))

    @property
    def langchain_embeddings(self) -> OpenAIEmbeddings:
        url, key = f"{self.api}/v1", SecretStr(self.key)
        return OpenAIEmbeddings(
            model="embed",
            openai_api_base=url,
            openai_api_key=key,
            check_embedding_ctx_length=False,
        )


@pytest.fixture
def program(money: Money) -> Program:
    payer = money.program("reports", "reports@example.com")
    return Program(
        payer, money.running.api, money.running.deployer.outputs()["litellm_key_reports"]
    )


def streamed_chat(program: Program) -> str:
    stream = program.openai.chat.completions.create(
        model="paid", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    return "".join(c.choices[0].delta.content or "" for c in stream if c.choices)


def streamed_response(program: Program) -> str:
    stream = program.openai.responses.create(model="paid", input="Hello there", stream=True)
    return "".join(event.delta for event in stream if event.type == "response.output_text.delta")


def streamed_message(program: Program) -> str:
    with program.anthropic.messages.stream(
        model="claude", max_tokens=50, messages=HELLO, tools=[CLAUDES_TOOL]
    ) as stream:
        return "".join(stream.text_stream)


def message(program: Program, **more: Any) -> str:
    answer = program.anthropic.messages.create(
        model="claude", max_tokens=50, messages=HELLO, **more
    )
    return str(getattr(answer.content[0], "text", answer.content))


def chat(program: Program, **more: Any) -> str:
    answer = program.openai.chat.completions.create(**{"model": "paid", "messages": HELLO} | more)
    return str(answer.choices[0].message.content)


PIXEL = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
SEEN: Any = [
    {
        "role": "user",
        "content": [
            {"type": "text", "text": "What is it?"},
            {"type": "image_url", "image_url": {"url": PIXEL, "detail": "low"}},
        ],
    }
]
CALLS: dict[str, Callable[[Program], str]] = {
    "OpenAI chat": chat,
    "OpenAI chat with a tool": lambda p: chat(p, tools=[TOOL], tool_choice="auto"),
    "OpenAI chat in a form": lambda p: chat(p, response_format={"type": "json_object"}),
    "OpenAI chat with an image": lambda p: chat(p, messages=SEEN),
    "OpenAI chat, streamed": streamed_chat,
    "OpenAI response": lambda p: p.openai.responses.create(
        model="paid", input="Hello there", store=False, include=["reasoning.encrypted_content"]
    ).output_text,
    "OpenAI response, streamed": streamed_response,
    "OpenAI completion": lambda p: p.openai.completions.create(
        model="paid", prompt="Hello there", max_tokens=20
    ).choices[0].text,
    "Anthropic message": message,
    "Anthropic message with a tool": lambda p: message(p, tools=[CLAUDES_TOOL]),
    "Anthropic message with a cache": lambda p: message(
        p, system=[{"type": "text", "text": "Be kind.", "cache_control": {"type": "ephemeral"}}]
    ),
    "Anthropic message, streamed": streamed_message,
    "LangChain OpenAI": lambda p: str(p.langchain().invoke("Hello there").content),
    "LangChain OpenAI, streamed": lambda p: "".join(
        str(chunk.content) for chunk in p.langchain().stream("Hello there")
    ),
    "LangChain OpenAI with a tool": lambda p: str(
        p.langchain().bind_tools([TOOL]).invoke("Hello there").content
    ),
    "LangChain OpenAI, responses": lambda p: str(
        p.langchain(use_responses_api=True).invoke("Hello there").text
    ),
    "LangChain Anthropic": lambda p: str(p.langchain_anthropic.invoke("Hello there").content),
    "LangChain Anthropic, streamed": lambda p: "".join(
        str(chunk.text) for chunk in p.langchain_anthropic.stream("Hello there")
    ),
}  # fmt: skip


@pytest.mark.parametrize("call", CALLS)
def test_a_usual_call_is_answered_and_billed_once(
    money: Money, program: Program, call: str
) -> None:
    before = len(program.payer.events())
    assert CALLS[call](program).startswith("answer from ")
    [event] = program.payer.events_after(before + 1)[before:]
    assert event.cost > 0
    assert len(money.counted("paid")) + len(money.counted("claude")) == 1


@pytest.mark.parametrize("embed", [
    lambda p: p.openai.embeddings.create(model="embed", input=["a", "b"]).data[1].embedding,
    lambda p: p.langchain_embeddings.embed_documents(["a", "b"])[1],
], ids=["OpenAI", "LangChain"])  # fmt: skip
def test_texts_are_embedded(program: Program, embed: Callable[[Program], list[float]]) -> None:
    before = len(program.payer.events())
    assert len(embed(program)) == 32
    program.payer.events_after(before + 1)


def test_what_costs_nothing_is_answered(money: Money, program: Program) -> None:
    before = len(program.payer.events())
    counted = program.anthropic.messages.count_tokens(
        model="claude", messages=HELLO, tools=[CLAUDES_TOOL], system="Be kind."
    )
    assert 10 < counted.input_tokens < 2000
    assert program.openai.models.retrieve("claude").id == "claude"
    assert "paid" in [model.id for model in program.openai.models.list()]
    head = program.payer.gateway.head("/")
    assert head.status_code < 400
    assert program.payer.events_after(before)[before:] == []
    assert money.counted("claude") == []


def test_a_model_of_others_is_neither_shown_nor_counted(money: Money) -> None:
    narrow = money.program("narrow", "narrow@example.com").gateway
    assert narrow.get("/v1/models/claude").status_code == 200
    assert narrow.get("/v1/models/paid").status_code == 404
    body = {"model": "paid", "messages": HELLO}
    assert narrow.post("/v1/messages/count_tokens", json=body).status_code == 403
    body = {"model": "nobody's", "messages": HELLO}
    program = money.program("reports", "reports@example.com").gateway
    assert program.post("/v1/messages/count_tokens", json=body).status_code == 404


def test_nobody_reads_or_continues_the_answer_of_another(money: Money, program: Program) -> None:
    kept = program.openai.responses.create(model="paid", input="Hello there").id
    narrow = money.program("narrow", "narrow@example.com").gateway
    for name in (kept, "resp_1"):
        path = f"/v1/responses/{name}"
        for method, more in (
            ("GET", ""),
            ("GET", "/input_items"),
            ("DELETE", ""),
            ("POST", "/cancel"),
        ):
            refused = narrow.request(method, f"{path}{more}")
            assert refused.status_code == 403, refused.text
            assert "general_settings" not in refused.text
        body = {"model": "claude", "input": "And then?", "previous_response_id": name}
        assert narrow.post("/v1/responses", json=body).status_code in (402, 403)
    assert money.person().gateway.get(f"/v1/responses/{kept}").status_code == 403


def test_each_sdk_reads_a_refusal_as_its_own(program: Program) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        program.openai.chat.completions.create(model="paid", messages=[])
    assert "`messages` must not be missing or empty." in refused.value.message
    with pytest.raises(anthropic.BadRequestError, match="`system` must be a text"):
        message(program, system=5)
    with pytest.raises(anthropic.BadRequestError, match="`inference_geo` cannot be set"):
        message(program, extra_body={"inference_geo": "eu"})
    with pytest.raises(anthropic.AuthenticationError, match="key is missing or not valid"):
        message(Program(program.payer, program.api, "sk-wrong"))
    program.payer.budget("0")
    try:
        until(lambda: "billing_error" in _error(program), seconds=40)
    finally:
        program.payer.budget("1000")


def _error(program: Program) -> str:
    try:
        return message(program)
    except anthropic.APIStatusError as error:
        return f"{error.status_code} {error.body}"


# --- Agents

CODEX = """\
model = "paid"
model_provider = "gateway"
web_search = "disabled"
[model_providers.gateway]
name = "Gateway"
base_url = "{api}/v1"
env_key = "GATEWAY_KEY"
wire_api = "responses"
"""


@dataclass(frozen=True, kw_only=True)
class Agent:
    """A coding agent from npm, and how it is told of a gateway.

    Attributes:
        tool: its own, that runs a command, and the name of the argument.
        files: in the folder that it works in, by name.
    """

    package: str
    command: tuple[str, ...]
    model: str
    tool: tuple[str, str]
    environment: dict[str, str]
    files: dict[str, str]

    def run(self, program: Program, folder: Path) -> None:
        def filled(text: str) -> str:
            return text.replace("{api}", program.api).replace("{key}", program.key)

        for name, text in self.files.items():
            (folder / name).write_text(filled(text), encoding="utf-8")
        environment = {name: filled(value) for name, value in self.environment.items()}
        home = folder / "home"
        home.mkdir()
        path = f"{folder}/node_modules/.bin:{os.environ['PATH']}"
        install = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(folder)]
        subprocess.run([*install, self.package], check=True, capture_output=True, timeout=300)
        program_path = folder / "node_modules" / ".bin" / self.command[0]
        done = subprocess.run(
            [program_path, *self.command[1:]],
            cwd=folder,
            env={"PATH": path, "HOME": str(home), **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"answer from {self.model}" in done.stdout


AGENTS = {
    "Codex": Agent(
        package="@openai/codex@0.169.0",
        command=(
            *("codex", "exec", "--skip-git-repo-check"),
            *("--dangerously-bypass-approvals-and-sandbox", "Write"),
        ),
        model="paid",
        tool=("exec_command", "cmd"),
        environment={"CODEX_HOME": ".", "GATEWAY_KEY": "{key}"},
        files={"config.toml": CODEX},
    ),
    "Claude Code": Agent(
        package="@anthropic-ai/claude-code@2.1.332",
        command=("claude", "-p", "Write", "--allowedTools", "Bash"),
        model="claude",
        tool=("Bash", "command"),
        environment={
            "ANTHROPIC_BASE_URL": "{api}",
            "ANTHROPIC_AUTH_TOKEN": "{key}",
            "ANTHROPIC_MODEL": "claude",
            "ANTHROPIC_DEFAULT_HAIKU_MODEL": "claude",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
        },
        files={},
    ),
    "opencode": Agent(
        package="opencode-ai@1.18.33",
        command=("opencode", "run", "Write"),
        model="paid",
        tool=("bash", "command"),
        environment={"GATEWAY_KEY": "{key}", "OPENCODE_DISABLE_MODELS_FETCH": "1"},
        files={
            "opencode.json": json.dumps(
                {
                    "model": "gateway/paid",
                    "small_model": "gateway/paid",
                    "autoupdate": False,
                    "permission": {"bash": "allow"},
                    "provider": {
                        "gateway": {
                            "npm": "@ai-sdk/openai-compatible",
                            "options": {"baseURL": "{api}/v1", "apiKey": "{key}"},
                            "models": {"paid": {}},
                        }
                    },
                }
            )
        },
    ),
}


@pytest.mark.all_only
@pytest.mark.skipif(shutil.which("npm") is None, reason="there is no npm")
@pytest.mark.parametrize("name", AGENTS)
def test_an_agent_runs_a_command_and_pays_for_its_turns(
    money: Money, program: Program, tmp_path: Path, name: str
) -> None:
    agent = AGENTS[name]
    tool, argument = agent.tool
    deployment = money.providers.deployment(agent.model)
    arguments = {argument: "echo tides > written", "description": "Write"}
    deployment.set(tool_call={"name": tool, "arguments": arguments})
    before = len(program.payer.events())
    agent.run(program, tmp_path)
    assert (tmp_path / "written").read_text(encoding="utf-8") == "tides\n"
    calls = len(deployment.calls())
    assert calls >= 2
    events = program.payer.events_after(before + calls)[before:]
    assert {(event.status, event.cost > 0) for event in events} == {("success", True)}
