"""A copy of the repository in which a tiny workflow runs, is edited and is planned again."""

import atexit
import compileall
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from py_compile import PycInvalidationMode
from tempfile import mkdtemp
from typing import Any

import yaml
from dry_runs import dry_run, run
from warm_jobs import Server

REPOSITORY = Path(__file__).parents[2]
COPIED = ("Snakefile", "workflow", "fsdiff", "profiles", "envs")

FINGERPRINTS = """
import sys
from pathlib import Path
from fsdiff import parts
from fsdiff.provenance import fingerprint
modules = {module for family in parts.FAMILIES for module, _ in parts.kinds(family).values()}
for script in Path(sys.argv[1]).glob("*.py"):
    fingerprint(script=script, modules=modules)
"""
"""Keeps what counts as code in the package, beside what is compiled."""

Change = Callable[[dict[str, Any]], None]
"""Changes a configuration in place."""


def flip_a_bit(path: Path) -> None:
    """Flip one in the middle: among the fields, so that what a file was made from can be read."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@cache
def compiled_package() -> Path:
    """A copy of the package, compiled once for all jobs in all checkouts.

    What is compiled counts as long as the source is the same, not its age: edits and their undoing
    within a second would be missed. So does what else is kept of sources.
    """
    folder = Path(mkdtemp(prefix="fsdiff-")) / "fsdiff"
    atexit.register(shutil.rmtree, folder.parent, ignore_errors=True)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(REPOSITORY / "fsdiff", folder, ignore=ignored)
    by_content = PycInvalidationMode.CHECKED_HASH
    assert compileall.compile_dir(folder, quiet=1, invalidation_mode=by_content)
    environment = {**os.environ, "PYTHONPATH": str(folder.parent), "PYTHONDONTWRITEBYTECODE": ""}
    scripts = REPOSITORY / "workflow" / "scripts"
    command = [sys.executable, "-c", FINGERPRINTS, scripts]
    subprocess.run(command, env=environment, cwd=folder.parent, check=True)
    return folder


class Checkout:
    """The repository's code and the tiny configuration in a folder of their own.

    Snakemake runs in ``root`` and imports the copied package, so both may be edited.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def create(cls, root: Path) -> "Checkout":
        """Copy the repository to ``root``."""
        root.mkdir(parents=True)
        for name in COPIED:
            source = compiled_package() if name == "fsdiff" else REPOSITORY / name
            if source.is_dir():
                shutil.copytree(source, root / name)
            else:
                shutil.copy(source, root / name)
        shutil.copy(REPOSITORY / "tests" / "workflow" / "tiny.yaml", root / "config.yaml")
        return cls(root)

    def copy(self, root: Path) -> "Checkout":
        """Another one with the same results, for tests that damage them."""
        shutil.copytree(self.root, root)
        return Checkout(root)

    @property
    def configuration(self) -> Path:
        """The configuration that Snakemake reads."""
        return self.root / "config.yaml"

    def command(self, *arguments: str) -> dict[str, Any]:
        """What to start for a Snakemake run: keyword arguments for ``subprocess``."""
        environment = {**os.environ, "PYTHONPATH": str(self.root)}
        return {
            "args": [sys.executable, "-m", "snakemake", *arguments],
            "cwd": self.root,
            "env": environment,
        }

    def attempt(self, *arguments: str) -> tuple[int, str]:
        """Run Snakemake; its exit status and all that it printed."""
        if arguments[:1] == ("--dry-run",):
            return dry_run(self.root, *arguments[1:])
        return run(self.root, *arguments, python=Server.of_this_process().program)

    def snakemake(self, *arguments: str) -> str:
        """Run Snakemake and return its output; a failure fails the test and shows the output."""
        code, output = self.attempt(*arguments)
        assert code == 0, output
        return output

    def planned(self, *arguments: str) -> dict[str, int]:
        """How many jobs of each rule a dry run would run."""
        code, output = dry_run(self.root, "--quiet", "reason", *arguments)
        assert code == 0, output
        if "Nothing to be done" in output:
            return {}
        table = re.search(r"^Job stats:\n.*\n[- ]+\n((?:\w+ +\d+\n)+)", output, re.MULTILINE)
        assert table, output
        counts = {rule: int(count) for rule, count in map(str.split, table[1].splitlines())}
        del counts["total"]
        return counts

    def edited(self, file: str, old: str, new: str) -> AbstractContextManager[None]:
        """Replace a piece of text of a file of the repository until the context ends."""
        text = (self.root / file).read_text()
        assert old in text, f"'{old}' is not in {file}"
        return self._with_text(self.root / file, text.replace(old, new))

    def configured(self, change: Change) -> AbstractContextManager[None]:
        """Change the configuration in place until the context ends."""
        configuration = yaml.safe_load(self.configuration.read_text())
        change(configuration)
        return self._with_text(self.configuration, yaml.safe_dump(configuration, sort_keys=False))

    @contextmanager
    def _with_text(self, path: Path, text: str) -> Iterator[None]:
        former = path.read_text()
        path.write_text(text)
        try:
            yield
        finally:
            path.write_text(former)
