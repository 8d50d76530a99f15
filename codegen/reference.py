"""Writes `docs/reference/`: a page for each file and config, and JSON Schemas beside them.

Usage: python -m codegen.reference
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from cli.environment import ROOT
from cli.status.model import Report
from codegen import schema
from components.stack_config import StackConfig
from core.deployment.stack_config import CoreConfig
from core.model import Core
from schema import duration
from tenants.model import Tenant

FOLDER = ROOT / "docs" / "reference"

Json = Mapping[str, Any]

_FORMATS = {
    "date": "date, such as 2026-11-20",
    "ipvanyaddress": "IP address",
    "uri": "URL",
}
_TYPES = {"boolean": "`true` or `false`", "integer": "whole number", "number": "number"}


@dataclass(frozen=True, kw_only=True)
class Page:
    """A page of the reference.

    Attributes:
        title: its heading.
        file: that it describes, as code.
        schema: path of the JSON Schema, from the page.
        more: what a reader has to know before.
        model: of the file.
    """

    title: str
    file: str
    schema: str
    more: str
    model: type[BaseModel]


@dataclass(frozen=True)
class _Section:
    paths: list[str]
    described: Json


PAGES: Mapping[str, Page] = {
    "tenant.md": Page(
        title="The file of a tenant",
        file="tenants/<stack>.yaml",
        schema="../../tenants/schema.json",
        more="[Your first tenant](../first-tenant.md) writes one step by step.",
        model=Tenant,
    ),
    "stack-config.md": Page(
        title="The config of a tenant's stack",
        file="Pulumi.<stack>.yaml",
        schema="stack-config.schema.json",
        more="Keys stand under `config` with `cloudfreedom:` before them, which the schema leaves"
        " out; `pulumi config set KEY VALUE` writes them, with `--path` for those below a section"
        " and `--secret` for secrets."
        " An export to Compose reads the secrets"
        " [from the environment](../two-ways-up.md#the-export).",
        model=StackConfig,
    ),
    "core.md": Page(
        title="The file of a core",
        file="core/<stack>.yaml",
        schema="../../core/schema.json",
        more="[The core](../core.md) says what it is for.",
        model=Core,
    ),
    "core-stack-config.md": Page(
        title="The config of a core's stack",
        file="core/Pulumi.<stack>.yaml",
        schema="core-stack-config.schema.json",
        more="Keys stand under `config` with `cloudfreedom-core:` before them, which the schema"
        " leaves out; `pulumi --cwd core config set KEY VALUE` writes them, with `--path` for"
        " those below a section.",
        model=CoreConfig,
    ),
}


def files() -> dict[Path, str]:
    """The files of `docs/reference/`, by path."""
    return {
        **{FOLDER / name: page_text(page) for name, page in PAGES.items()},
        FOLDER / "stack-config.schema.json": schema.text(StackConfig),
        FOLDER / "core-stack-config.schema.json": schema.text(CoreConfig),
        FOLDER / "status.schema.json": schema.text(Report),
    }


def page_text(page: Page) -> str:
    """A page, with a table for each section of its file."""
    whole = schema.schema(page.model)
    sections = _sections(whole)
    headings = {name: _heading(section) for name, section in sections.items()}
    tables = [_section_text(section, whole, headings) for section in sections.values()]
    intro = (
        f"<!-- Written by `python -m codegen.reference` from {page.model.__module__}. -->\n"
        f"# {page.title}\n\n"
        f"The keys of `{page.file}`. Unknown keys are errors; editors find them with the"
        f" [JSON Schema]({page.schema}). {page.more}\n"
    )
    return "\n".join([intro, *tables])


def _sections(whole: Json) -> dict[str, _Section]:
    """The sections of a file from top to bottom, by name; the file itself has none."""
    found = {"": _Section([""], whole)}
    waiting = [""]
    for name in waiting:
        section = found[name]
        for key, value in section.described["properties"].items():
            for inner, suffix in _references(value):
                described = whole["$defs"][inner]
                if "properties" not in described:
                    continue
                if inner not in found:
                    found[inner] = _Section([], described)
                    waiting.append(inner)
                found[inner].paths.append(f"{section.paths[0]}.{key}{suffix}".lstrip("."))
    return dict(sorted(found.items(), key=lambda item: _order(item[1], whole)))


def _order(section: _Section, whole: Json) -> tuple[int, str]:
    first = re.split(r"[.\[]", section.paths[0])[0]
    keys = ["", *whole["properties"]]
    return keys.index(first), section.paths[0]


def _references(value: Json, suffix: str = "") -> Iterator[tuple[str, str]]:
    """Names of the definitions that a value refers to, with `[]` for each list around it."""
    if "$ref" in value:
        yield value["$ref"].rpartition("/")[2], suffix
    for option in value.get("anyOf", []):
        yield from _references(option, suffix)
    if "items" in value:
        yield from _references(value["items"], f"{suffix}[]")


def _heading(section: _Section) -> str:
    return " and ".join(f"`{path}`" for path in section.paths)


def _section_text(section: _Section, whole: Json, headings: Mapping[str, str]) -> str:
    title = f"## {_heading(section)}" if section.paths != [""] else "## Top level"
    lines = [title, ""]
    if section.paths != [""]:
        lines += [" ".join(section.described["description"].split()), ""]
    lines += ["| key | allowed | default | description |", "|---|---|---|---|"]
    required = section.described.get("required", [])
    for key, value in section.described["properties"].items():
        cells = (
            f"`{key}`",
            _allowed(value, whole, headings),
            "required" if key in required else _default(value, whole),
            value.get("description") or _description(value, whole),
        )
        lines.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(lines) + "\n"


def _allowed(value: Json, whole: Json, headings: Mapping[str, str]) -> str:
    """The values that are allowed, in words."""
    if "$ref" in value:
        name = value["$ref"].rpartition("/")[2]
        if name in headings:
            return f"[section]({_anchor(headings[name])})"
        return _allowed(whole["$defs"][name], whole, headings)
    if "anyOf" in value:
        # An amount is a number or the same as text, and what may be left out may be null.
        [option, *_] = [each for each in value["anyOf"] if each.get("type") != "null"]
        return _allowed(option, whole, headings)
    if value.get("type") == "array":
        return f"list: {_allowed(value['items'], whole, headings)}"
    if value.get("type") == "object":
        return f"mapping of names: {_allowed(_items(value), whole, headings)}"
    return _plain(value)


def _plain(value: Json) -> str:
    """The texts or numbers that are allowed, in words."""
    if "enum" in value:
        return ", ".join(f"`{each}`" for each in value["enum"])
    if value.get("pattern") == duration.PATTERN:
        return "length of time, such as 90s, 30m, 12h or 7d"
    words = value.get("patternErrorMessage") or _FORMATS.get(value.get("format", ""))
    return words or f"{_TYPES.get(value['type'], 'text')}{_range(value)}"


def _items(mapping: Json) -> Json:
    """The values of a mapping."""
    by_name: Json = mapping.get("patternProperties") or {"": mapping["additionalProperties"]}
    items: Json = next(iter(by_name.values()))
    return items


def _range(value: Json) -> str:
    """The ends of a number, or of the length of a text."""
    if "maxLength" in value:
        return f", {value.get('minLength', 0)} to {value['maxLength']} characters"
    if "exclusiveMinimum" in value:
        return f", more than {value['exclusiveMinimum']:g}, at most {_number(value['maximum'])}"
    if "maximum" in value:
        return f", {_number(value['minimum'])} to {_number(value['maximum'])}"
    if "minimum" in value:
        return f", at least {_number(value['minimum'])}"
    return ", not empty" if value.get("minLength") else ""


def _number(number: float) -> str:
    return str(int(number)) if number == int(number) else str(number)


def _default(value: Json, whole: Json) -> str:
    """The default as a file would say it; nothing for a section, whose keys have their own."""
    default = value.get("default")
    is_section = any(
        "properties" in whole["$defs"][name] for name, suffix in _references(value) if not suffix
    )
    if default is None or default == "" or is_section:
        return ""
    if isinstance(default, str):
        return f"`{default.rstrip('/') if value.get('format') == 'uri' else default}`"
    return f"`{json.dumps(default)}`"


def _description(value: Json, whole: Json) -> str:
    """Description of a section, where its key has none."""
    return " ".join(_first_sentence(whole["$defs"][name]) for name, _suffix in _references(value))


def _first_sentence(described: Json) -> str:
    return " ".join(str(described["description"]).partition("\n\n")[0].split())


def _anchor(heading: str) -> str:
    """Of a heading on the same page, as GitHub and GitLab make it."""
    return "#" + re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for file, text in files().items():
        file.write_text(text, encoding="utf-8")
