"""Train a diffusion model on an array, draw samples, save the model and load it again.

    python examples/train_on_an_array.py [FOLDER]

The fields are log-normal: positive and skewed, which a Gaussian field with their spectrum is not.
"""

import sys
from pathlib import Path

import torch

import fsdiff as fs

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
torch.set_num_threads(1)

# Any array (samples, channel, y, x) will do, or one without the channel, or an xarray.DataArray.
basis = fs.CosineBasis(2)
law = fs.Matern(smoothness=1.5, length=0.2, reference_resolution=32)
fields = law.sample(basis, 32, range(200), seed=0).div(2).exp().float()

# Noise is a function, too: rougher than the data, and with a finite mean square on every grid.
network = fs.FNO(basis="cosine", width=12, modes=8, layers=2)
model = fs.Diffusion(network, basis=basis, noise=fs.Bessel(shift=8.0, power=0.6))
levels = [
    fs.Level(resolution=16, epochs=10, learning_rate=3e-3),
    fs.Level(resolution=32, epochs=3, learning_rate=1e-3),
]
model.fit(fields, levels, seed=0)
for level, curves in zip(levels, model.history, strict=True):
    first, last = (float(curves["validation_loss"][i, 0]) for i in (0, -1))
    print(f"loss at {level.resolution}: {first:.3f} at first, {last:.3f} at the end")

samples = model.sample(fs.DPMSolver(steps=20), n=32, indices=range(16), seed=1).fields
surrogate = fs.Gaussian(basis).fit(fields).sample(n=32, indices=range(16), seed=1).fields
for name, shown in (("data", fields), ("samples", samples), ("Gaussian surrogate", surrogate)):
    negative = (shown < 0).float().mean()
    print(
        f"{name:19} mean {shown.mean():5.2f}, deviation {shown.std():5.2f}, {negative:4.0%} below 0"
    )

model.save(folder / "model")
again = fs.load(folder / "model")
same = again.sample(fs.DPMSolver(steps=20), n=32, indices=[3], seed=1).fields
print("loaded again it draws the same fields:", bool((same == samples[3:4]).all()))
