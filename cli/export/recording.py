"""Runs the Pulumi program without an engine and records what it declares."""

import asyncio
import runpy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from google.protobuf import json_format, struct_pb2
from pulumi import Output
from pulumi.runtime import mocks, run_in_stack, set_all_config, set_mocks
from pulumi.runtime.settings import ROOT

CONTAINER = "docker:index/container:Container"
NETWORK = "docker:index/network:Network"
VOLUME = "docker:index/volume:Volume"

# How the SDK marks a secret on the wire (`pulumi.runtime.rpc`).
MARK, SECRET = "4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"


class Secret(str):
    """A text that the program declared as secret."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret(…)"


Value = Callable[[str, Mapping[str, str]], str]


@dataclass(frozen=True)
class Declared:
    """A resource as the program declared it."""

    urn: str
    type: str
    name: str
    parent: str
    provider: str
    inputs: Mapping[str, Any]
    depends_on: frozenset[str]
    protect: bool
    retain_on_delete: bool
    ignore_changes: tuple[str, ...]
    replace_on_changes: tuple[str, ...]
    hooks: frozenset[str]
    custom: bool


@dataclass
class Recording:
    """All that one run of the program declared.

    Attributes:
        generated: values of secrets, in hexadecimal, by the name of their resource.
    """

    resources: list[Declared] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)
    generated: dict[str, str] = field(default_factory=dict)

    def of_type(self, token: str) -> list[Declared]:
        """The resources of one type, in the order of their names."""
        found = [resource for resource in self.resources if resource.type == token]
        return sorted(found, key=lambda resource: resource.name)


def record(
    stack: str,
    *,
    project: str,
    config: Mapping[str, str],
    secret_keys: list[str],
    value: Value,
    program: Callable[[], object],
) -> Recording:
    """Run the program for `stack` the way `pulumi up` does, and record it.

    Args:
        stack: name of the stack.
        project: name of the Pulumi project.
        config: its config keys (`images`) and their values as Pulumi hands them over: text,
            or JSON for anything else.
        secret_keys: keys of `config` that are secret.
        value: generates a secret, in hexadecimal, for the name of a resource and its keepers.
        program: what declares it, such as `program_file` of a path.

    Raises:
        pulumi.RunError: the program refused its input; the text says why.
    """
    recording = Recording()

    async def run() -> None:
        answers = _Mocks(value, recording)
        monitor = _Monitor(answers, recording)
        set_mocks(answers, project=project, stack=stack, preview=False, monitor=monitor)
        ROOT.set(None)  # the stack that `run_in_stack` makes is the one with outputs
        full = {f"{project}:{key}": value for key, value in config.items()}
        set_all_config(full, [f"{project}:{key}" for key in secret_keys])
        await run_in_stack(lambda: _ended(program))

    # Pulumi keeps its state in context variables: this task's context is a clean run.
    asyncio.run(run())
    return recording


def _ended(program: Callable[[], object]) -> None:
    program()  # Pulumi would take what it returns for outputs


def program_file(path: Path) -> Callable[[], object]:
    """The program in a file, as a module that is not the main one."""
    return lambda: runpy.run_path(str(path), run_name="recorded")


class _Mocks(mocks.Mocks):
    """Answers as the providers would."""

    def __init__(self, value: Value, recording: Recording) -> None:
        self._value, self._recording = value, recording

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], None]:
        raise NotImplementedError(f"the program calls {args.token}, which has no answer here")

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        outputs = dict(args.inputs)
        if args.typ == "random:index/randomBytes:RandomBytes":
            value = self._value(args.name, args.inputs["keepers"])
            self._recording.generated[args.name] = value
            outputs["hex"] = Output.secret(value)
        elif args.typ == "random:index/randomUuid:RandomUuid":
            outputs["result"] = ""  # marks what Pulumi alone follows
        elif args.typ == "docker:index/remoteImage:RemoteImage":
            outputs["imageId"] = args.inputs["name"]
        return args.name, outputs


class _Monitor(mocks.MockMonitor):
    """Keeps what a registration says beyond the inputs: options, and what is secret."""

    def __init__(self, answers: mocks.Mocks, recording: Recording) -> None:
        super().__init__(answers)
        self._recording = recording

    def RegisterResource(self, request: Any) -> Any:
        response = super().RegisterResource(request)
        self._recording.resources.append(
            Declared(
                urn=response.urn,
                type=request.type,
                name=request.name,
                parent=request.parent,
                provider=request.provider,
                inputs=_plain(request.object),
                depends_on=frozenset(request.dependencies),
                protect=request.protect,
                retain_on_delete=request.retainOnDelete,
                ignore_changes=tuple(request.ignoreChanges),
                replace_on_changes=tuple(request.replaceOnChanges),
                hooks=frozenset(name for _, names in request.hooks.ListFields() for name in names),
                custom=request.custom,
            )
        )
        return response

    def RegisterResourceOutputs(self, request: Any) -> Any:
        if "::pulumi:pulumi:Stack::" in request.urn:
            self._recording.outputs.update(_plain(request.outputs))
        return super().RegisterResourceOutputs(request)


def _plain(message: struct_pb2.Struct) -> dict[str, Any]:
    plain: dict[str, Any] = _unwrapped(json_format.MessageToDict(message), secret=False)
    return plain


def _unwrapped(value: Any, *, secret: bool) -> Any:
    if isinstance(value, dict):
        if value.get(MARK) == SECRET:
            return _unwrapped(value["value"], secret=True)
        return {key: _unwrapped(item, secret=secret) for key, item in sorted(value.items())}
    if isinstance(value, list):
        return [_unwrapped(item, secret=secret) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)  # a Struct has no integers
    return Secret(value) if secret and isinstance(value, str) else value
