"""Training: it learns, resumes bit for bit, keeps the best weights, and says what went wrong."""

import itertools
import logging
import math

import numpy as np
import pytest
import torch
from torch import nn

import fsdiff as fs
from fsdiff.diffusion.predictions import Noise
from fsdiff.diffusion.time_sampling import Uniform
from fsdiff.diffusion.validation import ValidationSet
from fsdiff.methods.diffusion import Diffusion
from fsdiff.networks import FNO
from fsdiff.networks.spectral import Transform
from fsdiff.spaces.axes import Axis
from fsdiff.spaces.bases import CosineBasis, FourierBasis
from fsdiff.spaces.boxes import Box
from fsdiff.training.augmentation import check_augmentation, random_symmetry
from fsdiff.training.fields import InMemory
from fsdiff.training.options import Level, TrainingOptions
from fsdiff.training.processes import ALONE
from fsdiff.training.trainer import Trainer, TrainingError

BASIS = CosineBasis(2)
N, COUNT = 16, 48


def two_states(n=N, count=COUNT, first=0):
    """± one pattern of unit mean square: what is noise in a noisy field is easily told."""
    x = torch.from_numpy(BASIS.nodes(n))
    pattern = 2 * torch.cos(math.pi * x)[:, None] * torch.cos(2 * math.pi * x)
    signs = np.random.default_rng(first).choice([-1.0, 1.0], count)
    return (torch.from_numpy(signs)[:, None, None, None] * pattern).float()


def make_denoiser(tools, seed=0):
    torch.manual_seed(seed)
    network = FNO(width=8, modes=4, layers=2, projection=16, basis="cosine")
    spectrum = BASIS.forward(two_states().double()).abs().square().mean(0)
    return tools.make_denoiser(BASIS, N, network, spectrum=spectrum, prediction=Noise())


def make_trainer(
    tools,
    state=None,
    *,
    options=None,
    seed=0,
    weights=0,
    processes=ALONE,
    validation=None,
    **level,
):
    level = Level(**{"resolution": N, "epochs": 4, "batch_size": 16, "learning_rate": 1e-2} | level)
    options = TrainingOptions(**{"average_decay": 0.9} | (options or {}))
    return Trainer(
        Diffusion(make_denoiser(tools, weights), Uniform()),
        level,
        options,
        data=two_states(),
        validation=validation or {N: two_states(first=1), 24: two_states(24, first=1)},
        seed=seed,
        state_file=state,
        save_every=0.0,
        processes=processes,
    )


def weights_of(trainer):
    return {k: v.clone() for k, v in trainer.method.network.state_dict().items()}


def same(a, b):
    return all(a[k].equal(b[k]) for k in a)


class MadeUp:
    """Validation data with given losses; ``seen`` gets the weights they are asked of."""

    def __init__(self, values, seen, network):
        self.values, self.seen, self.network = iter(values), seen, network

    def __len__(self):
        return 1

    def mean_loss(self):
        self.seen.append({k: v.clone() for k, v in self.network.state_dict().items()})
        return next(self.values)


def make_up(trainer, losses):
    """Give the trainer these losses, {resolution: values}; a list of the weights it had then."""
    seen = []
    network = trainer.method.network
    trainer.validation = {n: MadeUp(values, seen, network) for n, values in losses.items()}
    return seen


# Learning


def test_it_learns(tools):
    trainer = make_trainer(tools, epochs=12)
    curves = trainer.run()
    loss = curves["validation_loss"].sel(resolution=N).values
    # ‖F − η‖² of a network that says almost nothing is ‖η‖² = tr Q.
    assert loss[0] == pytest.approx(trainer.method.denoiser.law.noise.trace(BASIS, N), rel=0.25)
    assert loss[-1] < 0.2 * loss[0]
    assert float(curves["training_loss"][-1]) < 0.2 * float(curves["training_loss"][1])
    finer = curves["validation_loss"].sel(resolution=24).values
    assert finer[-1] < 0.2 * finer[0]
    assert list(curves["epoch"].values) == list(range(13))
    assert curves.attrs["steps"] == 12 * 3
    assert math.isnan(curves["training_loss"][0])


