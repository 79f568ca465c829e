"""Functions that make Tensors, against torch: values, dtypes, shapes, flags and errors. Draws: their distributions."""

import numpy as np
import pytest
import torch

from funcvision import eager

CREATIONS = [
    lambda t: t.zeros(2, 3), lambda t: t.zeros((2, 3)), lambda t: t.zeros([2]), lambda t: t.zeros(()),
    lambda t: t.zeros(0), lambda t: t.zeros(size=(2, 3), dtype=t.int32), lambda t: t.zeros(t.Size([2, 1])),
    lambda t: t.ones(3, dtype=t.bool), lambda t: t.ones(2, dtype=t.bfloat16), lambda t: t.ones(2, requires_grad=True),
    lambda t: t.empty(2, 3).zero_(), lambda t: t.empty((2,), dtype=t.int64, pin_memory=False).zero_(),
    lambda t: t.full((2, 3), 5), lambda t: t.full([2], 1.5), lambda t: t.full((2,), True),
    lambda t: t.full((2,), 3, dtype=t.float32), lambda t: t.full((), 2j), lambda t: t.full(size=(2,), fill_value=1.0),
    lambda t: t.full((2,), t.tensor(3.0)), lambda t: t.zeros_like(t.ones(2, dtype=t.int16)),
    lambda t: t.ones_like(t.zeros(2, 3), dtype=t.uint8), lambda t: t.full_like(t.zeros(2), 3),
    lambda t: t.empty_like(t.zeros(2, 3), memory_format=t.preserve_format).zero_(),
    lambda t: t.zeros_like(t.ones(2), requires_grad=True), lambda t: t.empty_strided((2, 3), (1, 2)).zero_(),
    lambda t: t.arange(5), lambda t: t.arange(1, 5), lambda t: t.arange(1, 2, 0.25), lambda t: t.arange(5.0),
    lambda t: t.arange(5, 0, -2), lambda t: t.arange(0), lambda t: t.arange(3, dtype=t.float32),
    lambda t: t.arange(end=3), lambda t: t.arange(0, 3, step=2), lambda t: t.arange(t.tensor(3)),
    lambda t: t.linspace(0, 1, 5), lambda t: t.linspace(0, 10, steps=3, dtype=t.int64), lambda t: t.linspace(1, 1, 1),
    lambda t: t.logspace(0, 2, 3), lambda t: t.logspace(0, 3, 4, base=2), lambda t: t.eye(3),
    lambda t: t.eye(2, 3, dtype=t.int64), lambda t: t.eye(0), lambda t: t.tril_indices(3, 4),
    lambda t: t.triu_indices(3, 2, offset=-1), lambda t: t.triu_indices(2, 2, 1), lambda t: t.tensor(1),
    lambda t: t.tensor(1.5), lambda t: t.tensor(True), lambda t: t.tensor(2j), lambda t: t.tensor([]),
    lambda t: t.tensor([[1, 2], [3, 4]]), lambda t: t.tensor([1, 2.5, True]), lambda t: t.tensor([True, 2]),
    lambda t: t.tensor((1.0, 2.0)), lambda t: t.tensor([t.tensor(1.0), 2]), lambda t: t.tensor([[t.tensor(1), 2]]),
    lambda t: t.tensor(np.array([1, 2], np.int16)), lambda t: t.tensor(np.float32(2)),
    lambda t: t.tensor([1.7], dtype=t.int64), lambda t: t.tensor([1, 0], dtype=t.bool),
    lambda t: t.tensor([1.0], requires_grad=True), lambda t: t.tensor(range(3)),
    lambda t: t.tensor([np.float32(1), np.float32(2)]), lambda t: t.tensor([1.0], dtype=t.half),
    lambda t: t.as_tensor([1, 2]), lambda t: t.as_tensor(np.ones(2, "f")),
    lambda t: t.as_tensor(t.ones(2), dtype=t.int64), lambda t: t.asarray([1.0]),
    lambda t: t.asarray(t.ones(2), copy=True), lambda t: t.asarray([1.0], requires_grad=True),
    lambda t: t.scalar_tensor(3), lambda t: t.from_numpy(np.arange(3, dtype=np.int32) * 2),
    lambda t: t.vander(t.tensor([1.0, 2.0, 3.0])), lambda t: t.vander(t.tensor([1, 2, 3]), N=2, increasing=True),
    lambda t: t.frombuffer(bytearray(b"\x01\x02\x03\x04"), dtype=t.int16, offset=2),
    lambda t: t.frombuffer(bytearray(16), dtype=t.int64, count=1), lambda t: t.ones(2).new_zeros(3),
    lambda t: t.ones(2, dtype=t.int32).new_ones(2, 3), lambda t: t.ones(2).new_full((2,), 3),
    lambda t: t.ones(2).new_tensor([1]), lambda t: t.ones(2).new_zeros((2, 1), dtype=t.int64),
    lambda t: t.ones(2).new_zeros(size=(2,)), lambda t: t.ones(2).new_empty(2, 3).zero_(),
    lambda t: t.ones(2).new_ones(2, requires_grad=True), lambda t: t.where(t.tensor([True, False]), 1.0, 2.0),
    lambda t: t.where(t.tensor([[True, False], [True, True]]))[1], lambda t: t.cat([t.ones(2), t.zeros(1)]),
    lambda t: t.cat((t.ones(1, 2), t.ones(1, 2)), dim=1), lambda t: t.cat([t.ones(1, 2), t.ones(1, 2)], axis=1),
    lambda t: t.stack([t.ones(2), t.zeros(2)], dim=1), lambda t: t.concat([t.ones(1), t.zeros(1)]),
    lambda t: t.cat(tensors=[t.ones(1), t.zeros(1)]), lambda t: t.zeros(2, out=t.ones(2)),
    lambda t: t.arange(3, out=t.zeros(3)), lambda t: t.zeros(2, 3, layout=t.strided),
    lambda t: t.ones(3, device="cpu"), lambda t: t.ones(3, device=t.device("cpu")),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(CREATIONS)))
