"""Diffusion models on function spaces.

    import fsdiff as fs
    basis = fs.CosineBasis(2)
    model = fs.Diffusion(fs.FNO(basis="cosine"), basis=basis, noise=fs.Bessel())
    model.fit(fields, levels=[fs.Level(resolution=32, epochs=20)], seed=0)
    model.sample(fs.DPMSolver(steps=20), n=128, indices=range(4), seed=1).fields

Names are imported when they are first used, so that ``import fsdiff`` costs nothing; ``dir`` lists
them. Everything else is imported from the module that defines it.
"""

import importlib
from typing import Any

__version__ = "0.1.0"

_NAMES = {
    "errors": "Error",
    "spaces.axes": "Axis",
    "spaces.bases": "CosineBasis FourierBasis SineBasis",
    "spaces.boxes": "Box",
    "spaces.gram": "GramBasis",
    "measures.priors": "Bessel Combined Exponential Laplacian Matern RBF Standard",
    "diffusion.processes": "CosineVariancePreserving HeatDissipation LinearInterpolant "
    "OrnsteinUhlenbeck StochasticHeat VarianceExploding VariancePreserving",
    "diffusion.predictions": "Data=DataPrediction Noise=NoisePrediction Score=ScorePrediction "
    "Velocity=VelocityPrediction Wiener=WienerPrediction "
    "Preconditioned=PreconditionedPrediction",
    "diffusion.time_sampling": "LogSignalToNoise=LogSignalToNoiseTimes Spectral=SpectralTimes "
    "Uniform=UniformTimes",
    "diffusion.samplers": "AdaptiveHeun AnnealedLangevin DDIM DPMSolver EulerMaruyama Heun "
    "Multilevel PredictorCorrector StartingFrom",
    "networks": "FNO MLP UNet UNO",
    "training.options": "Level TrainingOptions",
    "data.statistics": "Statistics",
    "data.transforms": "Anomaly Log SquareRoot Standardise",
    "inverse.observations.averages": "Averages",
    "inverse.observations.channel": "Channel",
    "inverse.observations.frames": "Frames",
    "inverse.observations.low_pass": "LowPass",
    "inverse.observations.mask": "Mask",
    "inverse.observations.modes": "Modes",
    "inverse.observations.points": "GridOfPoints Points RandomPoints",
    "inverse.observations.several": "Several",
    "inverse.observations.some": "Some",
    "inverse.conditions.label": "Label=LabelCondition",
    "inverse.conditions.kriging": "Kriging=KrigingCondition",
    "inverse.conditions.regression": "Regression=RegressionCondition",
    "inverse.conditions.ucos": "Combined=CombinedCondition",
    "inverse.guidance.daps": "DecoupledAnnealing",
    "inverse.guidance.dps": "PosteriorSampling",
    "inverse.guidance.moment": "MomentGuidance",
    "inverse.guidance.pigdm": "PseudoinverseGuidance",
    "inverse.guidance.replacement": "Replacement",
    "inverse.guidance.smc": "TwistedSMC",
    "inverse.guidance.wiener": "WienerGuidance",
    "interface.diffusion": "Diffusion",
    "interface.gaussian": "Gaussian",
    "interface.loading": "load",
}
"""Modules, and the names that are public of each; NAME=PUBLIC where it is called otherwise here."""

_WHERE = {
    entry.rpartition("=")[2]: (module, entry.partition("=")[0])
    for module, entries in _NAMES.items()
    for entry in entries.split()
}

__all__ = sorted(_WHERE)


def __getattr__(name: str) -> Any:
    """A public name, imported now."""
    if name not in _WHERE:
        raise AttributeError(f"module 'fsdiff' has no attribute '{name}'")
    module, original = _WHERE[name]
    found = getattr(importlib.import_module(f"{__name__}.{module}"), original)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """The public names."""
    return [*__all__, "__version__"]