def test_no_loss_is_told_of_no_validation_fields(tools, caplog):
    trainer = make_trainer(tools, epochs=1)
    trainer.validation = {N: trainer.method.validation(two_states()[:0])}
    trainer.validated = False
    with caplog.at_level(logging.INFO):
        trainer.run()
    assert any(line.endswith(", validation of no fields") for line in caplog.messages)


def test_the_network_ends_with_the_best_validated_weights(tools):
    """The best loss is that of the level's own resolution; both are made up here."""
    made_up = {N: [5.0, 3.0, 1.0, 2.0, 4.0], 24: [5.0, 4.0, 3.0, 2.0, 1.0]}
    trainer = make_trainer(tools, epochs=4)
    seen = make_up(trainer, made_up)
    curves = trainer.run()
    assert curves.attrs["best_epoch"] == 2
    assert curves.attrs["best_loss"] == 1.0
    assert len(seen) == 10
    assert same(weights_of(trainer), seen[4])
    assert not same(seen[4], seen[2])
    assert not same(seen[4], seen[6])


def test_the_recorded_loss_is_that_of_the_weights_kept(tools):
    trainer = make_trainer(tools, epochs=3)
    curves = trainer.run()
    again = trainer.method.validation(two_states(first=1)).mean_loss()
    assert again == pytest.approx(curves.attrs["best_loss"], rel=1e-6)


def test_validation_epochs_are_chosen(tools):
    curves = make_trainer(tools, epochs=5, options={"validate_every": 2}).run()
    assert list(curves["epoch"].values) == [0, 2, 4, 5]


@pytest.mark.parametrize(("patience", "last", "best"), [(1, 3, 2), (2, 6, 4), (3, 7, 4), (4, 7, 4)])
def test_a_level_ends_when_its_patience_does(tools, patience, last, best):
    """That many losses in a row that are no new minimum; equal ones are none."""
    losses = [5.0, 4.0, 3.0, 3.0, 2.0, 2.5, 2.1, 2.0]
    trainer = make_trainer(tools, epochs=7, patience=patience)
    seen = make_up(trainer, {N: losses, 24: reversed(losses)})
    curves = trainer.run()
    assert list(curves["epoch"].values) == list(range(last + 1))
    assert curves.attrs["steps"] == 3 * last
    assert curves.attrs["best_epoch"] == best
    assert same(weights_of(trainer), seen[2 * best])


def test_patience_counts_validations_not_epochs(tools):
    trainer = make_trainer(tools, epochs=9, patience=2, options={"validate_every": 2})
    make_up(trainer, {N: [5.0, 4.0, 4.5, 4.2, 1.0], 24: [1.0] * 5})
    curves = trainer.run()
    assert list(curves["epoch"].values) == [0, 2, 4, 6]
    assert curves.attrs["best_epoch"] == 2


def test_impatient_levels_take_the_steps_that_patient_ones_do(tools, tmp_path):
    """And one that has ended is not continued."""
    state = tmp_path / "state.safetensors"
    level = {"epochs": 40, "learning_rate": 0.1, "options": {"schedule": "constant", "warmup": 0.0}}
    curves = make_trainer(tools, state, patience=2, **level).run()
    last = int(curves["epoch"][-1])
    assert 2 < last < 40
    patient = make_trainer(tools, **level | {"epochs": last}).run()
    assert patient.drop_vars("seconds").identical(curves.drop_vars("seconds"))
    again = make_trainer(tools, state, patience=2, **level)
    again.method.loss = None
    assert again.run().identical(curves)


# The same steps


def test_seeds_decide_the_steps(tools):
    """The same seed gives the same weights whatever the global generator; another seed others."""
    first = make_trainer(tools)
    first.run()
    second = make_trainer(tools)
    torch.manual_seed(99)
    second.run()
    third = make_trainer(tools, seed=1)
    third.run()
    assert same(weights_of(first), weights_of(second))
    assert not same(weights_of(first), weights_of(third))


class Killed(BaseException):
    """As a signal would, from inside a step."""


