"""What is wrong with a document, in words: validation errors told by its JSON Schema.

Each problem is one line: path = value: what is wrong, what is allowed.
"""

import difflib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from fsdiff.blocks.types import LARGEST, MOST

Location = tuple[str | int, ...]
Problem = tuple[Location, str]
"""Where something is wrong, relative to the value that is being validated, and what."""

NAMES = "names are made of a-z, 0-9 and _, and start with a letter; 100 characters at most"
TYPES = {
    "integer": "an integer",
    "number": "a number",
    "string": "text",
    "boolean": "true or false",
    "null": "null",
}
BOUNDS = {
    "exclusiveMinimum": "> {}",
    "minimum": ">= {}",
    "exclusiveMaximum": "< {}",
    "maximum": "<= {}",
    "multipleOf": "a multiple of {}",
    "minLength": "of length >= {}",
    "maxLength": "of length <= {}",
}


UNSAID = {
    LARGEST: f"too large; integers are exact up to {LARGEST}, 2^53 - 1",
    MOST: f"out of reach; use at most {MOST}",
}
"""Bounds that integers have without more ado, and what is said of one beyond them."""


def refuse(problems: Iterable[Problem]) -> None:
    """Report problems inside the value that is being validated, if there are any."""
    problems = list(problems)
    if problems:
        raise PydanticCustomError("problems", "problems", {"problems": problems})


def suggest(known: Iterable[str], given: Any) -> str:
    """The known names, and the one that was probably meant."""
    known = [str(name) for name in known]
    return ", ".join(known) + did_you_mean(known, given)


def did_you_mean(known: Iterable[str], given: Any) -> str:
    """The known name that was probably meant, after a sentence; nothing if none is near."""
    near = difflib.get_close_matches(str(given), known, n=1)
    return f" (did you mean '{near[0]}'?)" if near else ""


