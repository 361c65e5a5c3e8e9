"""What people try at first, and what they are told."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

import fsdiff as fs
from fsdiff.jobs.devices import DeviceError

N = 8
LEVEL = fs.Level(resolution=N, epochs=1, batch_size=4)
FIELDS = np.random.default_rng(0).standard_normal((6, N))
PARTS = {
    "network": fs.FNO(dimension=1, width=4, modes=2, layers=1, projection=4),
    "basis": fs.FourierBasis(1),
    "noise": fs.Standard(),
}


def model(**parts):
    return fs.Diffusion(**{**PARTS, **parts})


@pytest.fixture(scope="module")
def gaussian():
    return fs.Gaussian(PARTS["basis"]).fit(FIELDS)


@pytest.mark.parametrize("basis", [fs.FourierBasis(1), fs.CosineBasis(1), fs.SineBasis(1)])
@pytest.mark.parametrize("count", [1, 6])
def test_all_fields_can_be_trained_on_in_every_basis(basis, count):
    fitted = model(basis=basis).fit(FIELDS[:count], [LEVEL], validation=0)
    assert fitted.sample(n=N, indices=[0]).fields.isfinite().all()


@pytest.mark.parametrize(
    ("name", "part", "message"),
    [
        ("network", fs.FNO, r"network: give an object, FNO\(\)"),
        ("basis", fs.FourierBasis, r"basis: give an object, FourierBasis\(\)"),
        ("basis", "fourier", "basis = fourier: no Basis"),
        ("noise", fs.Standard, r"noise: give an object, Standard\(\)"),
        (
            "noise",
            1.0,
            r"noise = 1.0: no SpectralPrior; give one, such as fs.Bessel\(\)",
        ),
        ("process", "vp", "process = vp: no GaussianPath; give one, such as"),
        (
            "prediction",
            fs.Standard(),
            "prediction = Standard.*: no Prediction; give one, such as",
        ),
        ("time_sampling", 3, "time_sampling = 3: no TimeSampling; give one, such as"),
        (
            "condition",
            fs.Points(points=((0.2,),)),
            "condition = Points.*: no Condition",
        ),
    ],
)
def test_parts_of_another_kind_are_refused(name, part, message):
    with pytest.raises(ValueError, match=message):
        model(**{name: part})


@pytest.mark.parametrize(
    ("name", "part", "message"),
    [
        ("noise", fs.Bessel(power=-1), "noise: Bessel: power = -1: expected a number > 0"),
        ("noise", fs.Matern(length=-0.1), "noise: Matern: length = -0.1: expected a number > 0"),
        ("noise", fs.Bessel(power=0.2), "power = 0.2: not trace class in 1-D, needs power > 0.25"),
        ("basis", fs.FourierBasis(4), "basis: FourierBasis: dimension = 4: expected one of 1, 2"),
        ("network", fs.FNO(dimension=2), "network: FNO: dimension = 2: the data's dimension is 1"),
        ("network", fs.FNO(modes=(2, 2)), "modes = (2, 2): 2 entries for 1 axes; give one for all"),
    ],
)
def test_values_that_no_configuration_may_have_are_refused(name, part, message):
    """A block is a constructor call, and a constructor call a block."""
    with pytest.raises(ValueError, match=re.escape(message)):
        model(**{name: part})


@pytest.mark.parametrize(
    ("network", "data", "settings", "message"),
    [
        (fs.FNO, (), {"width": 0}, "FNO: width = 0: expected an integer > 0"),
        (fs.FNO, (), {"modes": (3, -1)}, "FNO: modes = [3, -1]"),
        (fs.FNO, (), {"basis": "sine"}, 'FNO: basis = "sine": expected one of "fourier", "cosine"'),
        (fs.UNO, (), {"layers": 2.5}, "UNO: layers = 2.5: expected an integer"),
        (fs.UNet, (), {"dimension": 4}, "UNet: dimension = 4: expected one of 1, 2, 3"),
        (fs.UNet, (), {"multipliers": 2}, "UNet: multipliers = 2: expected a list"),
        (fs.UNet, (), {"multipliers": ()}, "UNet: multipliers = []: expected a list with at least"),
        (fs.FNO, (), {"basis": ()}, "basis: there is none; give one for each axis"),
        (fs.FNO, (1, 0, ()), {}, "FNO: axes = (): give the kind of each axis"),
        (
            fs.MLP,
            (),
            {"activation": "relu"},
            'MLP: activation = "relu": expected one of "tanh", "gelu"',
        ),
        (fs.FNO, (0,), {}, "FNO: channels = 0: expected an integer >= 1"),
        (fs.MLP, (1, -1), {}, "MLP: conditioning_channels = -1: expected an integer >= 0"),
        (
            fs.UNet,
            (1, 0, "periodic"),
            {},
            "axes = 'periodic': give the kind of each",
        ),
    ],
)
def test_networks_are_checked_as_a_configuration_is(network, data, settings, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        network(*data, **settings)


def test_fields_that_a_network_is_not_for_are_refused():
    fields, levels = torch.zeros(3, 2, N), torch.ones(3)
    for kind in (fs.FNO, fs.UNet):
        with pytest.raises(ValueError, match=r"channels=1 is given fields of shape \(3, 2, 8\)"):
            kind(dimension=1)(fields, levels)
        with pytest.raises(ValueError, match=r"noise levels of shape \(1,\) .*: give one for"):
            kind(2, dimension=1)(fields, levels[:1])


class Own(torch.nn.Module):
    """A module that makes something of fields."""

    def __init__(self, make):
        super().__init__()
        self.make, self.factor = make, torch.nn.Parameter(torch.ones(()))

    def forward(self, x, t):
        return self.make(self.factor * x)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x: x.expand(-1, 2, -1), r"Own makes \(2, 2, 8\) of tensors of shape \(2, 1, 8\), "),
        (lambda x: (x,), "Own makes tuple of tensors"),
        (lambda x: x @ torch.ones(3, 3), "fails: .*; it has to take fields .batch, channel, "),
    ],
)
def test_modules_that_make_no_fields_are_refused(make, message):
    """Two channels of one would be compared with it without a word."""
    with pytest.raises(ValueError, match=message):
        model(network=Own(make)).fit(FIELDS, [LEVEL])


def test_a_module_is_for_the_grid_that_it_is_trained_on():
    """Of data on a finer one."""

    def of_grid(n):
        return model(network=Own(lambda x: x @ torch.ones(n, n)))

    fields = np.repeat(FIELDS, 2, axis=1)
    assert of_grid(N).fit(fields, [LEVEL]).history
    with pytest.raises(ValueError, match=r"given tensors of shape \(2, 1, 8\).* fails"):
        of_grid(2 * N).fit(fields, [LEVEL])


def test_parts_of_a_module_that_are_frozen_stay_so():
    module = Own(lambda x: x)
    module.frozen = torch.nn.BatchNorm1d(1).eval()
    network = model(network=module).fit(FIELDS).fitted.method.network
    assert network.training
    assert not network.frozen.training


def test_what_are_no_samples_is_not_labelled(gaussian):
    expected = gaussian.label(torch.from_numpy(FIELDS[:, None]))
    assert gaussian.label(FIELDS[:, None]).equals(expected)
    for wrong in (FIELDS, np.stack([FIELDS, FIELDS], 1)):
        with pytest.raises(ValueError, match=r"samples of shape .*; expected \(samples, 1, x\)"):
            gaussian.label(wrong)


def test_values_of_numpy_are_values_of_a_configuration(tmp_path):
    """In files of models, too."""
    level = fs.Level(resolution=np.int64(N), epochs=np.int32(1), learning_rate=np.float32(1e-3))
    network = fs.FNO(dimension=np.int64(1), width=np.int64(4), modes=(np.int32(2),), layers=1)
    fitted = model(noise=fs.Bessel(power=np.float32(2)), network=network).fit(FIELDS, [level])
    fitted.save(tmp_path / "model")
    assert fs.load(tmp_path / "model").network.settings["modes"] in ((2,), [2])


def test_parts_of_ones_own_check_themselves():
    class Wide(fs.Matern):
        """A prior of another module."""

    assert Wide.__module__ == __name__
    assert (
        model(noise=Wide(length=0.2)).fit(FIELDS).sample(n=N, indices=[0]).fields.isfinite().all()
    )


def test_parts_of_ones_own_are_in_no_file_under_the_name_of_others(tmp_path):
    """A class that derives from another has its kind, and was read as it."""

    class Quiet(fs.VariancePreserving):
        """Half the noise."""

        def noise_variance(self, t, omega_squared):
            return 0.5 * super().noise_variance(t, omega_squared)

    class Lower(fs.Log):
        """Another logarithm."""

    class Line(fs.FourierBasis):
        """Another basis."""

    for parts, place in (
        ({"process": Quiet()}, "process: a model with a Quiet cannot be saved"),
        ({"basis": Line(1)}, "basis: a model with a Line"),
    ):
        fitted = model(**parts).fit(FIELDS)
        with pytest.raises(fs.Error, match=place):
            fitted.save(tmp_path / "model")
    assert not [*tmp_path.iterdir()]
    with pytest.raises(ValueError, match=r"transforms\.all: Lower would be taken for another one"):
        model().fit(np.exp(FIELDS), transforms={"all": Lower()})


def test_a_module_without_parameters_is_not_trained():
    frozen = Own(lambda x: x).requires_grad_(False)
    with pytest.raises(ValueError, match="network: Own has no parameters that can be trained"):
        model(network=frozen).fit(FIELDS, [LEVEL])
    assert model(network=frozen).fit(FIELDS).sample(n=N, indices=[0]).fields.isfinite().all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"levels": [replace(LEVEL, epochs=0)]}, "levels[0]: Level: epochs = 0: expected an"),
        ({"levels": [LEVEL, replace(LEVEL, batch_size=-1)]}, "levels[1]: Level: batch_size = -1"),
        ({"options": fs.TrainingOptions(average_decay=2)}, "average_decay = 2: expected a number"),
        ({"options": {"warmup": 0.1}}, "options = {'warmup': 0.1}: no TrainingOptions"),
        ({"downsampling": "average"}, "downsampling = average: no Downsampling; give one"),
        ({"transforms": fs.Log()}, 'transforms: give one for each channel, such as {"all": fs.'),
        ({"transforms": {"all": "log"}}, "transforms.all = log: no Transform; give one, such as"),
    ],
)
def test_training_is_checked_as_a_configuration_is(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        model().fit(FIELDS, **{"levels": [LEVEL], **options})


def test_samplers_are_checked_as_a_configuration_is():
    for sampler, message in (
        (fs.DDIM(eta=-1), r"sampler: DDIM: eta = -1: expected a number >= 0 and <= 1"),
        (fs.DPMSolver(steps=0), "sampler: DPMSolver: steps = 0: expected an integer >= 2"),
        (fs.Multilevel(sampler=fs.Heun(steps=-3), coarsest=N), "steps = -3: expected an integer"),
    ):
        with pytest.raises(ValueError, match=message):
            model().fit(FIELDS).sample(sampler, n=N, indices=[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"levels": LEVEL}, r"levels: give a list, such as \[fs.Level"),
        ({"levels": [N]}, r"levels: give a list, such as \[fs.Level"),
        ({"levels": [LEVEL, LEVEL]}, r"levels\[1\]: resolution = \d+: levels go coarse to fine"),
        ({"validation": -0.1}, "validation = -0.1: give fields, or the share"),
        ({"validation": 1}, "validation = 1: give fields, or the share"),
        ({"validation": float("nan")}, "validation = nan: give fields, or the share"),
        ({"seed": None}, "seed = None: give an integer, zero or more"),
        ({"seed": -1}, "seed = -1: give an integer, zero or more"),
        ({"seed": 0.5}, "seed = 0.5: give an integer, zero or more"),
    ],
)
def test_what_cannot_be_trained_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        model().fit(FIELDS, **{"levels": [LEVEL], **options})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n": 0}, "n = 0: give the number of nodes along the longest axis"),
        ({"n": (N,)}, r"n = \(8,\): give the number of nodes"),
        ({"n": 8.0}, "n = 8.0: give the number of nodes"),
        ({"seed": None}, "seed = None: give an integer"),
        ({"indices": 4}, r"indices: give one for each sample, such as range\(4\)"),
        ({"indices": [0.5]}, "indices: 0.5 is none: give integers, zero or more"),
        ({"indices": [2, -1]}, "indices: -1 is none"),
    ],
)
def test_what_cannot_be_drawn_is_refused(gaussian, options, message):
    for fitted in (gaussian, model().fit(FIELDS)):
        with pytest.raises(ValueError, match=message):
            fitted.sample(**{"n": N, "indices": [0], **options})


def test_indices_are_numbers_of_any_array(gaussian):
    expected = gaussian.sample(n=N, indices=[1, 2])
    for indices in (range(1, 3), np.array([1, 2]), torch.tensor([1, 2]), (np.int64(1), 2)):
        found = gaussian.sample(n=N, indices=indices)
        assert found.fields.equal(expected.fields)
        assert found.indices == expected.indices


def test_what_cannot_be_observed_is_refused():
    fitted, led = model().fit(FIELDS), {"n": N, "indices": [0], "guidance": fs.WienerGuidance()}
    sensors = fs.Points(points=((0.2,), (0.7,)), noise=0.1)
    with pytest.raises(
        ValueError, match=r"observed = .*: no Observation; give one, such as fs.Points"
    ):
        fitted.sample(**led, observed=({"kind": "points"}, [1.0]))
    with pytest.raises(ValueError, match="data hold complex numbers: give real ones"):
        fitted.sample(**led, observed=(sensors, [1j, 0]))
    with pytest.raises(ValueError, match="data: give an array of real numbers, not a list of str"):
        fitted.sample(**led, observed=(sensors, ["a", "b"]))
    with pytest.raises(ValueError, match="guidance = wiener: no Guidance; give one, such as"):
        fitted.sample(**{**led, "guidance": "wiener"}, observed=(sensors, [1.0, 0.0]))
    with pytest.raises(ValueError, match="sampler = ddim: no Sampler; give one, such as"):
        fitted.sample("ddim", n=N, indices=[0])
    with pytest.raises(ValueError, match="points: give the coordinates of each, such as"):
        fs.Points(points=(0.2, 0.7))


def test_a_gpu_that_is_not_there_is_told(gaussian, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is one")
    gaussian.save(tmp_path / "model")
    for use in (
        lambda: model().fit(FIELDS, [LEVEL], device="cuda"),
        lambda: fs.load(tmp_path / "model", device="cuda"),
    ):
        with pytest.raises(DeviceError, match=r"device = cuda: PyTorch .* sees no GPU"):
            use()


def test_a_model_is_found_by_the_name_of_either_file(gaussian, tmp_path):
    gaussian.save(tmp_path / "model.v1.json")
    expected = gaussian.sample(n=N, indices=[0]).fields
    for name in ("model.v1", "model.v1.json", "model.v1.safetensors"):
        assert fs.load(tmp_path / name).sample(n=N, indices=[0]).fields.equal(expected)