@pytest.mark.parametrize("step", [0, 2, 7, 10])
@pytest.mark.parametrize("validate_every", [1, 2])
def test_a_resumed_run_equals_an_undisturbed_one(
    tools, tmp_path, monkeypatch, step, validate_every
):
    options = {"validate_every": validate_every, "augmentation": "square", "weight_decay": 0.01}
    undisturbed = make_trainer(tools, options=options, epochs=5)
    expected = undisturbed.run()

    state = tmp_path / "state.safetensors"
    killed = make_trainer(tools, state, options=options, epochs=5)
    calls = iter(range(1000))
    loss = killed.method.loss

    def interrupted(*arguments, **options):
        if next(calls) == step:
            raise Killed
        return loss(*arguments, **options)

    monkeypatch.setattr(killed.method, "loss", interrupted)
    with pytest.raises(Killed):
        killed.run()
    assert state.exists() == (step > 0)

    resumed = make_trainer(tools, state, options=options, epochs=5, weights=7)
    if not state.exists():
        resumed = make_trainer(tools, state, options=options, epochs=5)
    found = resumed.run()
    assert same(weights_of(resumed), weights_of(undisturbed))
    assert found.drop_vars("seconds").identical(expected.drop_vars("seconds"))


def test_a_finished_run_is_not_trained_again(tools, tmp_path):
    state = tmp_path / "state.safetensors"
    first = make_trainer(tools, state)
    first.run()
    again = make_trainer(tools, state, weights=7)
    again.method.loss = None
    again.run()
    assert same(weights_of(first), weights_of(again))


def test_state_is_written_whole(tools, tmp_path):
    trainer = make_trainer(tools, tmp_path / "state.safetensors")
    trainer.run()
    assert [path.name for path in tmp_path.iterdir()] == ["state.safetensors"]


# Steps


def rates(tools, monkeypatch, **arguments):
    trainer = make_trainer(tools, **arguments)
    seen = []
    loss = trainer.method.loss

    def record(*values, **options):
        seen.append(trainer.optimizer.param_groups[0]["lr"])
        return loss(*values, **options)

    monkeypatch.setattr(trainer.method, "loss", record)
    trainer.run()
    return np.array(seen)


def test_learning_rate_rises_linearly_then_falls_along_a_cosine(tools, monkeypatch):
    """30 steps, the first 6 of them warm-up."""
    seen = rates(tools, monkeypatch, epochs=10, learning_rate=0.01, options={"warmup": 0.2})
    k = np.arange(30)
    rise = np.minimum(1, (k + 1) / 6)
    fall = 0.5 * (1 + np.cos(np.pi * np.maximum(0, k - 6) / 24))
    np.testing.assert_allclose(seen, 0.01 * rise * fall, rtol=1e-12)
    assert seen[-1] < 0.01 * 0.01


def test_constant_learning_rate_after_warm_up(tools, monkeypatch):
    options = {"warmup": 0.2, "schedule": "constant"}
    seen = rates(tools, monkeypatch, epochs=5, learning_rate=0.01, options=options)
    np.testing.assert_allclose(seen, [0.01 / 3, 0.02 / 3, *[0.01] * 13])


def test_average_forgets_faster_at_first(tools):
    """After one step the average is w_0 + (1 − d)(w_1 − w_0) with d = min(decay, 2/11)."""
    start = weights_of(make_trainer(tools))
    moved = {}
    for decay in (0.0, 0.1, 0.999):
        trainer = make_trainer(
            tools,
            epochs=1,
            batch_size=COUNT,
            learning_rate=1e-3,
            options={"average_decay": decay, "schedule": "constant", "warmup": 0.0},
        )
        curves = trainer.run()
        assert curves.attrs["best_epoch"] == 1, "the step made it worse: no test"
        after = weights_of(trainer)
        moved[decay] = torch.cat([(after[k] - start[k]).flatten() for k in start])
    # Adam's first step moves every weight by the learning rate, up to its sign and to epsilon.
    assert float(moved[0.0].abs().max()) == pytest.approx(1e-3, rel=1e-2)
    torch.testing.assert_close(moved[0.1], 0.9 * moved[0.0], rtol=1e-3, atol=2e-7)
    torch.testing.assert_close(moved[0.999], 9 / 11 * moved[0.0], rtol=1e-3, atol=2e-7)


