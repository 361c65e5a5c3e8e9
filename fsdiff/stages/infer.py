"""Draw functions given what is observed of them, case by case."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import xarray as xr
from pydantic import NonNegativeFloat, TypeAdapter
from torch import Tensor
from tqdm import tqdm

from fsdiff.data import storage, tensors
from fsdiff.data.storage import Provenance
from fsdiff.inverse.observations.base import Observation
from fsdiff.jobs.devices import chosen_device
from fsdiff.jobs.failures import DamagedError
from fsdiff.jobs.interruption import interruptible
from fsdiff.jobs.states import saved
from fsdiff.jobs.versions import environment, warn_of_changes
from fsdiff.methods import models
from fsdiff.parts import build
from fsdiff.spaces.axes import shape_text
from fsdiff.stages.files import Job, state_path
from fsdiff.stages.labels import label_draws
from fsdiff.stages.sample import SamplingError

logger = logging.getLogger(__name__)
