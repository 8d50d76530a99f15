"""LiteLLM's own database is off unless the tenant's file asks for it, with any image."""

from pathlib import Path

import pytest
from pulumi import RunError

from cli.export.recording import CONTAINER, Declared
from components.services.litellm_config import litellm_config
from schema.diagnostics import InvalidFileError
from tests.unit.conftest import ACME, load_acme, run_acme

ON = "  database: true\n"
URL, SALT = "/run/secrets/env/DATABASE_URL", "/run/secrets/env/LITELLM_SALT_KEY"


def gateway(more: str = "", **config: str) -> Declared:
    recording = run_acme(more, **config)
    [found] = [each for each in recording.of_type(CONTAINER) if each.name == "acme-litellm"]
    return found


def uploads(container: Declared) -> dict[str, str]:
    return {upload["file"]: upload["content"] for upload in container.inputs["uploads"]}


def test_both_kinds_of_images_run_without_it() -> None:
    official, built = gateway(images="official"), gateway(images="built")
    for container in (official, built):
        assert not {URL, SALT} & set(uploads(container))
        assert container.inputs["memory"] == 1024
    assert official.inputs["command"] == built.inputs["command"]
    assert uploads(official) == uploads(built)


def test_the_file_turns_it_on() -> None:
    container = gateway(ON, images="official")
    assert uploads(container)[URL].startswith("postgresql://litellm:")
    assert uploads(container)[SALT]
    assert container.inputs["memory"] == 4096


def test_what_it_keeps_is_deleted_and_no_failure_is_kept(tmp_path: Path) -> None:
    settings = litellm_config(load_acme(tmp_path, ACME + ON))["general_settings"]
    assert settings["maximum_spend_logs_retention_period"] == "30d"
    assert settings["disable_error_logs"] is True
    assert (
        "maximum_spend_logs_retention_period"
        not in (litellm_config(load_acme(tmp_path, ACME))["general_settings"])
    )


def test_an_image_without_it_is_refused_in_words() -> None:
    with pytest.raises(RunError, match=r"acme.yaml: litellm.database: .* Prisma's query engine"):
        gateway(ON, images="built")


@pytest.mark.parametrize(("memory", "allowed"), [
    ("", 4096), ("  memory_mb: 4096\n", 4096), ("  memory_mb: 8192\n", 8192),
])  # fmt: skip
def test_it_has_the_memory_that_it_needs(tmp_path: Path, memory: str, allowed: int) -> None:
    assert load_acme(tmp_path, ACME + memory + ON).litellm.memory_mb == allowed


def test_less_memory_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidFileError) as refused:
        load_acme(tmp_path, f"{ACME}  memory_mb: 2048\n{ON}")
    assert str(refused.value).endswith(
        "acme.yaml:7: litellm.memory_mb = 2048: at least 4096, which LiteLLM asks for with a"
        " database"
    )
