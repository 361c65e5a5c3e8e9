"""Draw from the true posteriors of what was observed, as a reference for models."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from tqdm import tqdm

from fsdiff.data import storage
from fsdiff.data.sources.source import Source
from fsdiff.data.storage import Provenance
from fsdiff.inverse.latent.posterior import law_of, posteriors_of
from fsdiff.inverse.references.base import Draws, Reference
from fsdiff.inverse.references.posterior import Posterior
from fsdiff.parts import build
from fsdiff.randomness import generator
from fsdiff.stages.files import state_path
from fsdiff.stages.job import Job
from fsdiff.stages.observed import Observed, labelled
from fsdiff.streams import Stream

logger = logging.getLogger(__name__)


def refer(job: Job, *, observation: Path, output: Path, states: Path) -> None:
    """Draw from the posterior of each case that a file of observations has, one after the other.

    What is drawn is written whether it has converged or not, and says which: attributes
    ``converged``, 1 or 0, and ``remark``. Residuals are those of the functions on their grid, as
    those of models' draws are. An interrupted run leaves its states, one for each case that it has
    begun, in the folder ``states`` and is continued from there.
    """
    config = job["config"]
    source, method = build("source", config["source"]), build("reference", config["reference"])
    operator, basis = build("operator", config["operator"]), source.basis
    observed, n = Observed.read(observation, basis), config["resolution"]
    level = max(n, observed.resolution) if method.finest else n
    found, fields, residuals = [], [], []
    kept = [state_path(job, [observation], states, f"refer-{n}-{i}") for i in observed.samples]
    posterior = posteriors_of(source, operator, level, method.likelihood)
    for case, state in enumerate(kept):
        drawn = _drawn(config, case, observed, posterior(observed.data[case]), method, state)
        physical = _fields(source, level, drawn.fields)
        own = basis.restrict(physical, n) if level > n else physical
        residuals.append(observed.residuals(own, case, operator, basis))
        fields.append(own.float())
        found.append(drawn)
    dataset = labelled(torch.stack(fields), torch.stack(residuals), observed, basis)
    dataset = dataset.assign(
        {
            name: ("case", [getattr(drawn, name) for drawn in found], {"long_name": title})
            for name, title in CONVERGENCE.items()
        }
    )
    remark = _remark(found, observed.samples)
    dataset = dataset.assign_attrs(converged=int(not remark), remark=remark or "none")
    dataset = dataset.assign_attrs(_diagnostics(found, observed.samples))
    title = f"draws of posteriors by '{method.kind}'"
    storage.write(dataset, output, title=title, provenance=Provenance.of_job(job))
    for state in kept:
        state.unlink(missing_ok=True)


CONVERGENCE = {
    "r_hat": "largest R̂ of all quantities",
    "effective_size": "least effective sample size of all quantities",
    "acceptance": "share of proposals that were accepted",
}
"""What a file says of each case, and its long name; not a number where draws are independent."""


def _drawn(
    config: dict[str, Any],
    case: int,
    observed: Observed,
    posterior: Posterior,
    method: Reference,
    state: Path,
) -> Draws:
    """Draws of the latent field of a case."""
    sample, count = observed.samples[case], config["draws"]
    seed = int(generator(config["seed"], Stream.CASE, sample).integers(2**63))
    title = f"case {case + 1} of {len(observed.samples)}"
    with tqdm(total=method.length(count), desc=title, unit="step", disable=None) as bar:
        return method.draw(posterior, count, seed, state=state, progress=bar.update)


def _fields(source: Source, level: int, latent: Tensor) -> Tensor:
    """Physical fields (draw, channel, *grid), float64, of latent ones."""
    made = law_of(source).fields(source, level)
    return torch.cat([made.evaluate(part.double()) for part in latent.split(64)])


def _diagnostics(found: Sequence[Draws], samples: Sequence[int]) -> dict[str, str]:
    """What draws tell besides, a line for each name: "sample 3: 0.31, 0.28; sample 5: 0.30"."""
    lines: dict[str, list[str]] = {}
    for sample, drawn in zip(samples, found, strict=True):
        for name, values in drawn.diagnostics.items():
            numbers = ", ".join(f"{value:.3g}" for value in values)
            lines.setdefault(name, []).append(f"sample {sample}: {numbers}")
    return {name: "; ".join(each) for name, each in lines.items()}


def _remark(found: Sequence[Draws], samples: Sequence[int]) -> str:
    """Why some cases are no reference; empty where all are."""
    for sample, drawn in zip(samples, found, strict=True):
        if not drawn.converged:
            logger.warning("sample %d: %s", sample, drawn.remark)
    pairs = zip(samples, found, strict=True)
    return "; ".join(f"sample {i}: {drawn.remark}" for i, drawn in pairs if not drawn.converged)
