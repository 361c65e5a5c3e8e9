"""Train on a rectangle with few nodes, draw the same samples on finer grids, and plot them.

    python examples/sample_on_a_finer_grid.py [FOLDER]

A channel that is periodic along x, between walls along y: functions, of which a grid shows a part.
"""

import sys
from pathlib import Path

import torch
from matplotlib.figure import Figure

import fsdiff as fs

folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".")
torch.set_num_threads(1)

channel = fs.Box(
    axes=(
        fs.Axis(kind="neumann", name="y", nodes=16, side=0.5),
        fs.Axis(kind="periodic", name="x", nodes=32),
    )
)
smooth = fs.Matern(smoothness=2.5, length=0.1, reference_resolution=32)
fields = smooth.sample(channel, 32, range(200), seed=0).abs().float()  # far from Gaussian

noise = fs.Bessel(shift=8.0, power=0.6, reference_resolution=32)
network = fs.FNO(basis=("cosine", "fourier"), width=12, modes=(6, 8), layers=2)
model = fs.Diffusion(network, basis=channel, noise=noise)
model.fit(fields, [fs.Level(resolution=32, epochs=6, learning_rate=2e-3)], seed=0)

drawn = {n: model.sample(fs.DPMSolver(steps=10), n=n, indices=range(3)) for n in (32, 64, 128)}
for n, samples in drawn.items():
    shape = " x ".join(map(str, channel.grid(n)))
    print(
        f"on {shape} nodes: mean {samples.fields.mean():.3f}, deviation {samples.fields.std():.3f}"
    )
coarse, fine = drawn[32].fields, channel.restrict(drawn[128].fields, 32)
print(f"the same functions up to {(coarse - fine).std() / coarse.std():.0%} of their deviation")

figure = Figure(figsize=(9, 4.5), layout="constrained")
panels = figure.subplots(3, 3)
for row, (n, samples) in zip(panels, drawn.items(), strict=True):
    for axes, field in zip(row, model.label(samples)["field"][:, 0], strict=True):
        axes.pcolormesh(field["x"], field["y"], field, vmin=0, vmax=float(fields.max()))
        axes.set(aspect="equal", title=" x ".join(map(str, channel.grid(n))))
figure.savefig(folder / "finer_grids.png", dpi=120)
print("drawn in", folder / "finer_grids.png")
