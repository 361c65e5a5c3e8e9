"""Score networks: modules with ``forward(x, t)`` → like x, on grids of any resolution."""

from fsdiff.networks.fno import FNO
from fsdiff.networks.mlp import MLP
from fsdiff.networks.neuralop import NeuralOperator
from fsdiff.networks.unet import UNet
from fsdiff.networks.uno import UNO

__all__ = ["FNO", "MLP", "UNO", "NeuralOperator", "UNet"]
