"""Draws of a fitted model that data lead: those of guidance, in the unit of the data."""

import numpy as np
import pytest
import torch
import xarray as xr

import fsdiff as fs
from fsdiff.inverse.guidance.wiener import WienerGuidance
from fsdiff.inverse.observations.physical import Physical
from fsdiff.inverse.references.kriging import JointGaussian

N, LINE = 16, fs.CosineBasis(1)
SENSORS = fs.Points(points=((0.2,), (0.7,)), noise=0.3)
DATA = torch.tensor([7.0, 3.0])
LED = {"observed": (SENSORS, DATA), "guidance": fs.WienerGuidance()}


def waves(count=4000):
    """Gaussian functions of deviation 2 about 5."""
    law = fs.Matern(smoothness=1.5, length=0.2, reference_resolution=N)
    return 5 + 2 * law.sample(LINE, N, range(count), seed=0)


def model(fields, **options):
    """A model whose network says nothing: exact for Gaussian functions."""
    network = fs.FNO(dimension=1, basis="cosine", width=4, modes=2, layers=1)
    made = fs.Diffusion(network, basis=LINE, noise=fs.Standard(), **options).fit(fields)
    with torch.no_grad():
        for weights in made.fitted.method.network.parameters():
            weights.zero_()
    return made


@pytest.fixture(scope="module")
def gaussian():
    return model(waves())


def test_draws_of_gaussian_functions_are_those_of_their_posterior(gaussian):
    drawn = gaussian.sample(fs.DPMSolver(steps=40), n=N, indices=range(2000), **LED).fields
    at_sensors = SENSORS.on(LINE, 1, N).forward
    exact = JointGaussian(waves(), at_sensors(waves()), SENSORS.deviations(LINE, 1) ** 2)
    expected = exact.sample(DATA.double(), range(2000), 0)
    deviation = expected.double().std(0)
    assert (deviation < 1.3).any()  # the data say something
    assert ((drawn.mean(0) - expected.mean(0)) / deviation).abs().max() < 0.15
    np.testing.assert_allclose(drawn.std(0), deviation, rtol=0.08)


def test_draws_are_those_of_the_guided_denoiser(gaussian):
    seen = Physical(observation=SENSORS, statistics=gaussian.fitted.statistics)
    denoiser = WienerGuidance()(gaussian.denoiser, seen, DATA.double(), finest=N)
    direct = fs.DPMSolver()(denoiser, N, [3, 40], 7).fields
    drawn = gaussian.sample(n=N, indices=[3, 40], seed=7, **LED).fields
    assert drawn.equal(gaussian.fitted.statistics.denormalise(direct))
    # Of other data by the same observation, and in double precision.
    other = gaussian.sample(n=N, indices=[3], seed=7, **{**LED, "observed": (SENSORS, DATA + 1)})
    assert not torch.allclose(other.fields, drawn[:1])
    exact = {**LED, "observed": (SENSORS, DATA.numpy().astype(np.float64))}
    assert gaussian.sample(n=N, indices=[3], seed=7, **exact).fields.equal(drawn[:1])


def test_another_fit_leads_another_model():
    twice = model(waves(50))
    before = twice.sample(n=N, indices=[0], **LED).fields
    twice.fit(10 + waves(50))
    assert (twice.sample(n=N, indices=[0], **LED).fields - before).mean() > 1


def test_draws_have_values_where_data_have(gaussian):
    fields = waves(50).clone()
    fields[:, :, 10:] = torch.nan
    sea = model(fields)
    sensors = fs.Mask(resolution=N, share=1.0, noise=0.1)  # all that is at sea
    data = fields[7, 0, :10]
    led = {"observed": (sensors, data), "guidance": fs.WienerGuidance()}
    drawn = sea.sample(n=N, indices=range(50), **led).fields
    assert drawn.isnan()[..., 10:].all()
    assert (drawn[..., :10].mean(0) - data).abs().max() < 0.2


def test_data_are_arrays_of_any_kind(gaussian):
    """Labelled ones, views of others, and with bytes in another order."""
    expected = gaussian.sample(n=N, indices=[3], **LED).fields
    backwards = np.array([3.0, 7.0])[::-1]
    for data in (
        xr.DataArray([7.0, 3.0], dims="datum"),
        backwards,
        backwards.astype(">f4"),
        (7, 3),
    ):
        led = {**LED, "observed": (SENSORS, data)}
        assert gaussian.sample(n=N, indices=[3], **led).fields.equal(expected)


def test_what_is_observed_has_the_names_and_coordinates_of_the_data():
    """Of a labelled array a channel is called by name, and places are those of its axis."""
    depth = 100 + 50 * LINE.axis_nodes(N)[0]
    fields = torch.cat([waves(50), waves(50).flip(0)], 1).numpy()
    names = {"channel": ["salt", "heat"], "x": depth}
    known = model(xr.DataArray(fields, names, dims=("sample", "channel", "x")))
    sensors = fs.Points(points=((110.0,), (135.0,)), noise=0.3, measured="data")
    own = fs.Channel(channel=1, observation=SENSORS)
    drawn = [
        known.sample(n=N, indices=[3], **{**LED, "observed": (seen, DATA)}).fields
        for seen in (own, fs.Channel(channel="heat", observation=sensors))
    ]
    assert drawn[0].equal(drawn[1])
    cold = fs.Channel(channel="cold", observation=sensors)
    with pytest.raises(ValueError, match="channel = cold: no such channel; known: salt, heat"):
        known.sample(n=N, indices=[3], **{**LED, "observed": (cold, DATA)})


def test_what_cannot_be_led_is_refused(gaussian):
    with pytest.raises(ValueError, match=r"this model knows no data: lead it, guidance=fs.Wiener"):
        gaussian.sample(n=N, indices=[0], observed=(SENSORS, DATA))
    with pytest.raises(ValueError, match=r"observed: give a pair, \(observation, data\)"):
        gaussian.sample(n=N, indices=[0], **{**LED, "observed": DATA})
    with pytest.raises(ValueError, match="guidance leads to data: give observed"):
        gaussian.sample(n=N, indices=[0], guidance=fs.WienerGuidance())
    with pytest.raises(ValueError, match="follows the times of a sampler, and adaptive_heun has"):
        gaussian.sample(
            fs.AdaptiveHeun(), n=N, indices=[0], **{**LED, "guidance": fs.DecoupledAnnealing()}
        )
    far = fs.Points(points=((1.2,),), noise=0.3)
    with pytest.raises(ValueError, match="outside of the"):
        gaussian.sample(n=N, indices=[0], **{**LED, "observed": (far, DATA[:1])})
    with pytest.raises(ValueError, match=r"data of shape \(1,\): the observation points has 2"):
        gaussian.sample(n=N, indices=[0], **{**LED, "observed": (SENSORS, DATA[:1])})
    with pytest.raises(ValueError, match="data contain NaN or infinity: observe only what is"):
        gaussian.sample(n=N, indices=[0], **{**LED, "observed": (SENSORS, DATA / 0 * 0)})