def shown(value: Any) -> str:
    """A value as YAML would have it, shortened."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except ValueError:  # Python writes no integers of more than 4300 digits
        return "(a number without end)"
    return text if len(text) <= 60 else text[:57] + "..."


class Explainer:
    """Tells the errors of a document that has a JSON Schema."""

    def __init__(self, schema: Mapping[str, Any], document: Any) -> None:
        self.schema = schema
        self.document = document

    def lines(
        self,
        error: ValidationError,
        place: Callable[[Location], Location],
        *,
        partial: bool = False,
    ) -> Iterator[str]:
        """One line for each problem; ``place`` says where in the document a location is.

        A ``partial`` block may lack keys.
        """
        for item in error.errors(include_url=False):
            location, kind = place(item["loc"]), item["type"]
            path, node = self._walk(location)
            if partial and kind == "missing" and len(item["loc"]) == 1:
                continue
            if kind == "too_short" and self._value(path):
                continue  # its entries are wrong, which is another line
            if kind == "problems":
                for inside, message in item["ctx"]["problems"]:
                    yield self._line((*path, *inside), message)
            elif kind == "value_error":
                yield self._own_words(path, str(item["ctx"]["error"]))
            elif location[-1:] == ("[key]",):
                yield f"{_dotted(path)}: {NAMES}"
            elif kind in ("extra_forbidden", "invalid_key"):
                block = self._resolved(_required(self._walk(location[:-1])[1]))
                allowed = block.get("properties", {})
                yield self._line(path, f"unknown key; allowed: {suggest(allowed, path[-1])}")
            else:
                yield self._against_schema(kind, path, node)

    def _against_schema(self, kind: str, path: Location, node: Mapping[str, Any]) -> str:
        """What a violation of the schema means."""
        known = _kinds(node)
        if kind == "union_tag_invalid":
            path = (*path, "kind")
            return self._line(path, f"unknown; known: {suggest(known, self._value(path))}")
        if kind == "union_tag_not_found":
            return f"{_dotted((*path, 'kind'))}: missing; expected one of {', '.join(known)}"
        if kind == "missing":
            return f"{_dotted(path)}: missing; expected {self._words(node)}"
        if kind == "less_than_equal" and self._resolved(node).get("maximum") in UNSAID:
            return self._line(path, UNSAID[self._resolved(node)["maximum"]])
        return f"{_dotted(path)} = {shown(self._value(path))}: expected {self._words(node)}"

    def _own_words(self, path: Location, message: str) -> str:
        """The message of a part's own check, which may begin with the field that it is about."""
        if isinstance(self._value(path), Mapping) and re.match(r"\w+ = ", message):
            return f"{_dotted(path)}.{message}"
        return self._line(path, message)

    def _line(self, path: Location, message: str) -> str:
        """The message with the path and, unless it is a block, the value."""
        value = self._value(path)
        given = "" if isinstance(value, Mapping) else f" = {shown(value)}"
        return f"{_dotted(path)}{given}: {message}"

    def _value(self, path: Location) -> Any:
        """What the document has at a path; None where it has nothing."""
        value = self.document
        for step in path:
            try:
                value = value[step]
            except (KeyError, IndexError, TypeError):
                return None
        return value

    def _walk(self, location: Location) -> tuple[Location, Mapping[str, Any]]:
        """The path that a location means, free of the names of alternatives, and its schema."""
        node, path = self._resolved(self.schema), []
        for step in location:
            if "discriminator" in node and step in node["discriminator"]["mapping"]:
                node = self._resolved({"$ref": node["discriminator"]["mapping"][step]})
                continue
            node = self._resolved(_required(node))
            if "anyOf" in node or step == "[key]":
                break
            path.append(step)
            node = self._resolved(_child(node, step))
        return tuple(path), node

    def _resolved(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        """The schema that a node refers to."""
        while "$ref" in node:
            node = self.schema["$defs"][node["$ref"].rpartition("/")[2]]
        return node

    def _words(self, node: Mapping[str, Any]) -> str:
        """What a schema allows."""
        node = self._resolved(node)
        if "anyOf" in node:
            return " or ".join(self._words(option) for option in node["anyOf"])
        if _kinds(node):
            return f"a block with kind: {' | '.join(_kinds(node))}"
        if "enum" in node or "const" in node:
            options = node.get("enum", [node.get("const")])
            return ("one of " if len(options) > 1 else "") + ", ".join(map(shown, options))
        if node.get("type") == "array":
            return self._words_of_list(node)
        if node.get("type") == "object":
            keys = ", ".join(node.get("properties", {}))
            least = "at least one named entry" if node.get("minProperties") else "named entries"
            return f"a block with {f'keys {keys}' if keys else least}"
        bounds = [
            text.format(node[key])
            for key, text in BOUNDS.items()
            if key in node and node[key] not in UNSAID
        ]
        return " ".join([TYPES.get(node.get("type", ""), "a value"), " and ".join(bounds)]).strip()

    def _words_of_list(self, node: Mapping[str, Any]) -> str:
        if "prefixItems" in node:
            return f"a list of {', '.join(map(self._words, node['prefixItems']))}"
        least = f" with at least {node['minItems']} entry" if "minItems" in node else ""
        return f"a list{least}, each {self._words(node.get('items', {}))}"


def _required(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of what may be absent, where it is there."""
    options = [option for option in node.get("anyOf", []) if option.get("type") != "null"]
    return options[0] if len(options) == 1 else node


def _child(node: Mapping[str, Any], step: str | int) -> Mapping[str, Any]:
    """The schema of an entry of a list or block."""
    if isinstance(step, int):
        fixed = node.get("prefixItems", [])
        return fixed[step] if step < len(fixed) else node.get("items", {})
    if step in node.get("properties", {}):
        return node["properties"][step]
    others = [node.get("additionalProperties"), *node.get("patternProperties", {}).values()]
    return next((other for other in others if isinstance(other, Mapping)), {})


def _kinds(node: Mapping[str, Any]) -> list[str]:
    return list(node.get("discriminator", {}).get("mapping", {}))


def _dotted(path: Location) -> str:
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return "".join(steps).removeprefix(".")
