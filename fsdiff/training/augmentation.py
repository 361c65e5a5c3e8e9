"""Random symmetries of training fields."""

import torch
from torch import Tensor


def random_square_symmetry(fields: Tensor, random: torch.Generator) -> Tensor:
    """Each of the fields (batch, channel, n, n) under a random one of the square's 8 symmetries."""
    element = torch.randint(8, (len(fields),), generator=random)
    result = torch.empty_like(fields)
    for code in range(8):
        chosen = element == code
        image = fields[chosen]
        if code & 1:
            image = image.flip(-1)
        if code & 2:
            image = image.flip(-2)
        if code & 4:
            image = image.transpose(-1, -2)
        result[chosen] = image
    return result
