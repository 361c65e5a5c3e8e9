"""Fingerprints: what counts as a change of code, and which files a script reaches."""

import textwrap

import pytest

from fsdiff import provenance
from fsdiff.provenance import (
    PACKAGE,
    WITHOUT_EFFECT,
    dependencies,
    fingerprint,
    package_version,
)

FILES = {
    "__init__.py": '__version__ = "1.0"\n',
    "bases.py": '''
        """Bases."""

        def grid(n):
            """Nodes."""
            # a comment
            return [i / n for i in range(n)]
    ''',
    "priors.py": """
        from typing import TYPE_CHECKING
        import typing

        from toy.bases import grid

        if TYPE_CHECKING:
            from toy.heavy import Heavy
        elif typing.TYPE_CHECKING:
            import toy.heavy
        else:
            import toy.light

        def sample(n):
            return grid(n)
    """,
    "pde/__init__.py": """
        from toy.pde.heat import Heat
        from toy.pde.waves import Wave as Waves
        from .burgers import *

        SPEED = 1.0
    """,
    "pde/heat.py": "from ..bases import grid\n\nclass Heat: pass\n",
    "pde/waves.py": "class Wave: pass\n",
    "pde/burgers.py": "class Burgers: pass\n",
    "light.py": """
        import logging

        logger = logging.getLogger(__name__)
        x = 1

        def check(y):
            logger.warning("%s done", y)
            if y > 2:
                raise ValueError(f"it broke at {y + 1}" + " so far")
    """,
    "heavy.py": "class Heavy: pass\n",
    "other.py": "y = 2\n",
    "study/__init__.py": "import toy.heavy\n",
    "study/searches.py": "z = 3\n",
}

SCRIPT = """
    import numpy as np
    from toy import priors
    from toy.pde import Heat

    def late():
        import toy.other
"""


@pytest.fixture
def root(tmp_path):
    folder = tmp_path / "toy"
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    (tmp_path / "script.py").write_text(textwrap.dedent(SCRIPT))
    return folder


def reached(root, source):
    script = root.parent / "other_script.py"
    script.write_text(source)
    return [name.removeprefix("toy.") for name in dependencies(script=script, root=root)]


def of_script(root):
    return fingerprint(script=root.parent / "script.py", root=root)


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


# What is reached


def test_imports_are_followed_wherever_they_stand(root):
    names = dependencies(script=root.parent / "script.py", root=root)
    assert names == ("toy.bases", "toy.light", "toy.other", "toy.pde.heat", "toy.priors")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import toy.bases", ["bases"]),
        ("import toy.bases as b, toy.light", ["bases", "light"]),
        ("from toy.bases import grid", ["bases"]),
        ("from toy import bases, light", ["bases", "light"]),
        ("from toy.pde import Heat", ["bases", "pde.heat"]),
        ("from toy.pde import Waves", ["pde.waves"]),
        ("from toy.pde import waves", ["pde.waves"]),
        ("from toy.pde.waves import Wave", ["pde.waves"]),
        ("import numpy, toyish.bases", []),
    ],
)
def test_every_way_to_import_resolves_to_the_defining_module(root, source, expected):
    assert reached(root, source) == expected


@pytest.mark.parametrize(
    "source", ["import toy.pde", "from toy.pde import *", "from toy.pde import SPEED"]
)
def test_a_package_that_is_used_as_a_module_counts_with_all_that_it_imports(root, source):
    assert reached(root, source) == ["bases", "pde", "pde.burgers", "pde.heat", "pde.waves"]


def test_modules_count_as_a_script_s_imports_do(root):
    assert dependencies(modules=["toy.pde.heat"], root=root) == ("toy.bases", "toy.pde.heat")


@pytest.mark.parametrize("module", ["toy.study", "toy.study.searches"])
def test_the_configuration_must_not_be_reached(root, module):
    edit(root / "bases.py", "def grid", f"import {module}\n\ndef grid")
    with pytest.raises(ValueError, match=f"toy.bases imports {module}"):
        of_script(root)


def test_modules_that_do_not_exist_are_named(root):
    edit(root / "priors.py", "toy.bases", "toy.gone")
    with pytest.raises(ValueError, match=r"toy\.priors imports toy\.gone, which does not exist"):
        of_script(root)
    with pytest.raises(ValueError, match=r"list of modules imports toy\.absent"):
        fingerprint(modules=["toy.absent"], root=root)


