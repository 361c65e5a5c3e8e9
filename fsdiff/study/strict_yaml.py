"""YAML whose mistakes are found: a key that comes twice is an error, and errors name the line.

A document is refused before anything is made of it where it is too large, or would be: names of
blocks that stand for others multiply, so that ten lines may mean 10⁹ values.

    python -m fsdiff.study.strict_yaml config.yaml

says what is wrong before anything else reads a file, and nothing of what the document means.
"""

import re
import sys
from collections.abc import Callable, Hashable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

CHARACTERS = 2**20
"""Longest document: what takes some seconds to read."""
VALUES = 100_000
"""Most values that a document may mean, with each alias (``*name``) written out."""
DEPTH = 50
"""Most blocks and lists inside each other."""
DIGITS = 400
"""Longest number: what has more digits is none that a computer calculates with."""
TEXT = ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge")
"""What keys are: text, or ``<<``."""
NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
OTHER_NUMBERS = re.compile(r"[-+]?0[0-7_]+|.*:.*")
"""Octal numbers and those that count in sixties; with 0x and 0b people know what they write."""


def read(path: str | Path) -> Any:
    """The value of the document in a file; OSError, or ValueError where it is not YAML."""
    try:
        with Path(path).open(encoding="utf-8") as file:
            text = file.read(CHARACTERS + 1)
    except UnicodeDecodeError as error:
        raise ValueError(f"not text in UTF-8 ({error.reason}): save it in this encoding") from error
    return parse(text)


def parse(text: str) -> Any:
    """The value of a YAML document; ValueError with line and column where it is not YAML."""
    if len(text) > CHARACTERS:
        raise ValueError(f"longer than {CHARACTERS} characters: no configuration")
    try:
        loader = _Loader(text)
        try:
            return loader.get_single_data()
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise ValueError(f"{where}{error.problem}") from error
    except yaml.YAMLError as error:
        raise ValueError(f"not YAML: {' '.join(str(error).split())}") from error


class _Loader(yaml.SafeLoader):
    """Plain values only, distinct keys that are text, and no more of it all than a person needs."""

    depth = 0

    def get_single_node(self) -> yaml.Node | None:
        """The document, after a check of how much it means."""
        node = super().get_single_node()
        if node is not None and (found := excess(node, _parts)):
            raise _refusal(*found)
        return node

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """A value and what is in it, unless it is too deep in others."""
        if self.depth > DEPTH:
            event = self.peek_event()
            raise _refusal(f"more than {DEPTH} blocks inside each other", event)
        self.depth += 1
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """A value; what Python cannot make of it, such as a 99th day, is told with its line."""
        if isinstance(node, yaml.ScalarNode):
            _check_scalar(node)
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError) as error:
            raise _refusal(str(error).partition(";")[0], node) from error
        except (AttributeError, LookupError) as error:  # a tag such as !!bool says what it is not
            raise _refusal(f"'{node.value}' is no {node.tag.rpartition(':')[2]}", node) from error

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict[Hashable, Any]:
        """A mapping, after a check that its keys are text and none is given twice."""
        if not isinstance(node, yaml.MappingNode):
            raise _refusal("the tag says that it is a block, which it is not", node)
        lines: dict[str, int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _refusal("keys are text, not blocks or lists", key)
            if key.tag not in TEXT:
                raise _refusal(f"keys are text: write '{key.value}' in quotes", key)
            if key.value in lines:
                first = lines[key.value]
                raise _refusal(f"'{key.value}' was already given in line {first}; keep one", key)
            lines[key.value] = key.start_mark.line + 1
        return super().construct_mapping(node, deep)


def _check_scalar(node: yaml.ScalarNode) -> None:
    """Refuse numbers that take long to read or are others than they look like, and half characters.

    YAML 1.1 takes 010 for eight and 1:30 for ninety.
    """
    if node.tag in NUMBERS and len(node.value) > DIGITS:
        raise _refusal(f"a number of more than {DIGITS} digits", node)
    if node.tag in NUMBERS and OTHER_NUMBERS.fullmatch(node.value):
        raise _refusal(
            f"YAML reads {node.value} in another base than ten: write the number that is meant, or "
            "text in quotes",
            node,
        )
    if any("\ud800" <= character <= "\udfff" for character in node.value):
        raise _refusal("an escape in the text is half of a character: give it whole", node)


def excess(value: Any, parts: Callable[[Any], Iterable[Any]]) -> tuple[str, Any] | None:
    """What is too much in a value, and where in it; ``parts`` are those that a value consists of.

    However often a part is met it counts, so what stands in many places is as large as it means.
    """
    met, ahead = 0, [(value, 1)]
    while ahead:
        item, depth = ahead.pop()
        met += 1
        if depth > DEPTH:
            return f"more than {DEPTH} blocks inside each other, or one that is inside itself", item
        if met > VALUES:
            return f"more than {VALUES} values, aliases written out", item
        ahead += [(part, depth + 1) for part in parts(item)]
    return None


def _parts(node: yaml.Node) -> list[yaml.Node]:
    """What a node of a document consists of."""
    if isinstance(node, yaml.MappingNode):
        return [part for entry in node.value for part in entry]
    return node.value if isinstance(node, yaml.SequenceNode) else []


def _refusal(problem: str, place: yaml.Node | yaml.Event) -> yaml.MarkedYAMLError:
    mark = place.start_mark
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)  # type: ignore[arg-type] # marks of libyaml are marks, too


KEYS = "datasets, experiments, evaluation; or analyses"
"""What a configuration consists of, in words."""


def check_mapping(raw: Any) -> None:
    """Raise ValueError where a document has no keys."""
    if not raw:
        raise ValueError(f"empty; expected {KEYS}")
    if not isinstance(raw, Mapping):
        from fsdiff.blocks.explain import shown  # with pydantic, which takes longer than reading

        raise ValueError(f"{shown(raw)}: expected a block with keys {KEYS}")


def main(paths: Iterable[str]) -> int:
    """Say what is wrong with files; 1 if anything is."""
    for path in paths:
        try:
            check_mapping(read(path))
        except OSError as error:
            print(f"{path}: cannot be read: {error.strerror}", file=sys.stderr)
            return 1
        except ValueError as error:
            print(f"{path}: {error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
