"""Values of a field at points of the unit square, from those at cell centres."""

import numpy as np
import torch
from torch import Tensor


class Interpolation:
    """Bilinear interpolation of cell-centred values (batch, n, n) that vanish on the walls.

    ``points`` are (points, 2), coordinates (y, x) in units of the side. Between the outermost
    centres and the walls values fall linearly to zero. Second order.
    ``transpose`` is the transpose in the sum over cells.
    """

    def __init__(self, points: np.ndarray, n: int) -> None:
        self.n = n
        along = np.asarray(points, dtype=np.float64) * n - 0.5
        lower = np.clip(np.floor(along), -1, n - 1).astype(int)
        upper_weight = along - lower
        # In the half cell beside a wall the distance to it is ½, not 1.
        first, last = lower == -1, lower == n - 1
        upper_weight = np.where(first, 2 * upper_weight - 1, upper_weight)
        lower_weight = np.where(last, 1 - 2 * upper_weight, 1 - upper_weight)
        places, weights = [], []
        for y, x in ((0, 0), (0, 1), (1, 0), (1, 1)):
            row, column = lower[:, 0] + y, lower[:, 1] + x
            inside = (row >= 0) & (row < n) & (column >= 0) & (column < n)
            factor_y = upper_weight[:, 0] if y else lower_weight[:, 0]
            factor_x = upper_weight[:, 1] if x else lower_weight[:, 1]
            places.append(np.where(inside, row * n + column, 0))
            weights.append(np.where(inside, factor_y * factor_x, 0.0))
        self.places = torch.from_numpy(np.stack(places))
        self.weights = torch.from_numpy(np.stack(weights))

    def apply(self, u: Tensor) -> Tensor:
        """Values at the points, (batch, points)."""
        flat, weights = u.flatten(1), self.weights.to(u)
        return (flat[:, self.places.to(u.device)] * weights).sum(1)

    def transpose(self, values: Tensor) -> Tensor:
        """Fields (batch, n, n) from weights of the points (batch, points)."""
        spread = (values[:, None] * self.weights.to(values)).flatten(1)
        places = self.places.to(values.device).flatten().expand(len(values), -1)
        flat = values.new_zeros(len(values), self.n**2).scatter_add_(1, places, spread)
        return flat.unflatten(1, (self.n, self.n))
