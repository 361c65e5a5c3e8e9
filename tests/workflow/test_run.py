"""The whole tiny workflow: its results, its report, and what happens when it is killed."""

import base64
import html
import json
import math
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import xarray as xr
from checkout import Checkout, flip_a_bit

from fsdiff.reports import tables
from fsdiff.reports.verdicts import multiple

pytestmark = pytest.mark.workflow

WEIGHTS = "results/models/multilevel/seed0/16.safetensors"


def test_nothing_is_left_to_be_done(finished: Checkout) -> None:
    assert finished.planned() == {}


def test_shards_are_removed_once_merged(finished: Checkout) -> None:
    assert not list(finished.root.glob("results/data/*/shards/*.nc"))


@pytest.mark.parametrize("experiment", ["multilevel", "single_level"])
@pytest.mark.parametrize("resolution", [16, 32])
def test_samples_are_finite_fields_on_the_nodes_of_the_data(
    finished: Checkout, experiment: str, resolution: int
) -> None:
    results = finished.root / "results"
    samples = xr.load_dataset(results / f"samples/{experiment}/seed0/{resolution}.nc")
    data = xr.load_dataset(results / f"data/waves/{resolution}.nc")
    assert samples["field"].shape == (8, 1, resolution, resolution)
    assert np.isfinite(samples["field"].values).all()
    np.testing.assert_allclose(samples["x"], data["x"], rtol=0, atol=1e-12)


def test_summary_has_a_row_for_each_model_and_reference(finished: Checkout) -> None:
    table = tables.read(finished.root / "results/summary.csv")
    models = table[table["row"] == "model"]
    assert sorted(zip(models["experiment"], models["resolution"], strict=True)) == [
        ("multilevel", 16),
        ("multilevel", 32),
        ("single_level", 16),
        ("single_level", 32),
    ]
    references = table[table["row"] != "model"]
    found = set(zip(references["row"], references["resolution"], references["count"], strict=True))
    judged = set(zip(models["resolution"], models["count"], strict=True))
    kinds = ("real", "surrogate", "white_noise")
    assert found >= {(row, n, count) for row in kinds for n, count in judged}
    assert not table["sliced_wasserstein"].isna().any()
    assert all(map(math.isfinite, models.select_dtypes("number").to_numpy().ravel()))
    assert (models["network_evaluations"] == 4).all()
    assert (models["trained_at"] == 32).all()


@pytest.fixture(scope="module")
def report(finished: Checkout) -> str:
    """The page that people open."""
    return (finished.root / "report.html").read_text()


def test_report_holds_all_figures(report: str) -> None:
    for name in ("samples-32.png", "spectra-16.svg", "loss_curves.svg", "summary.html"):
        assert name in report
    assert "<script>alert" not in report
    assert "/etc/passwd" in report
    assert "root:x:0" not in report


def test_first_page_of_the_report_has_the_picture_and_the_verdict(
    finished: Checkout, report: str
) -> None:
    first = json.loads(re.search(r"var workflow_desc = (\".*\");\n", report)[1])
    picture = (finished.root / "results/figures/waves/samples-32.png").read_bytes()
    assert f"data:image/png;base64,{base64.b64encode(picture).decode()}" in first
    said = "times the distance between two sets of real data (one seed); the Gaussian surrogate: "
    assert said in first
    assert "<script>" not in first
    assert ">summary.html</a>" in first


def test_verdict_is_what_the_summary_says(finished: Checkout) -> None:
    table = tables.read(finished.root / "results/summary.csv")
    (count,) = set(table.loc[table["row"] == "model", "count"])
    finest = table[(table["resolution"] == 32) & (table["count"] == count)]
    finest = finest.set_index("row")["one_point_w1"]
    ratios = sorted(finest[["model", "surrogate"]] / finest[["real"]].mean())
    lines = (finished.root / "results/verdict.md").read_text(encoding="utf-8").splitlines()
    shown = [line.split(" | ")[1] for line in lines if line.startswith("|")][2:]
    assert shown == [multiple(ratio) for ratio in ratios]


