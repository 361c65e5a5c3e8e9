"""How near samples at 128 x 128 come to real data, from training on coarser grids alone.

Runs ``configs/structure.yaml``, a study of the workflow, and writes ``structure.md`` from its
summary. A run that was stopped goes on where it was.

    python benchmarks/structure.py [--cores 1] [--directory …] [--folder docs/benchmarks]

Takes about a quarter of an hour on one core.
"""

from collections.abc import Iterator

import pandas as pd
from measuring import environment
from moments import DISTANCES, REFERENCES
from report import number, table
from study import run_from_command_line, summary

from fsdiff.reports.plain_text import markdown

KURTOSES = {
    "one_point_kurtosis": "kurtosis of values",
    "gradient_kurtosis": "kurtosis of gradients",
}

PAGE = """\
# Structure at a resolution that training has not seen

Reaction–diffusion states at 128 × 128 nodes, drawn by models that were trained on 32 × 32 and
64 × 64 nodes alone: {count} samples of one seed, {tested} fields that training has not seen.
*Floor* is the distance between two sets of real data of that size, the mean over four divisions of
the test data; in brackets, distances as multiples of it. Distances are in units of the data's
standard deviation. The *Gaussian surrogate* has the data's mean and spectrum and no structure.

{rows}
Made by `python benchmarks/structure.py` in one run: {environment}
"""


def lines(rows: pd.DataFrame) -> Iterator[list[str]]:
    """A row for each model and each reference."""
    floor = rows[rows["row"] == "real"].iloc[0]
    references = REFERENCES | {"real": "floor"}
    for _, row in rows.iterrows():
        model = row["row"] == "model"
        distances = [f"{row[name]:.3f} ({row[name] / floor[name]:.1f})" for name in DISTANCES]
        yield [
            markdown(row["title"]) if model else f"*{references[row['row']]}*",
            number(row["training_seconds"]) if model else "",
            *distances,
            *(f"{row[name]:.2f}" for name in KURTOSES),
        ]


def main() -> None:
    """Run the study, and write the page."""
    study = run_from_command_line(__doc__, ["structure"], "results/summary.csv")
    results = summary(study.results)
    names = [f"{name}:" for name in {**DISTANCES, **KURTOSES}.values()]
    rows = results[results["row"].isin(["model", *REFERENCES])]
    page = PAGE.format(
        count=study.count,
        tested=study.tested(),
        rows=table(" | ".join(["training | s:", *names]), lines(rows)),
        environment=environment(),
    )
    study.write("structure.md", page)


if __name__ == "__main__":
    main()