def test_batches_cover_the_data_once_an_epoch(tools, monkeypatch):
    trainer = make_trainer(tools, epochs=2)
    numbered = torch.arange(COUNT).view(-1, 1, 1, 1).expand(COUNT, 1, N, N).float()
    trainer.data = InMemory(numbered)
    seen = []

    def record(data, random, part, **options):
        seen.append(data[:, 0, 0, 0].tolist())
        return (trainer.method.network.project[-1].bias.sum() * 0).expand(len(data))

    monkeypatch.setattr(trainer.method, "loss", record)
    trainer.run()
    assert [len(batch) for batch in seen] == [16] * 6
    first, second = (list(itertools.chain(*part)) for part in (seen[:3], seen[3:]))
    assert sorted(first) == sorted(second) == list(range(COUNT))
    assert first != second


def test_a_batch_is_no_larger_than_the_data(tools):
    curves = make_trainer(tools, epochs=1, batch_size=1000).run()
    assert curves.attrs["steps"] == 1


def test_a_loss_that_is_not_finite_says_what_to_change(tools):
    trainer = make_trainer(tools, learning_rate=1e30, options={"warmup": 0.0})
    with pytest.raises(TrainingError, match=r"nan|inf") as error:
        trainer.run()
    assert "learning_rate (now 1e+30)" in str(error.value)
    assert "step 2 of 12" in str(error.value)
    assert f"at resolution {N}:" in str(error.value)


# Augmentation

WALLS = CosineBasis(2).axes


def test_all_symmetries_of_the_square_occur_equally_often():
    field = torch.arange(2 * 5 * 5, dtype=torch.float32).view(1, 2, 5, 5)
    images = {
        tuple(image.flatten().tolist())
        for turn in range(4)
        for image in (field.rot90(turn, (2, 3)), field.rot90(turn, (2, 3)).flip(3))
    }
    assert len(images) == 8
    count = 4000
    random = torch.Generator().manual_seed(0)
    found = random_symmetry("square", field.expand(count, -1, -1, -1), random, WALLS)
    number = dict.fromkeys(images, 0)
    for image in found:
        number[tuple(image.flatten().tolist())] += 1  # KeyError: not a symmetry
    # Each binomial with mean 500 and standard deviation √(4000·7/64) = 21.
    assert all(abs(value - 500) < 5 * 21 for value in number.values())


