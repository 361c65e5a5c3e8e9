"""What is given to classes in Python, checked as a configuration of it would be."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from pydantic import ValidationError

from fsdiff.blocks.explain import Explainer
from fsdiff.blocks.types import block_type


def first_problem(described: type, block: Mapping[str, Any]) -> str | None:
    """What a configuration of a class would be told first; None where nothing is wrong."""
    form, plain = block_type(described), _plain(block)
    try:
        form.model_validate(plain)
    except ValidationError as error:
        explainer = Explainer(form.model_json_schema(), plain)
        return next(iter(explainer.lines(error, lambda place: place)))
    return None


def _plain(value: Any) -> Any:
    """A block without numbers of NumPy."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value
