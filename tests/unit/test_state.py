"""Secrets go from Pulumi's state to an export and back, without a change."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli.environment import CORE, ROOT
from cli.export.export import carry_back, export
from cli.export.state import RANDOM, StateError, values_of

KEYS = {"billingKey": "key", "loginSecret": "secret"}
NEW = json.dumps({"version": 3, "deployment": {"manifest": {}, "secrets_providers": {"type": "x"}}})


def exported(folder: Path, root: Path, state: str = "") -> dict[str, Any]:
    keys = KEYS if root == ROOT else {}
    export("demo", root=root, folder=folder, settings={}, keys=keys, state=state)
    values: dict[str, Any] = json.loads((folder / "secrets.json").read_text(encoding="utf-8"))
    return values


def carried_back(folder: Path, root: Path, state: str = NEW) -> str:
    keys = KEYS if root == ROOT else {}
    return carry_back("demo", root=root, folder=folder, keys=keys, state=state)


@pytest.mark.parametrize("root", [ROOT, CORE], ids=["tenant", "core"])
def test_there_and_back_again(tmp_path: Path, root: Path) -> None:
    values = exported(tmp_path / "first", root)
    state = carried_back(tmp_path / "first", root)
    # An export shows no diff, and so has no fingerprints.
    assert values_of(state).items() >= values.items()
    assert exported(tmp_path / "second", root, state) == values
    outputs = [(tmp_path / name / "outputs.json").read_bytes() for name in ("first", "second")]
    assert outputs[0] == outputs[1]


def test_without_an_export_all_secrets_are_new() -> None:
    first, second = (
        values_of(carry_back("demo", root=ROOT, folder=None, keys=KEYS, state=NEW))
        for _ in range(2)
    )
    assert first.keys() == second.keys()
    assert not {value["hex"] for value in first.values()} & {
        value["hex"] for value in second.values()
    }


def test_the_state_has_all_that_keeps_secrets_and_data_and_nothing_else(tmp_path: Path) -> None:
    exported(tmp_path, ROOT)
    filled = json.loads(carried_back(tmp_path, ROOT))["deployment"]
    assert filled["secrets_providers"] == {"type": "x"}
    resources = {resource["urn"]: resource for resource in filled["resources"]}
    assert len(resources) == len(filled["resources"])
    before: set[str] = set()
    for urn, resource in resources.items():
        assert resource.get("parent") in {*before, None}, urn
        before.add(urn)
    custom = [resource for resource in resources.values() if resource["custom"]]
    kinds = {resource["type"].rpartition(":")[2] for resource in custom}
    assert kinds == {"random", "docker", "RandomBytes", "Volume"}
    volumes = {each["id"]: each for each in custom if each["type"].endswith(":Volume")}
    assert sorted(volumes) == ["demo-openwebui", "demo-postgres", "demo-redis"]
    assert all(each["protect"] and each["retainOnDelete"] for each in volumes.values())
    secrets = "cloudfreedom:tenant:TenantStack$cloudfreedom:docker:Secrets"
    salt = f"urn:pulumi:demo::cloudfreedom::{secrets}${RANDOM}::demo-litellm-salt"
    assert resources[salt]["protect"]


@pytest.mark.parametrize(("state", "words"), [
    ("", "not what `pulumi stack export` prints"),
    ("[]", "not what `pulumi stack export` prints"),
    (NEW, "has no generated secret"),
    (json.dumps({"deployment": {"resources": [
        {"type": RANDOM, "urn": "a::b", "inputs": {"keepers": {}}, "outputs": {"hex": {
            "4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270",
            "ciphertext": "v1:x"}}}]}}), "encrypted: `pulumi stack export --show-secrets`"),
])  # fmt: skip
def test_a_state_that_gives_no_secret_is_refused(state: str, words: str) -> None:
    with pytest.raises(StateError, match=words):
        values_of(state)


def test_a_stack_that_is_in_use_is_left_alone(tmp_path: Path) -> None:
    exported(tmp_path, ROOT)
    state = carried_back(tmp_path, ROOT)
    with pytest.raises(StateError, match="the stack demo is not empty"):
        carried_back(tmp_path, ROOT, state)
