"""Models that are told classes: which class samples have, and that they are of it."""

import numpy as np
import pytest
import torch
import xarray as xr

import fsdiff as fs
from fsdiff.data.labels import Labels, of_split, with_classes
from fsdiff.data.statistics import Statistics
from fsdiff.inverse.conditions.label import Label
from fsdiff.methods import models
from fsdiff.methods.imitating import Imitating
from fsdiff.parts import described

BASIS, N = fs.CosineBasis(1), 16
WAVE = 2**0.5 * np.cos(np.pi * BASIS.axis_nodes(N)[0])
LABELS = Labels("motion", ("run", "sit", "walk"), (0.5, 0.2, 0.3))


def waves(count=300):
    """Of two classes: a wave, upwards or downwards, beside noise of its tenth."""
    random = np.random.default_rng(0)
    up = random.random(count) < 0.7
    sign = np.where(up, 1.0, -1.0)[:, None]
    noise = 0.1 * random.standard_normal((count, N))
    return xr.DataArray(
        sign * WAVE + noise,
        dims=("sample", "x"),
        coords={"way": ("sample", np.where(up, "up", "down"))},
    )


@pytest.fixture(scope="module")
def trained():
    network = fs.FNO(dimension=1, basis="cosine", width=8, modes=4, layers=1)
    noise = fs.Bessel(power=0.6)
    model = fs.Diffusion(network, basis=BASIS, noise=noise, condition=fs.LabelCondition())
    level = fs.Level(resolution=N, epochs=12, batch_size=32, learning_rate=1e-2)
    return model.fit(waves(), [level], labels="way")


def ways(samples):
    """Whether samples go up."""
    return samples.fields[:, 0].double() @ torch.from_numpy(WAVE) > 0


def test_any_samples_in_a_row_have_the_shares_of_the_classes():
    for seed, first in ((0, 0), (1, 5000)):
        dealt = LABELS.dealt(range(first, first + 100), seed)
        counts = np.bincount(dealt, minlength=3)
        assert np.abs(counts - [50, 20, 30]).max() <= 2
        assert np.array_equal(LABELS.dealt([first + 7], seed), dealt[7:8])
    assert not np.array_equal(LABELS.dealt(range(30), 0), LABELS.dealt(range(30), 1))


def test_labels_are_those_of_the_data_or_those_given():
    labels = Labels.of("digit", np.array([3, 1, 1, 3, 3], np.int8))
    assert labels == Labels("digit", (1, 3), (0.4, 0.6))
    assert labels.numbers([3, 1]).tolist() == [1, 0]
    assert Labels.of("digit", [1, 3], shares=(1, 3)).shares == (1, 3)
    assert Labels.of("digit", [1.0, 3.0, 1.0]).classes == (1, 3)
    with pytest.raises(ValueError, match=r"'digit' = '1' is no class of the .* are of 1, 3"):
        labels.numbers(["1"])
    assert Labels.of("digit", [1, 3], (1, 2, 3), (1, 0, 1)).shares == (1, 0, 1)
    with pytest.raises(ValueError, match="would be of 'digit' = 2, and no training sample is"):
        Labels.of("digit", [1, 3], (1, 2, 3), (1, 1, 1))
    texts = ["0", "01", "b", "0"]  # as a table has them
    assert Labels.of("kind", texts, (1, "b", 0, 7), (1, 1, 1, 0)).classes == ("01", "b", "0", "7")
    assert Labels.of("digit", [1, 3], ("3", "1", "5"), (1, 1, 0)).classes == (3, 1, 5)
    with pytest.raises(ValueError, match="3 shares for 2 classes of 'digit'"):
        labels.with_shares((1, 1, 1))
    with pytest.raises(ValueError, match="name each class once"):
        Labels.of("kind", texts, (1, "b", 0, "1"))
    with pytest.raises(ValueError, match="'digit' = 5 is no class of the training"):
        labels.numbers([5])
    with pytest.raises(ValueError, match="has 1 different values"):
        Labels.of("digit", [1, 1])
    with pytest.raises(ValueError, match="a whole number or a text"):
        Labels.of("digit", [0.5, 1.5])


def test_a_network_is_told_the_class_as_often_as_it_is_not_dropped():
    condition = Label(drop=0.3).of("motion", ["a", "b", "b", "c"])
    made = condition.conditioning(BASIS, Statistics.measure(torch.randn(9, 2, 8), BASIS))
    batch = with_classes(torch.randn(600, 2, 8), torch.arange(600) % 3)
    told = made.drawn(batch, range(600))
    assert told.shape == (600, 3, 8)
    some = told.amax((1, 2)) > 0
    assert abs(float(some.double().mean()) - 0.7) < 0.06
    assert (told[some].argmax(1) == (torch.arange(600) % 3)[some, None]).all()
    assert torch.equal(made.drawn(batch[5:9], range(5, 9)), told[5:9])
    assert torch.equal(made.at(told, 16)[..., 0], told[..., 0])
    assert torch.equal(made.fields_in(batch), batch[:, :2])


