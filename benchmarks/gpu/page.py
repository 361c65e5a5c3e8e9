"""The page of what ``benchmarks/gpu/run.sh`` has written: tests, throughput, a model.

python benchmarks/gpu/page.py FOLDER [--output docs/benchmarks/gpu.md]
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

sys.path.insert(0, str(Path(__file__).parents[1]))

from report import number, table

from fsdiff.jobs.atomic import atomic

HEAD = """\
# On a GPU

Made by `benchmarks/gpu/run.sh{arguments}` on: {device}. {environment}
Times are wall times, medians once the device has finished.
"""

NETWORKS = """\
## Networks

Steps of training (forward, backward, AdamW) and inference, batches of 16 fields of one channel,
FNOs of width 32 with four layers and 12 modes, in single precision where nothing else is said.
*Plain* is a forty-line FNO in torch, *published* that of published score models. At best is the
time that the operations of the step would take, one by one, at the highest rates measured here:
{bandwidth} GB/s of memory, and products of matrices at {rates} TFLOP/s.
"""

MODEL = """\
## A model at its published size

`{experiment}` of `configs/multilevel_diffusion.yaml`: {fields:,} patterns of reaction and
diffusion, made in {data_seconds:.0f} s on processors, and {steps:,} of {published_steps:,} steps of
training in {seconds:.0f} s ({rate} ms a step), {parameters:,} parameters, validation loss {loss}.
Samples are compared with real fields, and other real fields with the same.
"""


def tests(path: Path) -> str:
    """What passed, failed and was skipped."""
    suite = ElementTree.parse(path).getroot().find("testsuite")
    assert suite is not None
    counts = {key: int(suite.get(key, 0)) for key in ("tests", "failures", "errors", "skipped")}
    passed = counts["tests"] - sum(counts[key] for key in ("failures", "errors", "skipped"))
    failed = [
        f"{case.get('classname')}.{case.get('name')}"
        for case in suite.iter("testcase")
        if case.find("failure") is not None or case.find("error") is not None
    ]
    lines = [
        "## Tests\n",
        "Solvers, priors, training, resumed and compiled training, half precision, one process by "
        "NCCL, samplers, guidance, conditions and metrics, against the processor up to rounding: "
        f"{passed} passed, {len(failed)} failed, {counts['skipped']} were skipped, in "
        f"{float(suite.get('time', 0)):.0f} s.\n",
    ]
    return "\n".join([*lines, *(f"* failed: `{name}`" for name in failed), ""])


def throughput(found: Mapping[str, Any]) -> str:
    """Networks, samplers and solvers."""
    limits = found["ceilings"]
    rates = ", ".join(
        f"{number(rate / 1e12)} in {name}" for name, rate in limits["arithmetic"].items()
    )
    rows = [*found.get("networks", []), *found.get("compiled", [])]
    first = {row["nodes"]: row["training_ms"] for row in reversed(rows) if _is_ours(row)}
    header = (
        "grid | network | training step, ms: | times faster: | inference, ms: | at best, ms: "
        "| of that: | largest | peak MB:"
    )
    parts = [
        NETWORKS.format(bandwidth=f"{limits['bandwidth'] / 1e9:,.0f}", rates=rates),
        table(header, (_network(row, first.get(row["nodes"])) for row in rows)),
        "## Samples\n",
        "20 steps of DPM-Solver++ with that network.\n",
        table(
            "grid | batch: | samples per second:",
            (
                [f"{row['nodes']}²", str(row["batch"]), number(row["samples_per_second"])]
                for row in found.get("samples", [])
            ),
        ),
        "## Solvers\n",
        table(
            "problem | samples: | s:",
            (
                [row["problem"], str(row["batch"]), number(row["seconds"])]
                for row in found.get("solvers", [])
            ),
        ),
    ]
    if found.get("unfinished"):
        parts.append(f"There was no time for all of: {', '.join(found['unfinished'])}.\n")
    return "\n".join(parts)


def _is_ours(row: Mapping[str, Any]) -> bool:
    return row["network"] == "fsdiff"


def _network(row: Mapping[str, Any], ours: float | None) -> list[str]:
    attainable = row.get("attainable_ms")
    largest = [f"{name} {100 * share:.0f} %" for name, share in row.get("largest", [])]
    return [
        f"{row['nodes']}²",
        row["network"],
        number(row["training_ms"]),
        "" if ours is None else number(row["training_ms"] / ours),
        number(row["inference_ms"]),
        "" if attainable is None else number(attainable),
        "" if attainable is None else f"{100 * attainable / row['training_ms']:.0f} %",
        ", ".join(largest),
        f"{row['peak_megabytes']:,.0f}" if "peak_megabytes" in row else "",
    ]


def model(found: Mapping[str, Any]) -> str:
    """How the model was trained and what its samples are like."""
    training = found["training"]
    head = MODEL.format(
        experiment=found["experiment"],
        fields=found["fields"],
        data_seconds=found["data_seconds"],
        rate=number(1e3 * training["seconds"] / max(1, training["steps"])),
        loss=f"{training['validation_loss']:.4g}",
        **{name: training[name] for name in ("steps", "published_steps", "seconds", "parameters")},
    )
    judged: Sequence[Mapping[str, Any]] = found["judged"]
    columns = [f"{row['nodes']}²: | real: |" for row in judged]
    names = judged[0]["model"] if judged else ()
    rows = [
        [name, *(_value(row[of].get(name)) for row in judged for of in ("model", "real"))]
        for name in names
    ]
    costs = [x for row in judged for x in (f"{row['seconds_per_sample']:.3g}", "")]
    rows.append(["seconds per sample", *costs])
    return "\n".join([head, table(" ".join(["metric |", *columns]).rstrip(" |"), rows)])


def _value(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}"


def main() -> None:
    """Write the page of all that is there."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--output", type=Path, help="FOLDER/gpu.md if absent")
    parser.add_argument("--arguments", default="", help="what run.sh was called with")
    options = parser.parse_args()
    folder = options.folder
    measured = _read(folder / "throughput.json")
    parts = [
        HEAD.format(
            arguments=f" {options.arguments}" if options.arguments else "",
            device=measured.get("device", "unknown"),
            environment=measured.get("environment", ""),
        )
    ]
    if (folder / "tests.xml").exists():
        parts.append(tests(folder / "tests.xml"))
    if measured:
        parts.append(throughput(measured))
    if trained := _read(folder / "model.json"):
        parts.append(model(trained))
    with atomic(options.output or folder / "gpu.md") as temporary:
        Path(temporary).write_text("\n".join(parts), encoding="utf-8")


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


if __name__ == "__main__":
    main()
