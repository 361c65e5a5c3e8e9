"""Condition a trained model on a few sensors, and compare its draws with kriging.

    python examples/condition_on_sensors.py

Functions of one variable that jump between −1 and 1, seen at eight places with noise. Guidance
leads a model whose training knows nothing of sensors.
"""

import torch

import fsdiff as fs
from fsdiff.inverse.references.kriging import JointGaussian
from fsdiff.metrics.posterior.base import Cases, evaluate
from fsdiff.metrics.posterior.calibration import Coverage, RankedProbabilityScore
from fsdiff.metrics.posterior.moments import Misfit

torch.set_num_threads(1)
n, cases, draws = 64, 12, 20

basis = fs.FourierBasis(1)
law = fs.Matern(smoothness=1.5, length=0.15, reference_resolution=n)
fields = torch.tanh(4 * law.sample(basis, n, range(500 + cases), seed=0)).float()
train, truth = fields[:500], fields[500:]

network = fs.FNO(dimension=1, basis="fourier", width=24, modes=16, layers=3)
model = fs.Diffusion(network, basis=basis, noise=fs.Standard())
model.fit(train, [fs.Level(resolution=n, epochs=20, learning_rate=3e-3)], seed=0)

sensors = fs.RandomPoints(number=8, noise=0.05)
data = sensors.draw(truth, basis, seed=1, indices=range(cases))


def guided(y, seed):
    """Draws of the trained model, given the data."""
    led = {"observed": (sensors, y), "guidance": fs.WienerGuidance()}
    return model.sample(n=n, indices=range(draws), seed=seed, **led).fields


at_sensors = sensors.on(basis, 1, n).forward
kriging = JointGaussian(train, at_sensors(train.double()), sensors.deviations(basis, 1) ** 2)

metrics = {"crps": RankedProbabilityScore(), "coverage": Coverage(), "misfit": Misfit()}
for name, draw in {
    "guided diffusion": guided,
    "kriging": lambda y, seed: kriging.sample(y, range(draws), seed),
}.items():
    drawn = torch.stack([draw(y, case) for case, y in enumerate(data)]).double()
    seen_of_draws = torch.stack([at_sensors(fields) for fields in drawn])
    residuals = (seen_of_draws - data[:, None]) / sensors.noise
    row = evaluate(metrics, Cases(drawn, basis, truth=truth.double(), residuals=residuals))
    print(f"{name}: " + ", ".join(f"{key} {value:.3f}" for key, value in row.items()))