def test_the_loss_of_parts_of_a_batch_is_that_of_the_whole(trained):
    method = trained.fitted.method
    batch = with_classes(torch.randn(8, 1, N), torch.arange(8) % 2)

    def loss(part):
        return method.loss(batch, torch.Generator().manual_seed(0), part)

    whole = loss(slice(None))
    torch.testing.assert_close(torch.cat([loss(slice(0, 3)), loss(slice(3, 8))]), whole)
    swapped = method.loss(
        with_classes(batch[:, :1], 1 - batch[:, 1, 0].long()), torch.Generator().manual_seed(0)
    )
    assert not torch.allclose(swapped, whole, rtol=1e-3)


def test_samples_are_of_the_class_that_they_are_told(trained):
    up = trained.sample(n=N, indices=range(20), label="up")
    down = trained.sample(n=2 * N, indices=range(20), label="down")
    assert ways(up).double().mean() >= 0.95
    assert ways(down._replace(fields=down.fields[..., ::2])).double().mean() <= 0.05
    assert up.classes == ("up",) * 20
    dealt = trained.sample(n=N, indices=range(40))
    assert abs(dealt.classes.count("up") - 0.7 * 40) <= 3
    agree = ways(dealt) == torch.tensor([one == "up" for one in dealt.classes])
    assert agree.double().mean() >= 0.95
    alone = trained.sample(n=N, indices=[17])
    assert torch.equal(alone.fields, dealt.fields[17:18])
    assert alone.classes == dealt.classes[17:18]
    assert trained.label(dealt)["way"].values.tolist() == list(dealt.classes)


def test_samples_go_by_their_class_as_much_as_asked(trained):
    asked = {"n": N, "indices": range(6), "label": "up"}
    plain, more = trained.sample(**asked), trained.sample(**asked, guidance_scale=3.0)
    assert more.evaluations[0][N] == 2 * plain.evaluations[0][N]
    assert not torch.equal(more.fields, plain.fields)
    assert torch.equal(trained.sample(**asked).fields, plain.fields)
    for scale, same in ((1.0, True), (0.0, False)):
        drawn = trained.sample(**asked, guidance_scale=scale)
        assert torch.equal(drawn.fields, plain.fields) is same
    method = trained.fitted.method
    told = Label(label="way", classes=("down", "up"), guidance_scale=3.0)
    assert told.of_weights() == Label(label="way", classes=("down", "up"))
    method.conditions.draw_as(told)
    assert torch.equal(trained.sample(**asked).fields, more.fields)
    method.conditions.draw_as(trained.condition)
    with pytest.raises(ValueError, match=r"guidance_scale: Label: guidance_scale = -1"):
        trained.sample(**asked, guidance_scale=-1.0)
    with pytest.raises(ValueError, match=r"guidance_scale = 2: a model that is always told a"):
        Label(drop=0.0, guidance_scale=2.0)
    led = {"observed": (fs.Points(points=((0.5,),), noise=0.1), [0.1])}
    with pytest.raises(ValueError, match="guidance leads to data"):
        trained.sample(n=N, indices=[0], guidance=fs.WienerGuidance(), guidance_scale=2.0, **led)
    untold = fs.Diffusion(trained.network, basis=BASIS, noise=trained.noise)
    with pytest.raises(ValueError, match=r"guidance_scale = 2\.0: this model is told no classes"):
        untold.sample(n=N, indices=[0], guidance_scale=2.0)
    with pytest.raises(ValueError, match="imitations are of their class and no more"):
        Imitating.check_condition(told)


def test_samples_start_from_training_fields_of_the_class_that_they_are_told(tmp_path):
    """The heat equation leaves means alone, which are those of the class: no step mends others."""
    fields = waves(40) + np.where(waves(40)["way"] == "up", 4.0, -4.0)[:, None]
    network = fs.FNO(dimension=1, basis="cosine", width=4, modes=2, layers=1)
    process, told = fs.HeatDissipation(), fs.LabelCondition()
    model = fs.Diffusion(
        network, basis=BASIS, noise=fs.Bessel(power=0.6), process=process, condition=told
    ).fit(fields, [fs.Level(resolution=N, epochs=1)], labels="way")
    start, asked = fs.StartingFrom(law="empirical", sampler=fs.DDIM(steps=3)), {"n": N, "seed": 1}
    drawn = model.sample(start, indices=range(20), **asked)
    assert {*drawn.classes} == {"up", "down"}
    expected = torch.tensor([4.0 if one == "up" else -4.0 for one in drawn.classes])
    torch.testing.assert_close(drawn.fields.mean((1, 2)), expected, atol=0.5, rtol=0)
    (seventh,) = model.sample(start, indices=[7], **asked).fields
    assert torch.equal(seventh, drawn.fields[7])
    down = model.sample(start, indices=range(3), label="down", **asked)
    assert (down.fields.mean((1, 2)) < -3).all()
    model.save(tmp_path / "model")
    loaded, first = fs.load(tmp_path / "model"), fields[:36]  # those that it was trained on
    again = loaded.sample(start, indices=[7], training=first, labels="way", **asked)
    assert torch.equal(again.fields[0], drawn.fields[7])
    with pytest.raises(ValueError, match="labels: give the class of each field"):
        loaded.sample(start, indices=[7], training=first, **asked)
    with pytest.raises(ValueError, match="labels: give the training fields"):
        loaded.sample(start, indices=[7], labels="way", **asked)
    ups = first[first["way"] == "up"]
    with pytest.raises(ValueError, match="no training field is of the class that samples are"):
        loaded.sample(start, indices=[7], label="down", training=ups, labels="way", **asked)
    with pytest.raises(ValueError, match="of all classes, would not be of those that they are"):
        model.sample(fs.DDIM(steps=3), indices=[0], **asked)


