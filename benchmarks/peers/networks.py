"""Score networks of others: the published FNO, one as users write it, and those of packages."""

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu


class PublishedFNO(nn.Module):
    """The network that score models on function spaces were published with.

    Inputs are the field, the time and both coordinates; four layers with a full FFT, whose two
    corner blocks of low modes are mixed by complex matrices, beside 1×1 convolutions; GELU between
    them, and a projection through 128 features. Fields are channels first throughout.
    """

    def __init__(self, width: int = 32, modes: int = 12, layers: int = 4) -> None:
        super().__init__()
        self.lift = nn.Linear(4, width)
        self.spectral = nn.ModuleList(_CornerModes(width, modes) for _ in range(layers))
        self.pointwise = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(layers))
        self.project = nn.Sequential(nn.Conv2d(width, 128, 1), nn.GELU(), nn.Conv2d(128, 1, 1))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Fields (batch, 1, n, n) at times (batch,) → the same."""
        axis = torch.linspace(0, 1, x.shape[-1], device=x.device)
        places = torch.stack(torch.meshgrid(axis, axis, indexing="ij")).expand(len(x), -1, -1, -1)
        inputs = torch.cat([x, t.view(-1, 1, 1, 1).expand_as(x), places], dim=1)
        h = self.lift(inputs.movedim(1, -1)).movedim(-1, 1)
        for i, (spectral, pointwise) in enumerate(zip(self.spectral, self.pointwise, strict=True)):
            h = spectral(h) + pointwise(h)
            if i + 1 < len(self.spectral):
                h = gelu(h)
        return self.project(h)


class _CornerModes(nn.Module):
    """Complex matrices for 0 <= k_1 < modes and −modes <= k_1 < 0, with 0 <= k_2 < modes each."""

    def __init__(self, width: int, modes: int) -> None:
        super().__init__()
        self.modes = modes
        shape = (width, width, modes, modes)
        self.weight = nn.ParameterList(
            torch.randn(shape, dtype=torch.complex64) / width for _ in range(2)
        )

    def forward(self, h: Tensor) -> Tensor:
        spectrum = torch.fft.rfft2(h)
        result, low = torch.zeros_like(spectrum), slice(self.modes)
        for rows, weight in zip((low, slice(-self.modes, None)), self.weight, strict=True):
            corner = spectrum[:, :, rows, low]
            result[:, :, rows, low] = torch.einsum("bixy,ioxy->boxy", corner, weight)
        return torch.fft.irfft2(result, s=h.shape[-2:])


class PackagedFNO(nn.Module):
    """``neuralop.models.FNO`` with its defaults, a projection through 128 features, and the time.

    As many modes as the published network: of 24 and 22, the package keeps 24 × 12. Needs the extra
    ``neuralop``.
    """

    def __init__(self, width: int = 32) -> None:
        from neuralop.models import FNO

        super().__init__()
        sizes = {"n_modes": (24, 22), "hidden_channels": width, "projection_channel_ratio": 4}
        self.model = FNO(in_channels=2, out_channels=1, n_layers=4, **sizes)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Fields (batch, 1, n, n) at times (batch,) → the same."""
        return self.model(torch.cat([x, t.view(-1, 1, 1, 1).expand_as(x)], dim=1))


class PlainFNO(nn.Module):
    """The published network, as one who knows torch writes it in forty lines.

    Features are last, so that what is done node by node is one product of matrices, and of the
    spectrum both blocks of low modes are one batch of products.
    """

    def __init__(self, width: int = 32, modes: int = 12, layers: int = 4) -> None:
        super().__init__()
        self.modes, shape = modes, (2 * modes * modes, width, width)
        self.lift = nn.Linear(4, width)
        self.spectral = nn.ParameterList(
            torch.randn(shape, dtype=torch.complex64) / width for _ in range(layers)
        )
        self.pointwise = nn.ModuleList(nn.Linear(width, width) for _ in range(layers))
        self.project = nn.Sequential(nn.Linear(width, 128), nn.GELU(), nn.Linear(128, 1))

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Fields (batch, 1, n, n) at times (batch,) → the same."""
        batch, _, n, _ = x.shape
        axis = torch.linspace(0, 1, n, device=x.device)
        places = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1)
        level = t.view(-1, 1, 1, 1).expand(batch, n, n, 1)
        h = self.lift(torch.cat([x.movedim(1, -1), level, places.expand(batch, n, n, 2)], dim=-1))
        for number, (weight, pointwise) in enumerate(
            zip(self.spectral, self.pointwise, strict=True)
        ):
            h = self._convolved(h, weight) + pointwise(h)
            if number + 1 < len(self.pointwise):
                h = gelu(h)
        return self.project(h).movedim(-1, 1)

    def _convolved(self, h: Tensor, weight: Tensor) -> Tensor:
        batch, n, _, width = h.shape
        m = self.modes
        spectrum = torch.fft.rfft2(h, dim=(1, 2))
        low = torch.cat([spectrum[:, :m, :m], spectrum[:, -m:, :m]], dim=1)
        mixed = torch.bmm(low.flatten(1, 2).movedim(1, 0), weight)
        mixed = mixed.movedim(0, 1).reshape(batch, 2 * m, m, width)
        result = torch.zeros_like(spectrum)
        result[:, :m, :m], result[:, -m:, :m] = mixed[:, :m], mixed[:, m:]
        return torch.fft.irfft2(result, s=(n, n), dim=(1, 2))


class PhysicsNemoFNO(nn.Module):
    """``physicsnemo.models.fno.FNO`` with its defaults but for the sizes, and the time.

    Needs the package nvidia-physicsnemo.
    """

    def __init__(self, width: int = 32, modes: int = 12) -> None:
        from physicsnemo.models.fno import FNO

        super().__init__()
        sizes = {"latent_channels": width, "num_fno_modes": modes, "decoder_layer_size": 128}
        self.model = FNO(in_channels=2, out_channels=1, dimension=2, padding=0, **sizes)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        """Fields (batch, 1, n, n) at times (batch,) → the same."""
        return self.model(torch.cat([x, t.view(-1, 1, 1, 1).expand_as(x)], dim=1))