# What counts as a change


def test_a_fingerprint_is_16_hexadecimal_digits(root):
    assert len(of_script(root)) == 16
    assert int(of_script(root), 16) >= 0


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("bases.py", "# a comment", "# another comment, moved"),
        ("bases.py", '"""Nodes."""', '"""Node coordinates,\n    in two lines."""'),
        ("bases.py", '"""Bases."""', ""),
        ("bases.py", "[i / n for i in range(n)]", "[\n    (i / n)\n    for i in range(n)]"),
        ("light.py", "x = 1", 'x = 1\n"""The first letter."""'),
        ("heavy.py", "pass", "weight = 3"),
        ("pde/waves.py", "pass", "speed = 3"),
        ("pde/__init__.py", "1.0", "2.0"),
        ("__init__.py", "1.0", "2.0"),
        ("study/__init__.py", "toy.heavy", "toy.light"),
        ("light.py", "it broke at", "it  broke, alas, at"),
        ("light.py", "so far", "until now: "),
        ("light.py", "%s done", "%s is done"),
        ("../script.py", "    import toy.other", "    # late\n    import toy.other"),
    ],
)  # fmt: skip
def test_what_changes_no_result_changes_no_fingerprint(root, name, old, new):
    before = of_script(root)
    edit(root / name, old, new)
    assert of_script(root) == before


@pytest.mark.parametrize("name", WITHOUT_EFFECT)
def test_what_only_watches_and_tells_changes_no_fingerprint(root, name):
    here = PACKAGE / name
    path = root / name / "any.py" if here.is_dir() else (root / name).with_suffix(".py")
    path.parent.mkdir(exist_ok=True)
    path.write_text("x = 1\n")
    module = ".".join(path.relative_to(root.parent).with_suffix("").parts)
    (root.parent / "script.py").write_text(f"import {module}\n")
    before = of_script(root)
    edit(path, "x = 1", "x = 2")
    assert of_script(root) == before
    assert here.is_dir() or here.with_suffix(".py").exists()


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("bases.py", "i / n", "(i + 0.5) / n"),
        ("bases.py", "def grid(n)", "def grid(n, m=1)"),
        ("light.py", "x = 1", 'x = "1"'),
        ("light.py", "x = 1", "x = 1.0"),
        ("light.py", "{y + 1}", "{y + 2}"),
        ("light.py", "ValueError", "TypeError"),
        ("light.py", 'done", y', 'done", 2 * y'),
        ("pde/heat.py", "pass", "k = 1"),
        ("other.py", "2", "3"),
        ("../script.py", "numpy as np", "numpy"),
        ("../script.py", "import Heat", "import Waves"),
    ],
)
def test_what_may_change_a_result_changes_the_fingerprint(root, name, old, new):
    before = of_script(root)
    edit(root / name, old, new)
    assert of_script(root) != before


def test_the_fingerprint_does_not_depend_on_where_the_package_is(root, tmp_path):
    copy = tmp_path / "elsewhere"
    copy.mkdir()
    root.rename(copy / "toy")
    (copy / "script.py").write_text((tmp_path / "script.py").read_text())
    moved = of_script(copy / "toy")
    (copy / "toy").rename(root)
    assert moved == of_script(root)


def test_a_text_in_an_expression_is_code(root):
    before = of_script(root)
    edit(root / "light.py", "x = 1", "x = 'a docstring is a statement, this is a value'")
    assert of_script(root) != before


# This package


def test_version():
    assert package_version().count(".") == 2


def test_modules_of_this_package_reach_what_they_use():
    assert "fsdiff.spaces.basis" in dependencies(modules=["fsdiff.measures.priors.convolution"])
    assert dependencies(modules=["fsdiff.spaces.bases"]) == (
        "fsdiff.spaces.axes",
        "fsdiff.spaces.bases",
        "fsdiff.spaces.basis",
        "fsdiff.spaces.modes",
        "fsdiff.spaces.trigonometric",
    )
    assert "fsdiff.provenance" in dependencies(modules=["fsdiff.data.storage"])


def test_no_script_reaches_the_configuration():
    scripts = sorted((provenance.PACKAGE.parent / "workflow" / "scripts").glob("*.py"))
    for script in scripts:
        assert not [name for name in dependencies(script=script) if "fsdiff.study" in name]
