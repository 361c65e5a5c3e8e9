"""How much sooner than with the published recipe samples at 128 x 128 are as good.

Runs ``configs/time_to_quality.yaml``, a study of the workflow, and writes ``time_to_quality.md``
and ``time_to_quality.svg`` from its tables. A run that was stopped goes on where it was.

    python benchmarks/time_to_quality.py [--cores 1] [--directory …] [--folder docs/benchmarks]

Takes about 50 minutes on one core. Nothing else should run: times are wall times.
"""

import moments
import pandas as pd
from measuring import environment
from report import table
from study import run_from_command_line

from fsdiff.reports.plain_text import markdown
from fsdiff.reports.plotting.style import save

RESOLUTION = 128
DISTANCES = moments.DISTANCES | {"sw_gaussian_approx": "Gaussian surrogate of SW"}

PAGE = """\
# Time to quality

Reaction–diffusion patterns from white noise, as the published experiments have them, at 128 × 128
nodes: the published recipe for score models on function spaces (trained at 32² or at 128² with the
settings of its code and 200 steps of Euler–Maruyama), and this project's (white noise, Wiener
preconditioning, local differences in the network, training at 32² alone, 20 steps of
DPM-Solver++(2M) on several grids). Both have this project's score network, whose steps take less
time than those of the one it was published with: the published recipe is flattered.

*Time* is that of training and of drawing {wanted} samples, on one core. {count} samples were drawn
for each row, of one seed, and compared with {tested} fields that training has not seen; *real data*
are as many other such fields as samples, the *Gaussian surrogate* as many with the data's mean and
spectrum and no structure. Distances are in units of the data's standard deviation. Spectra are
those of the modes that the noise is made of: cosines for ours; Fourier modes for the published
recipe (*published_patterns*), in which fields jump at the walls.

{rows}
{verdict}

![Distances against time](time_to_quality.svg)

Made by `python benchmarks/time_to_quality.py` in one run: {environment}
"""


def verdict(found: pd.DataFrame) -> str:
    """Each of our models beside the published ones that took ten times as long."""
    published = found[found["dataset"] == "published_patterns"]
    said = []
    for _, ours in found[found["dataset"] == "cosine_patterns"].iterrows():
        title = markdown(ours["title"])
        late = published[published["time"] >= 10 * ours["time"]]
        if late.empty:
            said.append(f"No published row took ten times as long as *{title}*.")
            continue
        better = [name for key, name in DISTANCES.items() if (late[key] > ours[key]).all()]
        ratio = late["time"].min() / ours["time"]
        of_all = f"{len(better)} of {len(DISTANCES)} distances"
        said.append(
            f"*{title}* is nearer to the data in {of_all} ({', '.join(better) or 'none'}) "
            f"than every published row that took ten times as long or more ({ratio:.0f} times)."
        )
    return "\n".join(f"* {line}" for line in said)


def curve(row: pd.Series) -> str:
    """Which moments and models are joined in the figure."""
    published = row["experiment"].startswith("published")
    return f"published recipe, {row['trained_at']:.0f}² only" if published else "ours"


def main() -> None:
    """Run the study, and write the page."""
    targets = ("results/summary.csv", "results/trajectories.csv")
    study = run_from_command_line(__doc__, ["time_to_quality"], *targets)
    found, references = moments.judged(study.results, RESOLUTION)
    found["curve"] = found.apply(curve, axis=1)
    save(moments.draw(found, references, DISTANCES), study.folder / "time_to_quality.svg")
    page = PAGE.format(
        wanted=moments.WANTED,
        count=study.count,
        tested=study.tested(),
        rows=table(moments.header(DISTANCES), moments.lines(found, references, DISTANCES)),
        verdict=verdict(found),
        environment=environment(),
    )
    study.write("time_to_quality.md", page)


if __name__ == "__main__":
    main()
