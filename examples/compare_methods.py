"""A small study from Python: two priors and the Gaussian surrogate, compared with test data.

    python examples/compare_methods.py

The workflow does this with files, resumes, reports and many processes; here it is a loop.
"""

import torch

import fsdiff as fs
from fsdiff.metrics.densities import OnePointDensity
from fsdiff.metrics.evaluate import evaluate
from fsdiff.metrics.spectra import SpectrumError

torch.set_num_threads(1)

# Log-normal fields on an interval: positive, with large values that a Gaussian field lacks.
basis = fs.FourierBasis(1)
law = fs.Matern(smoothness=1.5, length=0.1, reference_resolution=64)
fields = law.sample(basis, 64, range(600), seed=0).exp().float()
train, test = fields[:400], fields[400:]


def diffusion(noise):
    """A diffusion model with a noise of one's choice."""
    network = fs.FNO(dimension=1, basis="fourier", width=16, modes=16, layers=2)
    return fs.Diffusion(network, basis=basis, noise=noise)


models = {
    "Gaussian surrogate": fs.Gaussian(basis),
    "diffusion, white noise": diffusion(fs.Standard()),
    "diffusion, Bessel noise": diffusion(fs.Bessel(shift=8.0, power=0.6)),
}
metrics = {"values": OnePointDensity(), "spectrum": SpectrumError()}
print(f"{'':26}{'one-point W1':>14}{'log-spectrum error':>20}")
for name, model in models.items():
    trained = isinstance(model, fs.Diffusion)
    levels = [fs.Level(resolution=64, epochs=15, learning_rate=3e-3)] if trained else []
    model.fit(train, levels, seed=0)
    drawn = model.sample(n=64, indices=range(100), seed=1).fields
    normalise = model.fitted.statistics.normalise
    row = evaluate(metrics, normalise(drawn).float(), normalise(test[:100]).float(), basis)
    print(f"{name:26}{row['one_point_w1']:14.3f}{row['log_spectrum_error']:20.3f}")
