"""Training a network on one level of the hierarchy after the other."""

from fsdiff.training.augmentation import random_symmetry
from fsdiff.training.options import Level, TrainingOptions
from fsdiff.training.trainer import Trainer, TrainingError

__all__ = ["Level", "Trainer", "TrainingError", "TrainingOptions", "random_symmetry"]