def test_creation(number):
    ours, theirs = CREATIONS[number](eager), CREATIONS[number](torch)
    if ours.dtype != eager.int64:  # int32 is printed as int64, the default
        assert repr(ours) == repr(theirs)
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert ours.dtype == getattr(eager, str(theirs.dtype).removeprefix("torch."))
    assert (ours.requires_grad, ours.is_leaf) == (theirs.requires_grad, theirs.is_leaf)
    np.testing.assert_allclose(ours.tolist(), theirs.tolist(), rtol=1e-6)


REFUSED = [
    lambda t: t.arange(3, requires_grad=True), lambda t: t.tensor([1], requires_grad=True), lambda t: t.zeros(-1),
    lambda t: t.arange(5, 1), lambda t: t.arange(1, 5, 0), lambda t: t.eye(-1), lambda t: t.zeros((2,), 3),
    lambda t: t.ones(2.5), lambda t: t.linspace(1, 2), lambda t: t.tensor([[1], [1, 2]]), lambda t: t.Tensor(2.5),
    lambda t: t.full((2,)), lambda t: t.zeros(2, unknown=3), lambda t: t.multinomial(t.ones(3), 5),
    lambda t: t.multinomial(t.tensor([1.0, -1.0]), 1), lambda t: t.multinomial(t.zeros(2), 1),
    lambda t: t.bernoulli(t.tensor([1.5])), lambda t: t.zeros(2).uniform_(1, 0), lambda t: t.zeros(2).normal_(0, -1),
    lambda t: t.zeros(2).bernoulli_(2.0), lambda t: t.zeros(2).exponential_(-1.0),
    lambda t: t.zeros(2).geometric_(0.0), lambda t: t.randint(3, 3, (2,)), lambda t: t.arange(3).normal_(),
    lambda t: t.normal(0.0, -1.0, (2,)), lambda t: t.ones(2, requires_grad=True).normal_(),
    lambda t: t.from_numpy([1]), lambda t: t.zeros(2).random_(3, 3),
    lambda t: t.exp(t.ones(2, requires_grad=True), out=t.zeros(2)),
    lambda t: t.exp(t.ones(2), out=t.zeros(2, dtype=t.int64)), lambda t: t.broadcast_shapes((2,), (3,)),
    lambda t: t.Generator().set_state(t.zeros(1, dtype=t.uint8)),
    lambda t: t.zeros(2, 3).fill_diagonal_(1).is_nonzero(), lambda t: t.zeros(2).item(), lambda t: bool(t.zeros(2)),
    lambda t: t.zeros(2, 3).copy_(t.zeros(3, 2)), lambda t: t.zeros(2) + t.zeros(3), lambda t: t.zeros(2)[5],
]  # fmt: skip