def test_symmetries_draw_from_their_generator_and_keep_the_argument():
    fields = torch.randn(6, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    before = fields.clone()
    images = [
        random_symmetry("square", fields, torch.Generator().manual_seed(s), WALLS)
        for s in (0, 0, 1)
    ]
    assert images[0].equal(images[1])
    assert not images[0].equal(images[2])
    assert fields.equal(before)


def test_flips_turn_axes_around_and_not_into_each_other():
    field = torch.arange(6.0).view(1, 1, 2, 3)
    random = torch.Generator().manual_seed(0)
    found = random_symmetry("flips", field.expand(64, -1, -1, -1), random, WALLS)
    expected = [field, field.flip(-1), field.flip(-2), field.flip(-1, -2)]
    images = {tuple(image.flatten().tolist()) for image in found}
    assert images == {tuple(image.flatten().tolist()) for image in expected}
    check_augmentation("flips", [box(nodes=12)], transformed=False)
    with pytest.raises(ValueError, match="the box of the data, x, has one: use none"):
        check_augmentation("flips", [FourierBasis(1)], transformed=False)
    time = Axis(kind="neumann", name="t", nodes=6, held=True)
    series = Box(axes=(time, Axis(kind="periodic", name="x", nodes=8)))
    with pytest.raises(ValueError, match="t × x, one of them is held, as time is: use none"):
        check_augmentation("flips", [series], transformed=False)


def test_reflections_of_periodic_axes_are_those_of_functions_on_every_grid():
    """x ↦ −x takes sin to −sin and cos to cos; the nodes of a grid turned around are others."""
    for n in (4, 8):
        phase = 2 * torch.pi * torch.arange(n) / n
        field = (phase.sin()[:, None] + 2 * phase.cos()).view(1, 1, n, n)
        random = torch.Generator().manual_seed(0)
        found = random_symmetry("flips", field.expand(64, -1, -1, -1), random, FourierBasis(2).axes)
        sines = (found - 2 * phase.cos())[:, 0, :, 0]
        for sine in sines:
            sign = sine[1].sign()
            torch.testing.assert_close(sine, sign * phase.sin())
        assert set(sines[:, 1].sign().tolist()) == {-1.0, 1.0}


def test_vorticity_changes_its_sign_with_reflections():
    """A reflected velocity has the pseudoscalar image of its vorticity as its own."""
    n, waves = 8, 2j * torch.pi * torch.fft.fftfreq(8, 1 / 8)
    generator = torch.Generator().manual_seed(0)
    u, v = torch.randn(2, n, n, generator=generator, dtype=torch.float64)

    def vorticity(u, v):
        """∂v/∂x − ∂u/∂y, fields on (y, x), without the mode that has no derivative on the grid."""
        rates = waves.clone()
        rates[n // 2] = 0
        found = rates * torch.fft.fft2(v) - rates[:, None] * torch.fft.fft2(u)
        return torch.fft.ifft2(found).real

    def reflected(field):
        return field.flip(1).roll(1, 1)

    expected = {
        "x": vorticity(-reflected(u), reflected(v)),
        "diagonal": vorticity(v.T, u.T),
    }
    field = torch.cat([vorticity(u, v)[None], torch.ones(1, n, n)])
    random = torch.Generator().manual_seed(0)
    found = random_symmetry(
        "pseudoscalar",
        field.expand(64, -1, -1, -1),
        random,
        FourierBasis(2).axes,
        channels=1,
    )
    assert (found[:, 1] == 1).all()  # classes, which have no sign
    for image in expected.values():
        assert any(torch.allclose(own, image) for own in found[:, 0])
        assert not any(torch.allclose(own, -image) for own in found[:, 0])


def test_fields_that_are_no_pseudoscalars_keep_their_sign():
    bases = [FourierBasis(2)]
    check_augmentation("pseudoscalar", bases, transformed=False)
    with pytest.raises(ValueError, match="transforms do not keep them: use square"):
        check_augmentation("pseudoscalar", bases, transformed=True)
    fields = torch.randn(8, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    model = fs.Diffusion(
        fs.FNO(basis="fourier", width=4, modes=2, layers=1),
        basis=FourierBasis(2),
        noise=fs.Bessel(),
    )
    turning = fs.TrainingOptions(augmentation="pseudoscalar")
    with pytest.raises(ValueError, match=r"the mean of channel 0 is .* instead of zero"):
        model.fit(fields + 3, options=turning)
    centred = fields - fields.mean()
    model.fit(centred, levels=[fs.Level(resolution=4, epochs=1)], options=turning)


def box(**second):
    """Two axes, of which the second may differ from the first."""
    first = {"kind": "periodic", "name": "t", "nodes": 8, "side": 1.0}
    return Box(axes=(Axis(**first), Axis(**{**first, "name": "x", **second})))


@pytest.mark.parametrize(
    "basis",
    [
        FourierBasis(1),
        box(nodes=12),
        box(side=2.0),
        box(kind="neumann"),
        box(held=True),
    ],
    ids=["line", "nodes", "sides", "walls", "time"],
)
def test_symmetries_that_boxes_do_not_have_are_refused(basis):
    """As many nodes along both axes would let time and space be exchanged without an error."""
    with pytest.raises(ValueError, match="augmentation: square turns the last two axes"):
        check_augmentation("square", [CosineBasis(2), basis], transformed=False)
    check_augmentation("none", [basis], transformed=False)
    check_augmentation("square", [CosineBasis(2), FourierBasis(3), box()], transformed=False)


def test_models_of_lines_are_not_turned():
    """Before, two channels of functions on a line were exchanged at random."""
    model = fs.Diffusion(
        fs.FNO(dimension=1, basis="fourier", width=4, modes=2, layers=1),
        basis=FourierBasis(1),
        noise=fs.Bessel(),
    )
    fields = torch.randn(4, 2, 2, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match="the box of the data, x, has no such two"):
        model.fit(fields, options=fs.TrainingOptions(augmentation="square"))


# Validation


def test_validation_is_the_same_problem_on_every_grid(tools):
    denoiser = make_denoiser(tools)
    coarse, fine = (ValidationSet.of(tools.make_loss(denoiser), two_states(n, 5)) for n in (N, 24))
    assert coarse.t.equal(fine.t)
    torch.testing.assert_close(BASIS.restrict(fine.noise, N), coarse.noise, rtol=0, atol=1e-5)


def test_validation_times_are_stratified_and_noise_has_the_priors_trace(tools):
    denoiser = make_denoiser(tools)
    count = 200
    validation = ValidationSet.of(tools.make_loss(denoiser), two_states(count=count))
    middle = (torch.arange(count, dtype=torch.float64) + 0.5) / count
    expected = tools.make_loss(denoiser).times(middle)
    torch.testing.assert_close(validation.t.sort().values.double(), expected.sort().values)
    assert not validation.t.equal(validation.t.sort().values)
    eigenvalues = denoiser.law.noise.eigenvalues(BASIS, N)
    error = float((2 * eigenvalues.square().sum() / count).sqrt())
    square = float(validation.noise.square().mean())
    assert abs(square - denoiser.law.noise.trace(BASIS, N)) < 5 * error


def test_validation_loss_is_the_mean_of_all_parts(tools, monkeypatch):
    denoiser = make_denoiser(tools)
    validation = ValidationSet.of(tools.make_loss(denoiser), two_states(64, 40))
    with torch.no_grad():
        losses = validation.loss.at(validation.data, validation.t, validation.noise)
    assert 2**17 // 64**2 < 40, "one part: no test"
    assert validation.mean_loss() == pytest.approx(float(losses.mean()), rel=1e-5)
    assert all(p.grad is None for p in denoiser.parameters())


# Precision


def test_networks_learn_in_bfloat16_and_transform_in_float32(tools, monkeypatch):
    seen, analyse = set(), Transform.analyse

    def record(transform, u):
        seen.add(u.dtype)
        return analyse(transform, u)

    monkeypatch.setattr(Transform, "analyse", record)
    trainer = make_trainer(tools, epochs=12, options={"precision": "bfloat16"})
    nodewise, products = set(), torch.baddbmm
    monkeypatch.setattr(
        torch, "baddbmm", lambda a, b, c: nodewise.add(b.dtype) or products(a, b, c)
    )
    curves = trainer.run()
    loss = curves["validation_loss"].sel(resolution=N).values
    assert loss[-1] < 0.25 * loss[0]
    assert torch.bfloat16 in nodewise
    assert seen == {torch.float32}
    assert all(p.dtype == torch.float32 for p in trainer.method.network.parameters())


def test_precision_changes_the_loss_by_its_rounding(tools):
    denoiser, data = make_denoiser(tools), two_states()
    loss = tools.make_loss(denoiser)
    full = loss(data, torch.Generator().manual_seed(0))
    denoiser.precision = torch.bfloat16
    half = loss(data, torch.Generator().manual_seed(0))
    assert half.dtype == torch.float32
    assert not half.equal(full)
    torch.testing.assert_close(half, full, rtol=0.02, atol=1e-3)


def test_training_steps_are_compiled_as_one_graph_and_validation_is_not(tools, monkeypatch):
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(FNO, "compile", lambda self: nn.Module.compile(self, backend=backend))
    compiled = make_trainer(tools, epochs=2, options={"compile": True})
    compiled.run()
    eager = make_trainer(tools, epochs=2)
    eager.run()
    assert len(graphs) == 1
    assert same(weights_of(compiled), weights_of(eager))
