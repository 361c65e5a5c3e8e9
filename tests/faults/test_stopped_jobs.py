"""Jobs that are killed, or asked to stop, at any moment end with the files of undisturbed ones.

``FAULT_REPETITIONS=100 pytest tests/faults/test_stopped_jobs.py`` stops each job more often than
the few times of an ordinary run; ``FAULT_SEED`` repeats the moments that a failure shows.
"""

import os
import random
import signal
import time

import pytest
from study import RULES, SAME_BYTES, Folder, changed

pytestmark = pytest.mark.faults

REPETITIONS = int(os.environ.get("FAULT_REPETITIONS", "2"))
SEED = int(os.environ.get("FAULT_SEED", random.SystemRandom().randrange(10**6)))
STOPS = 3
"""How often a job is stopped before it may run to its end."""

ALLOWED = {
    signal.SIGKILL: {0, -signal.SIGKILL},
    # Before and after the work the signal ends the process as it does any other.
    signal.SIGTERM: {0, os.EX_TEMPFAIL, -signal.SIGTERM},
}


@pytest.fixture(scope="module")
def seconds(finished: Folder, tmp_path_factory: pytest.TempPathFactory) -> dict[str, float]:
    """How long each job takes where nothing disturbs it; then its file is what it was, too."""
    folder, taken = finished.copy(tmp_path_factory.mktemp("undisturbed")), {}
    expected = finished.digests()
    for rule, file in SAME_BYTES.items():
        taken[rule] = folder.finish(rule)
        name = file.removeprefix("results/")
        assert folder.digests()[name] == expected[name]
    return taken


@pytest.mark.parametrize("number", ALLOWED, ids=lambda number: number.name)
@pytest.mark.parametrize("rule", SAME_BYTES)
def test_a_job_that_is_stopped_at_random_moments_ends_with_the_same_file(
    folder: Folder, seconds: dict[str, float], rule: str, number: signal.Signals
) -> None:
    print(f"FAULT_SEED={SEED}")
    moments = random.Random(f"{SEED} {rule} {number}")
    before = folder.digests()
    outputs = RULES[rule].output.values()
    for _ in range(REPETITIONS):
        for output in outputs:  # as Snakemake does before each attempt
            folder.path(output).unlink()
        for _ in range(STOPS):
            job = folder.start(rule, save_often=True)
            time.sleep(moments.uniform(0, seconds[rule]))
            job.stop(number)
            assert job.wait() in ALLOWED[number], job.screen
            whole = folder.path(SAME_BYTES[rule])
            if whole.exists():  # under its name there is all of it or nothing
                assert (
                    folder.digests()[SAME_BYTES[rule].removeprefix("results/")]
                    == (before[SAME_BYTES[rule].removeprefix("results/")])
                )
        assert folder.run(rule, save_often=True).status == 0
        others = set(outputs) - {SAME_BYTES[rule]}  # these hold times
        assert changed(before, folder.digests(), but=others) == set()
        assert folder.remains() == []


@pytest.mark.parametrize(
    ("rule", "position"),
    [("simulate", "sample"), ("train", "step"), ("sample", "sample")],
)
def test_a_job_that_is_asked_to_stop_says_where_it_did_and_goes_on_from_there(
    folder: Folder, rule: str, position: str
) -> None:
    for output in RULES[rule].output.values():
        folder.path(output).unlink()
    stopped = folder.start(rule, save_often=True)
    while not folder.remains():
        assert stopped.status is None, stopped.screen
        time.sleep(0.01)
    stopped.stop(signal.SIGTERM)
    assert stopped.wait() == os.EX_TEMPFAIL, stopped.screen
    assert f"WARNING: interrupted at {position} " in stopped.screen
    assert "by SIGTERM; state saved; the next attempt continues" in stopped.screen
    resumed = folder.run(rule)
    assert resumed.status == 0, resumed.screen
    assert "resumed " in resumed.log.read_text()
