"""Carries the secrets of a stack from Pulumi's state to an export, and back."""

import base64
import json
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any
from uuid import uuid4

from cli.export.recording import MARK, SECRET, VOLUME, Declared, Recording
from schema.errors import UserError

RANDOM = "random:index/randomBytes:RandomBytes"
_STACK = "pulumi:pulumi:Stack"
_DOCKER = "pulumi:providers:docker"

Json = dict[str, Any]


class StateError(UserError):
    """A state cannot be used; the text says why, and what is needed instead."""


def values_of(text: str) -> dict[str, Json]:
    """The generated secrets in what `pulumi stack export --show-secrets` printed, by name.

    Raises:
        StateError: it is something else.
    """
    values = {
        str(resource["urn"]).rpartition("::")[2]: {
            "keepers": resource["inputs"]["keepers"],
            "hex": _plain(resource["outputs"]["hex"]),
        }
        for resource in _deployment(text).get("resources", [])
        if resource["type"] == RANDOM
    }
    if not values:
        raise StateError("the state has no generated secret: is it the right stack's, and up?")
    return values


def filled(text: str, recording: Recording, *, stack: str, project: str) -> str:
    """An empty stack's state with the secrets and volumes of an exported one in it.

    Args:
        text: what `pulumi stack export` printed of the new stack.
        recording: what the program declares.
        stack: name of the stack.
        project: name of the Pulumi project.

    Raises:
        StateError: the stack is not empty.
    """
    deployment = _deployment(text)
    if deployment.get("resources"):
        raise StateError(f"the stack {stack} is not empty: take a new one (`pulumi stack init`)")
    deployment["resources"] = list(_Resources(recording, f"urn:pulumi:{stack}::{project}").all())
    return json.dumps({"version": 3, "deployment": deployment})


def _deployment(text: str) -> Json:
    try:
        deployment = json.loads(text)["deployment"]
    except (ValueError, KeyError, TypeError):
        deployment = None
    if not isinstance(deployment, dict):
        raise StateError("this is not what `pulumi stack export` prints")
    return deployment


def _plain(value: Any) -> str:
    if isinstance(value, dict) and "plaintext" in value:
        return str(json.loads(value["plaintext"]))
    raise StateError("its secrets are encrypted: `pulumi stack export --show-secrets`")


def _secret(value: str) -> Json:
    return {MARK: SECRET, "plaintext": json.dumps(value)}


class _Resources:
    """Resources of a state: what keeps secrets and data, and what they are inside of.

    All the rest, such as containers, is made by the next `up`.
    """

    def __init__(self, recording: Recording, prefix: str) -> None:
        self._declared = {resource.urn: resource for resource in recording.resources}
        self._generated, self._prefix = recording.generated, prefix
        self._random = f"{self._prefix}::pulumi:providers:random::{_default('pulumi-random')}"
        self._ids = {self._random: str(uuid4())}

    def all(self) -> Iterator[Json]:
        """All of them, each after what it is inside of."""
        number = version("pulumi-random")
        yield {
            **_custom(self._random, "pulumi:providers:random", self._ids[self._random]),
            "inputs": {"version": number},
            "outputs": {"version": number},
        }
        for resource in self._declared.values():
            if not resource.custom:
                yield self._about(resource) | {"custom": False}
            elif resource.type == _DOCKER:
                yield self._docker(resource)
            elif resource.type == RANDOM:
                yield self._bytes(resource)
            elif resource.type == VOLUME:
                yield self._volume(resource)

    def _docker(self, resource: Declared) -> Json:
        about = self._about(resource)
        self._ids[about["urn"]] = str(uuid4())
        settings = {**resource.inputs, "version": version("pulumi-docker")}
        return about | {
            **_custom(about["urn"], resource.type, self._ids[about["urn"]]),
            "inputs": settings,
            "outputs": settings,
        }

    def _bytes(self, resource: Declared) -> Json:
        about, value = self._about(resource), bytes.fromhex(self._generated[resource.name])
        encoded = base64.b64encode(value).decode()
        return about | {
            **_custom(about["urn"], resource.type, encoded),
            "inputs": dict(resource.inputs),
            "outputs": {
                **resource.inputs,
                "hex": _secret(value.hex()),
                "base64": _secret(encoded),
            },
            "provider": f"{self._random}::{self._ids[self._random]}",
            "protect": resource.protect,
        }

    def _volume(self, resource: Declared) -> Json:
        about, name = self._about(resource), resource.inputs["name"]
        [provider] = [urn for urn in self._ids if urn != self._random]
        return about | {
            **_custom(about["urn"], resource.type, name),
            "inputs": dict(resource.inputs),
            "outputs": {**resource.inputs, "id": name, "driver": "local"},
            "provider": f"{provider}::{self._ids[provider]}",
            "protect": resource.protect,
            "retainOnDelete": resource.retain_on_delete,
        }

    def _about(self, resource: Declared) -> Json:
        about = {"urn": self._urn(resource), "type": resource.type}
        parent = self._declared.get(resource.parent)
        return about | ({"parent": self._urn(parent)} if parent else {})

    def _urn(self, resource: Declared) -> str:
        return f"{self._prefix}::{'$'.join(self._types(resource))}::{resource.name}"

    def _types(self, resource: Declared) -> Iterator[str]:
        parent = self._declared.get(resource.parent)
        if parent and parent.type != _STACK:
            yield from self._types(parent)
        yield resource.type


def _custom(urn: str, kind: str, identity: str) -> Json:
    return {"urn": urn, "type": kind, "custom": True, "id": identity}


def _default(package: str) -> str:
    """Name of the provider that Pulumi makes where a program names none."""
    return f"default_{version(package).replace('.', '_')}"
