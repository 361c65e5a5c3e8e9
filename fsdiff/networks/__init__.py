"""Score networks: modules with ``forward(x, t)`` → like x, on grids of any resolution."""

from fsdiff.networks.fno import FNO
from fsdiff.networks.mlp import MLP
from fsdiff.networks.neuralop import NeuralOperator
from fsdiff.networks.unet import UNet

__all__ = ["FNO", "MLP", "NeuralOperator", "UNet"]
