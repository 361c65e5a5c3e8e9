"""Weights that are kept on the way, to see how samples change while a network is trained."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from fsdiff.atomic import StorageError, atomic


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
        tensors = {name: tensor.detach().contiguous() for name, tensor in weights.items()}
        with atomic(self._path(epoch)) as temporary:
            metadata = {"seconds": json.dumps(seconds)}
            safetensors.torch.save_file(tensors, temporary, metadata=metadata)

    def gather(self, epochs: int, path: Path) -> None:
        """Put the weights of a level that took so many epochs into one file at ``path``."""
        tensors, seconds = {}, {}
        for epoch in range(self.every, epochs + 1, self.every):
            with safe_open(self._path(epoch), framework="pt") as file:
                seconds[epoch] = json.loads(file.metadata()["seconds"])
                for name in file.keys():  # noqa: SIM118
                    tensors[f"{epoch}/{name}"] = file.get_tensor(name)
        with atomic(path) as temporary:
            metadata = {"seconds": json.dumps(seconds)}
            safetensors.torch.save_file(tensors, temporary, metadata=metadata)

    def remove(self) -> None:
        """Delete the files of epochs."""
        for path in self.file.parent.glob(f"{self.file.stem}-epoch*.safetensors"):
            path.unlink()

    def _path(self, epoch: int) -> Path:
        return self.file.with_name(f"{self.file.stem}-epoch{epoch}.safetensors")


def kept_weights(path: Path, every: int) -> Iterator[tuple[int, float, dict[str, Tensor]]]:
    """(epoch, seconds of training, weights) after every ``every`` epochs, from a gathered file.

    Raises StorageError where the file is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            # JSON has no keys but strings.
            for epoch, seconds in json.loads(file.metadata()["seconds"]).items():
                if int(epoch) % every == 0:
                    names = [name for name in file.keys() if name.startswith(f"{epoch}/")]  # noqa: SIM118
                    weights = {name.partition("/")[2]: file.get_tensor(name) for name in names}
                    yield int(epoch), seconds, weights
    except (OSError, TypeError, KeyError, SafetensorError) as error:
        raise StorageError(
            f"{path} holds no weights that were kept ({error}); delete it and train again"
        ) from error