def test_windows():
    for name in ("bartlett", "blackman", "hamming", "hann", "kaiser"):
        for periodic in (True, False):
            for length in (0, 1, 2, 7):
                ours = getattr(eager, f"{name}_window")(length, periodic)
                theirs = getattr(torch, f"{name}_window")(length, periodic)
                np.testing.assert_allclose(ours.numpy(), theirs.numpy(), atol=1e-6, err_msg=f"{name} {length}")
    ours, theirs = eager.hamming_window(5, True, 0.6, 0.3), torch.hamming_window(5, True, 0.6, 0.3)
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5)


@pytest.mark.parametrize("number", range(len(REFUSED)))
def test_errors_are_of_torchs_class(number):
    with pytest.raises(Exception) as theirs:  # noqa: PT011
        REFUSED[number](torch)
    with pytest.raises(Exception) as ours:  # noqa: PT011
        REFUSED[number](eager)
    assert ours.type is theirs.type, ours.value


COUNT = 20_000
DRAWS = {
    "rand": lambda t: t.rand(COUNT), "randn": lambda t: t.randn(COUNT),
    "rand_like": lambda t: t.rand_like(t.ones(COUNT)), "randint": lambda t: t.randint(2, 9, (COUNT,)).float(),
    "randint of one": lambda t: t.randint(9, (COUNT,)).float(),
    "randint_like": lambda t: t.randint_like(t.ones(COUNT), 5), "randperm": lambda t: t.randperm(COUNT).float(),
    "randint floats": lambda t: t.randint(3, (COUNT,), dtype=t.float32),
    "normal": lambda t: t.normal(2.0, 3.0, size=(COUNT,)), "normal of means": lambda t: t.normal(t.ones(COUNT), 2.0),
    "normal of both": lambda t: t.normal(t.ones(COUNT), t.full((COUNT,), 0.5)),
    "normal std": lambda t: t.normal(1.0, t.ones(COUNT)), "bernoulli": lambda t: t.bernoulli(t.full((COUNT,), 0.3)),
    "bernoulli p": lambda t: t.bernoulli(t.ones(COUNT), 0.7),
    "multinomial": lambda t: t.multinomial(t.tensor([1.0, 0.0, 3.0]), COUNT, replacement=True).float(),
    "multinomial without": lambda t: t.multinomial(t.ones(COUNT).reshape(1, -1), COUNT).float(),
    "poisson": lambda t: t.poisson(t.full((COUNT,), 4.0)),
    "binomial": lambda t: t.binomial(t.full((COUNT,), 10.0), t.full((COUNT,), 0.3)),
    "normal_": lambda t: t.zeros(COUNT).normal_(1, std=2), "uniform_": lambda t: t.zeros(COUNT).uniform_(-1, 3),
    "bernoulli_": lambda t: t.zeros(COUNT).bernoulli_(0.2),
    "bernoulli_ of": lambda t: t.zeros(COUNT).bernoulli_(t.full((COUNT,), 0.4)),
    "exponential_": lambda t: t.zeros(COUNT).exponential_(2.0), "geometric_": lambda t: t.zeros(COUNT).geometric_(0.4),
    "log_normal_": lambda t: t.zeros(COUNT).log_normal_(0.1, 0.3),
    "cauchy_": lambda t: t.zeros(COUNT).cauchy_(1, 2).clamp(-9, 9), "random_": lambda t: t.zeros(COUNT).random_(7),
    "random_ between": lambda t: t.zeros(COUNT).random_(3, 7),
    "random_ bools": lambda t: t.zeros(COUNT, dtype=t.bool).random_().float(),
}  # fmt: skip


