"""Weights that are kept during training, to see how samples change while a network is trained."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from fsdiff.data import tensors
from fsdiff.jobs.failures import DamagedError


@dataclass(frozen=True)
class KeptWeights:
    """The averaged weights after every ``every`` epochs of a level, a file for each until the end.

    ``file`` is where training saves its state; the files of epochs are beside it. An interrupted
    run goes on from its state and makes again, bit for bit, what it had kept after that.
    """

    file: Path
    every: int

    def keep(self, epoch: int, seconds: float, weights: Mapping[str, Tensor]) -> None:
        """Write the weights after an epoch; ``seconds`` are those of training so far."""
        tensors.write(self._path(epoch), weights, {"seconds": seconds})

    def check(self, epochs: int, like: Mapping[str, Tensor]) -> None:
        """Refuse what ``epochs`` epochs have kept unless there is all of it, with these shapes."""
        for path in map(self._path, self._epochs(epochs)):
            if not path.exists():
                raise DamagedError(f"{path} is missing")
            weights, _ = tensors.read(path)
            if tensors.shapes(weights) != tensors.shapes(like):
                raise DamagedError(f"{path} holds weights of another network")

    def gather(self, epochs: int, path: Path, made: Mapping[str, Any]) -> None:
        """Put what was kept of a level of ``epochs`` epochs into one file at ``path``.

        ``made`` says in it what it was made from.
        """
        gathered: dict[str, Tensor] = {}
        seconds: dict[int, float] = {}
        for epoch in self._epochs(epochs):
            weights, about = tensors.read(self._path(epoch))
            seconds[epoch] = about["seconds"]
            gathered |= {f"{epoch}/{name}": tensor for name, tensor in weights.items()}
        tensors.write(path, gathered, {"seconds": seconds, **made})

    def remove(self) -> None:
        """Delete the files of epochs."""
        for path in self.file.parent.glob(f"{self.file.stem}-epoch*.safetensors"):
            path.unlink()

    def _epochs(self, epochs: int) -> range:
        """Those after which weights are kept."""
        return range(self.every, epochs + 1, self.every)

    def _path(self, epoch: int) -> Path:
        return self.file.with_name(f"{self.file.stem}-epoch{epoch}.safetensors")


def kept_weights(path: Path, every: int) -> Iterator[tuple[int, float, dict[str, Tensor]]]:
    """(epoch, seconds of training, weights) after every ``every`` epochs, from a gathered file.

    Raises StorageError where the file is damaged.
    """
    seconds = tensors.read_header(path).about.get("seconds")
    if not isinstance(seconds, dict):
        raise DamagedError(f"{path} holds no weights that were kept")
    for epoch in map(int, seconds):  # JSON has no keys but strings
        if epoch % every == 0:
            weights, _ = tensors.read(path, f"{epoch}/")
            named = {name.partition("/")[2]: tensor for name, tensor in weights.items()}
            yield epoch, seconds[str(epoch)], named