def test_files_of_models_have_the_classes(trained, tmp_path):
    trained.save(tmp_path / "model")
    loaded = fs.load(tmp_path / "model")
    assert loaded.condition == Label(
        label="way", classes=("down", "up"), shares=trained.fitted.method.labels.shares
    )
    again, before = (one.sample(n=N, indices=[3], label="down") for one in (loaded, trained))
    assert torch.equal(again.fields, before.fields)


def test_classes_may_be_any_whole_numbers_and_texts_that_can_be_told(tmp_path):
    """What a file of a model could not name is refused before training."""
    model = fs.Diffusion(
        fs.MLP(width=4), basis=BASIS, noise=fs.Bessel(), condition=fs.LabelCondition()
    )
    model.fit(waves(8), [], labels=[-1, 20240731000] * 4)
    model.save(tmp_path / "model")
    loaded = fs.load(tmp_path / "model")
    assert loaded.fitted.method.labels.classes == (-1, 20240731000)
    assert loaded.sample(n=N, indices=[0], label="-1").classes == (-1,)
    for labels in (["up", "down\t"] * 4, np.array([1, 2**63] * 4, np.uint64)):
        with pytest.raises(ValueError, match=r"'label' of the .* classes\[.\] = .*: expected"):
            model.fit(waves(8), [], labels=labels)


def test_data_do_not_lead_models_that_are_always_told_a_class():
    always = Label(drop=0.0).of("way", ["up", "down"])
    made = always.conditioning(BASIS, Statistics.measure(torch.randn(9, 1, 8), BASIS))
    with pytest.raises(ValueError, match="drop = 0: the model is always told a class"):
        made.nothing(8, torch.device("cpu"))


def test_what_does_not_suit_is_refused(trained):
    plain = fs.Gaussian(BASIS)
    with pytest.raises(ValueError, match="this model is told no classes"):
        plain.fit(waves(10), labels="way")
    again = fs.Diffusion(
        trained.network, basis=BASIS, noise=trained.noise, condition=fs.LabelCondition()
    )
    with pytest.raises(ValueError, match="give the class of each field"):
        again.fit(waves(10))
    with pytest.raises(ValueError, match="no such coordinate"):
        again.fit(waves(10), labels="direction")
    with pytest.raises(ValueError, match="place: it is along x, and not along samples"):
        again.fit(waves(N).assign_coords(place=("x", range(N))), labels="place")
    with pytest.raises(ValueError, match="'way' = 'left' is no class"):
        trained.sample(n=N, indices=[0], label="left")
    sensors = fs.Points(points=((0.5,),), noise=0.1)
    with pytest.raises(ValueError, match="knows no other data"):
        trained.sample(n=N, indices=[0], observed=(sensors, [1.0]))
    led = trained.sample(
        n=N, indices=range(3), observed=(sensors, [0.1]), guidance=fs.WienerGuidance()
    )
    assert led.fields.isfinite().all()


def test_imitations_have_a_law_for_each_class():
    fields = torch.from_numpy(waves(40).values)[:, None]
    statistics = Statistics.measure(fields, BASIS)
    labels = waves(40)["way"].values
    condition = Label(shares=(1.0, 1.0)).of("way", labels)
    config = {
        "basis": {"kind": "cosine", "dimension": 1},
        "method": {"kind": "imitating", "imitation": {"kind": "principal_components"}},
        "condition": described(condition),
        "seed": 0,
    }
    method = models.make_method(config, statistics, 0)
    numbers = torch.from_numpy(method.labels.numbers(labels))
    method.prepare(with_classes(statistics.normalise(fields), numbers))
    assert type(method).shapes({"fields": (torch.float32, (40, 2, N))}, config, statistics) == {
        "fields": (torch.float32, (40, 2, N))
    }
    drawn = models.Model(method, statistics, {}).sample(None, N, range(30), 0)
    told = torch.from_numpy(method.labels.dealt(range(30), 0))
    assert torch.equal(ways(drawn).long(), told)
    assert 14 <= told.sum() <= 16
    method.prepare(with_classes(statistics.normalise(fields), torch.zeros(40)))
    with pytest.raises(ValueError, match="no training field is of class 'up'"):
        method.sample(N, range(2), 0, condition=method.conditions.of_class("up", 2, N))


def test_a_data_set_without_labels_is_told():
    data = xr.Dataset({"field": ("sample", [0.0])}, {"split": ("sample", ["train"])})
    with pytest.raises(ValueError, match="no labels 'digit'"):
        of_split(data, "digit", "train")
