"""What chains that may be interrupted keep in a file: how they begin, and where they are."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self, TypeVar

from fsdiff.data import tensors
from fsdiff.inverse.references.beginnings import Held
from fsdiff.jobs.failures import DamagedError
from fsdiff.jobs.states import saved
from fsdiff.jobs.versions import environment, warn_of_changes

T = TypeVar("T")


@dataclass
class Kept:
    """Parts by name; nothing is written where there is no ``path``."""

    path: Path | None
    parts: dict[str, Held] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path | None) -> Self:
        """What is in a file; nothing where there is none, or it is damaged."""
        return cls(path, (saved(path, _parts) if path else None) or {})

    def write(self, **parts: Held) -> None:
        """Replace all parts."""
        self.parts = parts
        if self.path is None:
            return
        named = {
            f"{name}.{key}": tensor
            for name, held in parts.items()
            for key, tensor in held.tensors.items()
        }
        values = {name: held.values for name, held in parts.items()}
        tensors.write(self.path, named, {"environment": environment(), "parts": values})

    def restored(self, name: str, make: Callable[[Held], T]) -> T | None:
        """What ``make`` makes of a part; None where there is none, or it is of another job."""
        held = self.parts.get(name)
        if held is None or self.path is None:
            return None

        def made(path: Path) -> T:
            try:
                return make(held)
            except (KeyError, TypeError, ValueError) as error:
                raise DamagedError(f"{path} holds chains of another job") from error

        return saved(self.path, made)


def _parts(path: Path) -> dict[str, Held]:
    """What is in a file; DamagedError where that is no chains."""
    found, about = tensors.read(path)
    try:
        parts = {name: Held({}, values) for name, values in about["parts"].items()}
        for key, tensor in found.items():
            name, _, own = key.partition(".")
            parts[name].tensors[own] = tensor
        made_with = about["environment"]
    except (AttributeError, KeyError, TypeError) as error:
        raise DamagedError(f"{path} holds no chains") from error
    warn_of_changes(path, made_with, environment())
    return parts
