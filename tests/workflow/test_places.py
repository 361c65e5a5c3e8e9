"""Folders that shells would take apart, and users that the system does not know."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from checkout import REPOSITORY, Checkout

pytestmark = pytest.mark.workflow

SHARD = "results/data/waves/shards/0-27.nc"
NOBODY = ["unshare", "--user", "--map-user=54321", "--map-group=54321"]


def test_a_job_runs_in_a_folder_with_spaces_and_quotes(tmp_path: Path) -> None:
    """With Python and the checkout there, as in a folder that is kept in step with a server."""
    checkout = Checkout.create(tmp_path / "OneDrive - Univ" / 'Anna\'s "study" $HOME & é')
    environment = checkout.root / "my env"
    environment.symlink_to(sys.prefix)
    (checkout.root / "my study.yaml").write_bytes(checkout.configuration.read_bytes())
    command = checkout.command("--cores", "1", "--notemp", SHARD, "--configfile", "my study.yaml")
    command["args"][0] = str(environment / "bin" / "python")
    done = subprocess.run(**command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (checkout.root / SHARD).exists()


def test_a_folder_that_snakemake_cannot_name_is_refused(tmp_path: Path) -> None:
    checkout, elsewhere = Checkout.create(tmp_path / "study {1}"), tmp_path / "{results}"
    code, output = checkout.attempt("--dry-run", SHARD)
    assert code != 0
    assert "study {1}: Snakemake takes braces in the names of folders for wildcards" in output
    elsewhere.mkdir()
    checkout = Checkout.create(tmp_path / "study")
    code, output = checkout.attempt("--dry-run", SHARD, "--directory", str(elsewhere))
    assert code != 0
    assert "{results}: Snakemake takes braces in the names of folders for wildcards" in output


def test_a_job_runs_for_any_user_of_the_container(tmp_path: Path) -> None:
    """With the variables of the container, who has neither a name nor a home."""
    if subprocess.run([*NOBODY, "true"], capture_output=True, check=False).returncode:
        pytest.skip("unshare cannot make a user without a name here")
    (line,) = re.findall(r"^ENV (.*)$", (REPOSITORY / "Containerfile").read_text(), re.MULTILINE)
    variables = dict(item.split("=") for item in line.split())
    assert {"HOME", "USER", "XDG_CACHE_HOME", "MPLCONFIGDIR"} <= variables.keys()
    checkout = Checkout.create(tmp_path / "study")
    command = checkout.command("--cores", "1", "--notemp", SHARD)
    inherited = {name: command["env"][name] for name in ("PATH", "PYTHONPATH")}
    command["env"] = {
        **inherited,
        **{key: value.replace("/tmp", str(tmp_path), 1) for key, value in variables.items()},
    }
    command["args"][:0] = NOBODY
    done = subprocess.run(**command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (checkout.root / SHARD).exists()
