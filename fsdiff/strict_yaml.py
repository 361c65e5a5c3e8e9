"""YAML whose mistakes are found: a key that comes twice is an error, and errors name the line."""

from collections.abc import Hashable
from typing import Any

import yaml


def parse(text: str) -> Any:
    """The value of a YAML document; ValueError with line and column where it is not YAML."""
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
        raise ValueError(f"not YAML: {error}") from error


class _Loader(yaml.SafeLoader):
    """Plain values only, and distinct keys."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A mapping, after a check that no key is given twice."""
        lines: dict[Any, int] = {}
        for key, _ in node.value:
            line = key.start_mark.line + 1
            if key.value in lines and isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(
                    problem=f"'{key.value}' was already given in line {lines[key.value]}; keep one",
                    problem_mark=key.start_mark,
                )
            if isinstance(key, yaml.ScalarNode):
                lines[key.value] = line
        return super().construct_mapping(node, deep)
