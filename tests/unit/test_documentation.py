"""What pages for people name exists: modules, files, tests, links, commands, public names."""

import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import fsdiff
from fsdiff.provenance import PACKAGE

ROOT = PACKAGE.parent
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    *sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").rglob("*.md")),
]


@cache
def text(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def found(pattern: str, *pages: str) -> set[tuple[str, str]]:
    """What fits a pattern, with the page that it stands in."""
    return {(page, name) for page in pages or PAGES for name in re.findall(pattern, text(page))}


def exists(name: str) -> bool:
    """Whether a dotted name is a module, or an attribute of one."""
    module, *rest = name.split(".")
    thing = importlib.import_module(module)
    for part in rest:
        if not hasattr(thing, part):
            try:
                importlib.import_module(f"{module}.{part}")
            except ModuleNotFoundError:
                return False
        thing, module = getattr(thing, part), f"{module}.{part}"
    return True


def test_modules_and_names_can_be_imported():
    names = found(r"(?<![\w/])fsdiff(?:\.[A-Za-z_]\w*)+(?!\w|/)")
    assert len(names) > 20
    assert [entry for entry in sorted(names) if not exists(entry[1])] == []


def test_public_names_are_public():
    names = found(r"\bfs\.([A-Za-z_]\w*)")
    assert len(names) > 5
    assert [entry for entry in sorted(names) if entry[1] not in dir(fsdiff)] == []


def test_files_exist(examples):
    below = r"`((?:fsdiff|workflow|tests|configs|benchmarks|docs|profiles|examples)/[\w./-]+)`"
    names = {entry for entry in found(below) if entry[1] not in examples}
    tests = {(page, f"tests/{name}") for page, name in found(r"`((?:unit|faults)/[\w./-]+\.py)`")}
    assert len(tests) > 20
    assert [(page, name) for page, name in sorted(names | tests) if not placed(name)] == []


def placed(name: str) -> bool:
    """Whether a file of the repository, or one that a test of the workflow has, is there."""
    return (ROOT / name).exists() or (ROOT / "tests" / name).exists()


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    broken = [target for target in links(page) if not reached(page, target)]
    assert broken == []


def links(page: str) -> Iterator[str]:
    """Targets of links within the repository."""
    for target in re.findall(r"\]\(([^)\s]+)\)", text(page)):
        if not target.startswith(("http://", "https://")):
            yield target


def reached(page: str, target: str) -> bool:
    """Whether the file of a link is there, and the heading in it."""
    path, _, anchor = target.partition("#")
    file = (ROOT / page).parent / path if path else ROOT / page
    if not file.exists():
        return False
    return not anchor or anchor in headings(file)


def headings(file: Path) -> set[str]:
    """The anchors of a page, as GitHub makes them."""
    outside = re.sub(r"```.*?```", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", outside, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}


def test_commands_are_known():
    from fsdiff.study.__main__ import main

    commands = found(r"python -m fsdiff\.study (\S+?)[\s`]")
    assert {name for _, name in commands} >= {"check", "clean", "adopt"}
    for _, name in commands:
        assert name in {"check", "clean", "adopt", "--schema", "--reference"}
    with pytest.raises(SystemExit):
        main(["verify", "config.yaml"])
    scripts = found(r"python (benchmarks/\w+\.py)") | found(r"python (examples/\w+\.py)")
    assert [script for _, script in sorted(scripts) if not (ROOT / script).exists()] == []


SMALLER = {
    "basis, 64, indices=range(200)": "basis, 16, indices=range(12)",
    "resolution=32, epochs=10": "resolution=8, epochs=1",
    "resolution=64, epochs=2": "resolution=16, epochs=1",
    "steps=20": "steps=2",
    "n=128": "n=24",
    'fs.FNO(basis="cosine")': 'fs.FNO(basis="cosine", width=4, modes=2)',
}


def test_the_library_is_used_as_the_readme_says(tmp_path):
    (code,) = [block for block in blocks("README.md") if "import fsdiff" in block]
    for old, new in SMALLER.items():
        assert old in code
        code = code.replace(old, new)
    told = "\nprint(tuple(samples.fields.shape), samples.network_evaluations)"
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", code + told],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "(4, 1, 24, 24) 2.0"


def blocks(page: str) -> list[str]:
    """The blocks of Python of a page."""
    return re.findall(r"```python\n(.*?)```", text(page), re.DOTALL)
