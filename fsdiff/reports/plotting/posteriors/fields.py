"""Posteriors of one case beside truth, data and reference, whatever the axes are."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from fsdiff.reports.plotting.posteriors.curves import curves
from fsdiff.reports.plotting.posteriors.planes import planes
from fsdiff.reports.plotting.posteriors.scene import Ensemble, Scene
from fsdiff.reports.plotting.posteriors.strips import strips


def posterior_fields(scene: Scene, shown: Sequence[Ensemble]) -> Figure:
    """Curves of functions on a line, panels of those on a plane, strips of frames of all others."""
    draw = {1: curves, 2: planes, 3: strips}[len(scene.axes)]
    return draw(scene, shown)
