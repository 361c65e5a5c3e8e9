"""The reference of a configuration file in Markdown, made from the types and their docstrings."""

from collections.abc import Iterator, Mapping
from typing import Any

from fsdiff import parts
from fsdiff.blocks.types import MOST, block_type
from fsdiff.reports.plain_text import table_row
from fsdiff.study.schema import json_schema

INTRODUCTION = """\
# Configuration

Every key of a configuration file, made from the code by
`python -m fsdiff.study --reference docs/configuration.md`; do not edit this page. A block with a
`kind` is a part: its other keys are those of that kind below. Unknown keys and values out of bounds
are refused before any job starts. Examples are [config.yaml](../config.yaml) and the studies in
[configs](../configs); editors complete keys by the schema that these name in their first line.
"""

HEADINGS = ("key", "value", "default", "meaning")

Schema = Mapping[str, Any]


def reference() -> str:
    """The page: the top level, its blocks, and all parts, family by family."""
    schema = json_schema()
    lines = [INTRODUCTION, "## Top level", "", *_table(schema)]
    blocks = {name: block for name, block in schema["$defs"].items() if not _kind(block)}
    for name, block in blocks.items():
        lines += [f"### {name}", "", block.get("description", ""), "", *_table(block)]
    lines += ["## Parts", ""]
    for family, kinds in _families().items():
        lines += [f"### {', '.join(f'`{name}`' for name in family)}", ""]
        for kind in kinds:
            block = block_type(parts.find(family[0], kind)).model_json_schema()
            lines += [f"#### `kind: {kind}`", "", block.get("description", ""), ""]
            lines += _table(block)
    return "\n".join(lines).rstrip() + "\n"


def _families() -> dict[tuple[str, ...], tuple[str, ...]]:
    """Keys that take the same parts → the kinds of these."""
    found: dict[tuple[str, ...], list[str]] = {}
    for family in parts.FAMILIES:
        if kinds := tuple(parts.kinds(family)):
            found.setdefault(kinds, []).append(family)
    return {tuple(families): kinds for kinds, families in found.items()}


def _table(block: Schema) -> Iterator[str]:
    """A row for each key of a block but ``kind``; nothing where there is none."""
    properties = {key: item for key, item in block["properties"].items() if key != "kind"}
    if not properties:
        return
    yield from (table_row(HEADINGS), table_row(["---"] * len(HEADINGS)))
    for key, item in properties.items():
        required = key in block.get("required", ())
        meaning = " ".join(item.get("description", "").split())
        meaning = meaning.replace("|", "\\|")
        yield table_row([f"`{key}`", _value(item), _default(item, required), meaning])
    yield ""


def _default(item: Schema, required: bool) -> str:
    if required:
        return "required"
    default = item.get("default")
    if default is None or default in ({}, [], ""):
        return ""
    if isinstance(default, dict):
        return f"`kind: {default['kind']}`" if "kind" in default else ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _value(item: Schema) -> str:
    """What a key takes, in words."""
    if "$ref" in item:
        return _block(item["$ref"].rpartition("/")[2])
    if "oneOf" in item:
        kinds = item.get("discriminator", {}).get("mapping", {})
        return "kind " + ", ".join(f"`{kind}`" for kind in kinds)
    if "anyOf" in item:
        return " or ".join(dict.fromkeys(map(_value, item["anyOf"])))
    if "enum" in item or "const" in item:
        return ", ".join(f"`{value}`" for value in item.get("enum", [item.get("const")]))
    return _plain(item)


def _plain(item: Schema) -> str:
    """What a key takes that is no block nor one of some values."""
    kind = item.get("type", "")
    if kind == "object":
        named = next(iter(item.get("patternProperties", {}).values()), None)
        return f"by name: {_value(named)}" if named else "block"
    if kind == "array":
        fixed = item.get("prefixItems")
        inner = ", ".join(map(_value, fixed)) if fixed else _value(item.get("items", {}))
        return f"list of {inner}" if inner else "list"
    words = {"integer": "integer", "number": "number", "string": "text", "boolean": "true or false"}
    return words.get(kind, "nothing" if kind == "null" else "") + _bounds(item)


def _bounds(item: Schema) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [
        f"{sign} {item[name]}" for name, sign in signs.items() if name in item and item[name] < MOST
    ]
    return f" {', '.join(bounds)}" if bounds else ""


def _block(name: str) -> str:
    """A block by name: a link to where it stands, or the kind that it is of."""
    block = json_schema()["$defs"][name]
    kind = _kind(block)
    return f"kind `{kind}`" if kind else f"[{name}](#{name.lower()})"


def _kind(block: Schema) -> str | None:
    """The kind of a part's block; None for other blocks."""
    return block.get("properties", {}).get("kind", {}).get("const")