def test_experiments_of_one_title_have_a_row_each_in_the_table(finished: Checkout) -> None:
    table = tables.read(finished.root / "results/summary.csv")
    (title,) = set(table.loc[table["row"] == "model", "title"])
    page = (finished.root / "results/figures/summary.html").read_text(encoding="utf-8")
    for name in ("multilevel", "single_level"):
        assert page.count(f"<th>{html.escape(title)} ({name})</th>") == 2


def test_failure_tells_the_reason_in_a_line_and_leaves_the_rest_to_the_log(
    finished: Checkout, tmp_path: Path
) -> None:
    checkout = finished.copy(tmp_path / "checkout")
    data = checkout.root / "results/data/waves/16.nc"
    status = data.stat()
    flip_a_bit(data)
    os.utime(data, ns=(status.st_atime_ns, status.st_mtime_ns))
    code, output = checkout.attempt("--forcerun", "reference", "--until", "reference")
    assert code != 0
    assert "16.nc is damaged or was edited" in output
    assert "Traceback" not in output


def test_what_is_cut_off_after_it_was_recorded_is_made_again(
    finished: Checkout, tmp_path: Path
) -> None:
    checkout = finished.copy(tmp_path / "checkout")
    data = checkout.root / "results/data/waves/16.nc"
    whole, status = data.read_bytes(), data.stat()
    data.write_bytes(whole[: len(whole) // 2])
    os.utime(data, ns=(status.st_atime_ns, status.st_mtime_ns))
    checkout.snakemake("--forcerun", "reference", "--until", "reference")
    assert data.read_bytes() == whole


def test_jobs_ask_for_the_memory_that_many_samples_take(finished: Checkout) -> None:
    def asked(rule: str) -> int:
        code, output = finished.attempt("--dry-run", "--forcerun", rule, "--until", rule)
        assert code == 0, output
        return max(map(int, re.findall(rf"^rule {rule}:$.*?mem_mb=(\d+)", output, re.M | re.S)))

    assert (asked("sample"), asked("evaluate")) == (3000, 3000)

    def many(raw: dict[str, Any]) -> None:
        raw["datasets"]["waves"]["split"]["test"] = 20_000
        raw["defaults"]["samples"]["count"] = 10_000

    with finished.configured(many):
        assert 1000 + 3 * 20_000**2 * 8 / 1e6 < asked("evaluate") < 15_000
        assert asked("sample") == 3000


def test_bad_configuration_stops_before_any_job(finished: Checkout) -> None:
    def misspell(configuration: dict) -> None:
        configuration["experiments"]["multilevel"]["prior"] = {"kind": "bessle"}
        configuration["datasets"]["waves"]["shards"] = 0

    with finished.configured(misspell):
        code, output = finished.attempt("--cores", "2")
    assert code != 0
    assert "experiments.multilevel.prior" in output
    assert "datasets.waves.shards" in output
    assert "Traceback" not in output
    assert "Job stats" not in output


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("key", ["device", "device_of.data"])
def test_a_missing_gpu_stops_before_any_job(tmp_path: Path, key: str) -> None:
    checkout = Checkout.create(tmp_path / "checkout")

    def ask_for_one(configuration: dict) -> None:
        block, _, work = key.partition(".")
        configuration[block] = {work: "cuda"} if work else "cuda"

    with checkout.configured(ask_for_one):
        code, output = checkout.attempt("--cores", "2")
    assert code != 0
    assert f"{key} = cuda: PyTorch" in output
    assert "Traceback" not in output
    assert "rule simulate:" not in output


@pytest.fixture(scope="module")
def slow(finished: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    """A checkout that has data, trains for longer and saves its state after every epoch."""
    checkout = finished.copy(tmp_path_factory.mktemp("slow") / "checkout")
    shutil.rmtree(checkout.root / "results/models")

    def lengthen(configuration: dict) -> None:
        configuration["experiments"]["multilevel"]["levels"][0]["epochs"] = 60

    old, new = "save_every: float = 20.0", "save_every: float = 0.0"
    with checkout.configured(lengthen), checkout.edited("fsdiff/training/trainer.py", old, new):
        yield checkout


def start_training(checkout: Checkout, *arguments: str) -> subprocess.Popen:
    """Start Snakemake in a session of its own, and wait until training has saved a state."""
    run = subprocess.Popen(
        **checkout.command("--cores", "2", *arguments, "--", WEIGHTS),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    while not list(checkout.root.glob("results/state/[!.]*.safetensors")):  # whole ones
        assert run.poll() is None, "training ended before it saved its state"
        time.sleep(0.05)
    return run


def kill_in_the_middle(checkout: Checkout) -> None:
    """Start training, then kill Snakemake and its jobs."""
    run = start_training(checkout)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()


def test_killed_training_goes_on_and_ends_with_the_same_weights(slow: Checkout) -> None:
    kill_in_the_middle(slow)
    assert not (slow.root / WEIGHTS).exists()

    code, output = slow.attempt("--cores", "2", WEIGHTS)
    assert code != 0
    assert "--unlock" in output
    slow.snakemake("--unlock")

    slow.snakemake("--cores", "2", WEIGHTS)
    log = (slow.root / "logs/train/multilevel/seed0/16.log").read_text()
    assert "resumed at step" in log
    resumed = (slow.root / WEIGHTS).read_bytes()

    slow.snakemake("--cores", "2", "--forcerun", "train", "--", WEIGHTS)
    log = (slow.root / "logs/train/multilevel/seed0/16.log").read_text()
    assert "resumed at step" not in log
    assert (slow.root / WEIGHTS).read_bytes() == resumed


def training_process(checkout: Checkout) -> int:
    """The process in which the script of the rule runs."""
    table = subprocess.run(
        ["ps", "-ww", "-eo", "pid=,args="], capture_output=True, text=True, check=True
    )
    script = rf"{re.escape(str(checkout.root))}/\.snakemake/scripts/\S*train\.py"
    match = re.search(rf"^ *(\d+) \S*python\S* {script}", table.stdout, re.MULTILINE)
    assert match, table.stdout
    return int(match[1])


def test_training_whose_snakemake_was_killed_saves_its_state_and_writes_no_weights(
    slow: Checkout,
) -> None:
    log = slow.root / "logs/train/multilevel/seed0/16.log"
    run = start_training(slow, "--forcerun", "train")
    run.kill()
    run.wait()
    for _ in range(1200):
        if "the Snakemake that started this job" in log.read_text():
            break
        time.sleep(0.1)
    assert "has ended; state saved; the next attempt continues" in log.read_text()
    assert not (slow.root / WEIGHTS).exists()

    def shorten(configuration: dict) -> None:
        configuration["experiments"]["multilevel"]["levels"][0]["epochs"] = 2

    slow.snakemake("--unlock")
    with slow.configured(shorten):
        slow.snakemake("--cores", "2", WEIGHTS)
    sidecar = (slow.root / WEIGHTS).with_suffix(".json")
    assert json.loads(sidecar.read_text())["config"]["level"]["epochs"] == 2


def test_training_that_is_asked_to_stop_is_continued_by_a_retry(slow: Checkout) -> None:
    slow.snakemake("--cores", "2", WEIGHTS)
    undisturbed = (slow.root / WEIGHTS).read_bytes()

    run = start_training(slow, "--retries", "1", "--forcerun", "train")
    os.kill(training_process(slow), signal.SIGTERM)
    assert run.wait() == 0
    log = (slow.root / "logs/train/multilevel/seed0/16.log").read_text()
    assert "resumed at step" in log
    assert (slow.root / WEIGHTS).read_bytes() == undisturbed