@pytest.mark.parametrize("name", DRAWS)
def test_distributions_of_draws(name):
    for module in (eager, torch):
        module.manual_seed(1)
    ours, theirs = DRAWS[name](eager), DRAWS[name](torch)
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert ours.dtype == getattr(eager, str(theirs.dtype).removeprefix("torch."))
    ours, theirs = ours.numpy().ravel(), theirs.numpy().ravel()
    spread = theirs.std() + 1e-6
    for of in (np.mean, np.std, *(lambda x, q=q: np.quantile(x, q) for q in (0.13, 0.35, 0.77))):
        tolerance = 0.06 * spread if np.unique(theirs).size > 20 or of in (np.mean, np.std) else 0
        assert abs(of(ours) - of(theirs)) <= tolerance, (of(ours), of(theirs))
    assert (ours.min() < 0) == (theirs.min() < 0)


def test_draws_without_replacement_are_distinct():
    drawn = eager.multinomial(eager.tensor([[1.0, 2.0, 0.0, 4.0]] * 50), 3)
    assert drawn.shape == (50, 3)
    assert all(sorted(row) == [0, 1, 3] for row in drawn.tolist())
    assert sorted(eager.randperm(9).tolist()) == list(range(9))


def test_generators():
    first, second = eager.Generator().manual_seed(7), eager.Generator(device="cpu")
    second.manual_seed(7)
    for draw in (
        lambda g: eager.rand(3, generator=g), lambda g: eager.randn(3, generator=g),
        lambda g: eager.randperm(5, generator=g), lambda g: eager.randint(9, (3,), generator=g),
        lambda g: eager.normal(0.0, 1.0, (2,), generator=g),
        lambda g: eager.bernoulli(eager.full((9,), 0.5), generator=g), lambda g: eager.zeros(3).normal_(generator=g),
        lambda g: eager.multinomial(eager.ones(5), 2, generator=g), lambda g: eager.zeros(3).uniform_(generator=g),
    ):  # fmt: skip
        assert draw(first).equal(draw(second))
    state = first.get_state()
    assert (state.dtype, first.initial_seed()) == (eager.uint8, 7)
    before = eager.rand(3, generator=first)
    first.set_state(state)
    assert eager.rand(3, generator=first).equal(before)
    assert first.seed() == first.initial_seed()


def test_the_default_generator():
    assert eager.manual_seed(3) is eager.default_generator
    first = eager.rand(3)
    state = eager.get_rng_state()
    second = eager.rand(3)
    assert not first.equal(second)
    with eager.random.fork_rng():
        eager.manual_seed(99)
        eager.rand(3)
    third = eager.rand(3)
    eager.set_rng_state(state)
    assert eager.rand(3).equal(second)
    assert eager.rand(3).equal(third)
    eager.manual_seed(3)
    assert eager.rand(3).equal(first)
    assert (eager.initial_seed(), torch.manual_seed(-1).initial_seed()) == (3, eager.manual_seed(-1).initial_seed())
    assert eager.seed() == eager.initial_seed()


def test_copies_and_gradients():
    x = eager.ones(2, requires_grad=True)
    assert eager.as_tensor(x) is x
    assert eager.as_tensor(x, dtype=eager.float16).requires_grad
    assert not eager.tensor(x).requires_grad
