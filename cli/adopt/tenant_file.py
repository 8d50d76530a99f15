"""The tenant's file and the keys that a deployment of the template becomes."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from cli.adopt.template import Template
from cli.yaml_io import read_yaml
from schema.diagnostics import in_words
from tenants.litellm import Model
from tenants.prices import priced_models

Json = dict[str, Any]

_VARIABLE = "os.environ/"
# The names that LiteLLM's documentation uses.
_KEY_NAMES = {
    "OPENAI_API_KEY": "openai",
    "ANTHROPIC_API_KEY": "anthropic",
    "GOOGLE_API_KEY": "gemini",
    "GEMINI_API_KEY": "gemini",
}
_PROVIDERS = ("openai", "anthropic", "gemini")
_TAKEN = {"rpm": "requests_per_minute", "tpm": "tokens_per_minute", "weight": "weight"}
_YES = ("true", "1", "yes", "on")


@dataclass(kw_only=True)
class Adopted:
    """All that is taken over of a template's files.

    Attributes:
        file: the tenant's.
        keys: that others gave, by their place in the stack's config.
        remarks: a line for each thing that is not taken over, or is otherwise now.
    """

    file: Json
    keys: dict[str, str] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


def adopt_files(template: Template) -> Adopted:
    """Make a tenant's file of a deployment of the template.

    Raises:
        UserError: LiteLLM's configuration cannot be read.
    """
    variables = template.variables
    found = Adopted(
        file={
            "slug": template.slug,
            "name": variables["TENANT_NAME"] or template.slug,
            "openwebui": {
                "port": _port(variables["OPENWEBUI_PORT"]),
                "signup": variables["ENABLE_SIGNUP"].lower() in _YES,
            },
            "litellm": {"port": _port(variables["LITELLM_PORT"])},
        }
    )
    _add_models(found, template)
    _add_billing(found, variables)
    if variables["POCKETBASE_URL"]:
        found.remarks.append(
            "POCKETBASE_URL: people log in with the chat's own passwords; for logins from"
            " PocketBase join a core and add `login` (docs/login.md)"
        )
    if variables["LITELLM_MASTER_KEY"]:
        found.remarks.append(
            "LITELLM_MASTER_KEY: the tenant makes a key of its own; give each program one, by"
            " `litellm.keys`"
        )
    return found


def _port(text: str) -> int | str:
    """A number, or the text for the check of the file to complain about."""
    return int(text) if text.isdecimal() else text


def _add_billing(found: Adopted, variables: Mapping[str, str]) -> None:
    if variables["BILLING_API_URL"]:
        found.file["billing"] = {"url": variables["BILLING_API_URL"]}
        if variables["BILLING_API_KEY"]:
            found.keys["billingKey"] = variables["BILLING_API_KEY"]


def _add_models(found: Adopted, template: Template) -> None:
    path = template.litellm_config
    if path is None:
        found.remarks.append("litellm: no configuration is mounted, so no model is taken over")
        return
    config = read_yaml(path)
    values = template.environment("litellm") | {
        name: value for name, value in template.variables.items() if value
    }
    models: dict[str, list[Json]] = {}
    for number, entry in enumerate(config.pop("model_list", None) or []):
        if not isinstance(entry, dict) or not isinstance(entry.get("litellm_params"), dict):
            found.remarks.append(f"{path.name}: model_list.{number}: left out: is no model")
            continue
        name, params = str(entry.get("model_name")), dict(entry["litellm_params"])
        deployment = _deployment(found, params, values, f"{name}, deployment {number + 1}")
        try:
            Model.model_validate({"name": name, "deployments": [deployment]})
        except ValidationError as error:
            said = "; ".join(in_words(each) for each in error.errors(include_url=False))
            found.remarks.append(f"model {name}: left out: {said}")
            continue
        models.setdefault(name, []).append(deployment)
    if models:
        found.file["litellm"]["models"] = [
            {"name": name, "deployments": deployments} for name, deployments in models.items()
        ]
    used = {each.get("key") or each["model"].partition("/")[0] for each in _all(models)}
    found.keys = {
        place: key for place, key in found.keys.items() if place.rpartition(".")[2] in used
    }
    found.remarks += [
        f"{path.name}: {section}.{key} is not taken over"
        for section, settings in config.items()
        for key in (settings if isinstance(settings, dict) else {"": None})
    ]


def _all(models: Mapping[str, list[Json]]) -> Iterator[Json]:
    for deployments in models.values():
        yield from deployments


def _deployment(found: Adopted, params: Json, values: Mapping[str, str], where: str) -> Json:
    """A deployment of the tenant's file; its key goes to the others."""
    model = _with_provider(str(params.pop("model", "")))
    deployment: Json = {"model": model}
    if base := _value(params.pop("api_base", None), values):
        deployment["api_base"] = base
    given = str(params.pop("api_key", "") or "")
    provider = model.partition("/")[0]
    key = _value(given, values)
    if key:
        name = _free(found.keys, _key_name(given, provider), key)
        if name != provider:
            deployment["key"] = name
        found.keys[f"providerKeys.{name}"] = key
    elif base:
        deployment["key"] = "none"
    deployment |= {ours: params.pop(its) for its, ours in _TAKEN.items() if its in params}
    found.remarks += [f"model {where}: {name} is not taken over" for name in params]
    return deployment


def _with_provider(model: str) -> str:
    """LiteLLM also takes a name alone; the provider is the one that has such a model."""
    known = priced_models()
    names = (f"{provider}/{model}" for provider in _PROVIDERS)
    return next((name for name in names if name in known), model)


def _key_name(given: str, provider: str) -> str:
    """Name of a key by the variable that has it; one that stands in the file is the provider's."""
    if not given.startswith(_VARIABLE):
        return provider
    variable = given.removeprefix(_VARIABLE)
    name = variable.lower().removesuffix("_api_key").replace("_", "-")
    return _KEY_NAMES.get(variable, name)


def _free(keys: Mapping[str, str], name: str, key: str) -> str:
    """The name, or one with a number if it is that of another key."""
    names = [name, *(f"{name}-{number}" for number in range(2, len(keys) + 3))]
    return next(each for each in names if keys.get(f"providerKeys.{each}", key) == key)


def _value(text: Any, values: Mapping[str, str]) -> str:
    given = str(text or "")
    if given.startswith(_VARIABLE):
        return values.get(given.removeprefix(_VARIABLE), "")
    return given
