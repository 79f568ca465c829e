"""Distributions of the eager face that consist of others, edges of their domains, validation, and own subclasses."""

import copy
import pickle
from typing import Any

import jax
import numpy as np
import pytest
import torch
import torch.distributions as theirs

from funcvision import eager
from funcvision.eager import distributions as ours
from funcvision.eager.distributions import constraints

from .reference import random
from .test_eager_distributions import LOWER, close, ours_of, theirs_of

LOC, SCALE = random(0, 2, 3, dtype="float64"), random(1, 2, 3, dtype="float64", low=0.5, high=2.0)
X = random(2, 4, 2, 3, dtype="float64")


def normal(d: Any, t: Any) -> Any:
    return d.Normal(t(LOC, grad=True), t(SCALE))


def logistic(d: Any, t: Any) -> Any:
    base = d.Uniform(t(np.zeros(3)), t(np.ones(3)))
    return d.TransformedDistribution(base, [d.SigmoidTransform().inv, d.AffineTransform(0.5, t(-SCALE[0], grad=True))])


def mixture(d: Any, t: Any) -> Any:
    return d.MixtureSameFamily(d.Categorical(logits=t(LOC, grad=True)), d.Normal(t(LOC), t(SCALE)))


def mixture_of_vectors(d: Any, t: Any) -> Any:
    components = d.MultivariateNormal(t(random(5, 4, 3, dtype="float64")), scale_tril=t(LOWER, grad=True))
    return d.MixtureSameFamily(d.Categorical(t(np.array([0.1, 0.2, 0.3, 0.4]))), components)


COMPOSITES: dict[str, tuple[Any, np.ndarray, tuple[str, ...]]] = {
    "independent": (lambda d, t: d.Independent(normal(d, t), 1), X, ("log_prob", "entropy", "mean", "variance")),
    "twice independent": (lambda d, t: d.Independent(d.Independent(normal(d, t), 1), 1), X, ("log_prob", "entropy")),
    "logistic": (logistic, X, ("log_prob", "cdf")),
    "transformed vectors": (
        lambda d, t: d.TransformedDistribution(normal(d, t), [d.AffineTransform(0.0, 2.0), d.StickBreakingTransform()]),
        np.array([[0.2, 0.5, 0.2, 0.1], [0.1, 0.1, 0.1, 0.7]]), ("log_prob",),
    ),
    "reshaped": (
        lambda d, t: d.TransformedDistribution(normal(d, t), d.ReshapeTransform((2, 3), (3, 2))),
        random(4, 5, 3, 2, dtype="float64"), ("log_prob",),
    ),
    "transformed normal vectors": (
        lambda d, t: d.TransformedDistribution(d.MultivariateNormal(t(LOC), scale_tril=t(LOWER)), d.ExpTransform()),
        np.abs(X) + 0.1, ("log_prob",),
    ),
    "no transforms": (lambda d, t: d.TransformedDistribution(normal(d, t), []), X, ("log_prob",)),
    "cached": (
        lambda d, t: d.TransformedDistribution(normal(d, t), [d.TanhTransform(cache_size=1)]),
        np.tanh(X), ("log_prob",),
    ),
    "mixture": (mixture, X[..., 0], ("log_prob", "cdf", "mean", "variance")),
    "mixture of vectors": (mixture_of_vectors, X, ("log_prob", "mean", "variance")),
}


@pytest.mark.parametrize("name", COMPOSITES)
def test_composites(name):
    make, value, methods = COMPOSITES[name]
    with jax.enable_x64(True):
        made = [make(ours, ours_of), make(theirs, theirs_of)]
        for what in ("batch_shape", "event_shape"):
            assert getattr(made[0], what) == tuple(getattr(made[1], what))
        assert made[0].support.event_dim == made[1].support.event_dim
        for method in methods:
            results, leaves = [], []
            for module, of in ((ours, ours_of), (theirs, theirs_of)):
                x = of(value, grad=True)
                attribute = getattr(make(module, of), method)
                results.append(attribute if method in ("mean", "variance") else attribute(*[x][: method != "entropy"]))
                leaves.append(x)
                if results[-1].requires_grad:
                    results[-1].sum().backward()
            close(*results, method)
            if leaves[1].grad is not None:
                close(leaves[0].grad, leaves[1].grad, f"{method}: gradient", 1e-7)
        wide = [d.expand((2, *d.batch_shape)) for d in made]
        assert wide[0].batch_shape == tuple(wide[1].batch_shape)
        if name != "cached":
            close(wide[0].log_prob(ours_of(value[:1])), wide[1].log_prob(theirs_of(value[:1])), "expanded")


def test_composites_are_one_node():
    logits = eager.zeros(5, 3, requires_grad=True)
    action = ours.Categorical(logits=logits).sample()
    log_prob = ours.Categorical(logits=logits).log_prob(action)
    assert [edge.target for edge in log_prob._node.edges] == [logits]
    loc = eager.zeros(5, 3, requires_grad=True)
    transforms = [ours.TanhTransform(), ours.AffineTransform(0.0, 2.0)]
    policy = ours.Independent(ours.TransformedDistribution(ours.Normal(loc, 1.0), transforms), 1)
    assert [edge.target for edge in policy.log_prob(eager.zeros(5, 3))._node.edges] == [loc]
    assert [edge.target for edge in policy.rsample()._node.edges] == [loc]
    components = ours.MixtureSameFamily(ours.Categorical(logits=logits), ours.Normal(loc, 1.0))
    assert {id(edge.target) for edge in components.log_prob(eager.zeros(5))._node.edges} == {id(logits), id(loc)}


def test_a_cached_transform_scores_saturated_samples():
    """The score is that of the sample before tanh, which tanh has rounded to 1."""
    loc = eager.tensor([20.0], requires_grad=True)
    policy = ours.TransformedDistribution(ours.Normal(loc, 1.0), ours.TanhTransform(cache_size=1))
    sample = policy.rsample()
    assert sample.item() == pytest.approx(1)
    policy.log_prob(sample).backward()
    np.testing.assert_allclose(loc.grad, [2.0])  # of the determinant, -2 x; the normal density does not change


class Shear(ours.Transform):
    """A transform written for Tensors, with a parameter of its own."""

    bijective = True
    domain = codomain = constraints.real
    sign = 1

    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def _call(self, x):
        return x * self.scale.exp()

    def _inverse(self, y):
        return y * (-self.scale).exp()

    def log_abs_det_jacobian(self, x, y):
        return self.scale.expand(x.shape)


class Triangular(ours.Distribution):
    """A distribution written for Tensors: the sum of two uniform numbers less 1, times a width."""

    arg_constraints = {"width": constraints.positive}  # noqa: RUF012
    support = constraints.real
    has_rsample = True

    def __init__(self, width, validate_args=None):
        self.width = width
        super().__init__(width.shape, validate_args=validate_args)

    def expand(self, batch_shape, _instance=None):
        return Triangular(self.width.expand(batch_shape))

    def rsample(self, sample_shape=()):
        shape = (*sample_shape, *self.batch_shape)
        return (eager.rand(shape) + eager.rand(shape) - 1) * self.width

    def log_prob(self, value):
        return (1 - (value / self.width).abs()).log() - self.width.log()


def test_own_transforms_and_distributions_in_composites():
    scale = eager.tensor([0.3, -0.2], requires_grad=True)
    width = eager.tensor([1.0, 2.0], requires_grad=True)
    transforms = [Shear(scale), ours.AffineTransform(1.0, 2.0)]
    flow = ours.TransformedDistribution(ours.Normal(eager.zeros(2), 1.0), transforms)
    x = eager.tensor([0.5, -0.3])
    flow.log_prob(x).sum().backward()
    reference = ours.Normal(1.0, 2 * scale.detach().exp())
    np.testing.assert_allclose(flow.log_prob(x).detach(), reference.log_prob(x), rtol=1e-5)
    np.testing.assert_allclose(scale.grad, ((x - 1) / (2 * scale.detach().exp())) ** 2 - 1, rtol=1e-4)
    assert flow.rsample((3,)).requires_grad
    assert not flow.sample((3,)).requires_grad
    own = ours.Independent(Triangular(width), 1)
    own.log_prob(x).backward()
    np.testing.assert_allclose(own.log_prob(x).item(), np.log(0.5) + np.log(0.85 / 2), rtol=1e-5)
    assert width.grad is not None
    mixture = ours.MixtureSameFamily(ours.Categorical(eager.tensor([0.5, 0.5])), Triangular(width))
    expected = np.log(0.5 * 0.5 + 0.5 * 0.75 / 2)
    np.testing.assert_allclose(mixture.log_prob(eager.tensor(0.5)).item(), expected, rtol=1e-5)
    assert mixture.sample((7,)).shape == (7,)
    with pytest.raises(ValueError, match="Expected parameter width"):
        Triangular(eager.tensor([-1.0]))


def test_subclasses():
    class Doubled(ours.Normal):
        def log_prob(self, value):
            return super().log_prob(value) * 2

    class Squashed(ours.TransformedDistribution):
        def __init__(self, loc):
            super().__init__(ours.Normal(loc, 1.0), [ours.TanhTransform()])

    loc = eager.tensor([0.5], requires_grad=True)
    value = eager.tensor([0.1])
    ours.Independent(Doubled(loc, 1.0), 1).log_prob(value).backward()
    np.testing.assert_allclose(loc.grad, [2 * (0.1 - 0.5)], rtol=1e-6)
    assert Doubled(loc, 1.0).expand((3,)).log_prob(value).shape == (3,)
    assert isinstance(Doubled(loc, 1.0).expand((3,)), Doubled)
    assert Squashed(loc).log_prob(value).requires_grad
    with pytest.raises(NotImplementedError, match="must define expand"):
        Squashed(loc).expand((2,))


# A function of (distributions, tensor maker) and a value, on an edge of a domain
EDGES: dict[str, tuple[Any, dict[str, np.ndarray], np.ndarray]] = {
    "certain outcomes": (lambda d, p: d.Bernoulli(**p), {"probs": np.array([0.0, 1, 0, 1])}, np.array([0.0, 1, 1, 0])),
    "large logits": (lambda d, p: d.Bernoulli(**p), {"logits": np.array([200.0, -200])}, np.array([1.0, 1])),
    "impossible class": (lambda d, p: d.Categorical(**p), {"probs": np.array([0.0, 0.4, 0.6])}, np.array([0, 1])),
    "class of no weight": (
        lambda d, p: d.Categorical(**p, validate_args=False), {"logits": np.array([-np.inf, 0.4, 0.6])}, np.array([1]),
    ),
    "no count": (
        lambda d, p: d.Multinomial(3, **p, validate_args=False), {"logits": np.array([-np.inf, 0.4, 0.6])},
        np.array([0.0, 1, 2]),
    ),
    "no event": (lambda d, p: d.Poisson(**p), {"rate": np.array([0.0, 2.0])}, np.array([0.0, 0.0])),
    "gamma at 0": (
        lambda d, p: d.Gamma(**p), {"concentration": np.array([1.0, 2.0]), "rate": np.array([1.5, 2.0])},
        np.array([0.0, 0.0]),
    ),
    "beta at the ends": (
        lambda d, p: d.Beta(**p), {"concentration1": np.array([1.0, 2.0]), "concentration0": np.array([2.0, 1.0])},
        np.array([0.0, 1.0]),
    ),
    "certain success": (lambda d, p: d.Geometric(**p), {"probs": np.array([1.0, 1.0])}, np.array([0.0, 0.0])),
    "laplace at its mean": (
        lambda d, p: d.Laplace(**p), {"loc": np.array([0.5]), "scale": np.array([1.0])}, np.array([0.5]),
    ),
    "outside": (
        lambda d, p: d.Uniform(**p, validate_args=False), {"low": np.array([0.0]), "high": np.array([1.0])},
        np.array([[-1.0], [0.0], [1.0]]),
    ),
    "half below 0": (lambda d, p: d.HalfNormal(**p, validate_args=False), {"scale": np.array([1.0])}, np.array([-1.0])),
    "no failures": (
        lambda d, p: d.NegativeBinomial(**p), {"total_count": np.array([0.0, 2.0]), "probs": np.array([0.5, 0.5])},
        np.array([0.0, 0.0]),
    ),
}


@pytest.mark.parametrize("name", EDGES)
def test_edges(name):
    """Values, and gradients with respect to the parameters, where formulas have logarithms of 0."""
    make, parameters, value = EDGES[name]
    with jax.enable_x64(True):
        scores, leaves = [], []
        for module, of in ((ours, ours_of), (theirs, theirs_of)):
            tensors = {key: of(x, grad=True) for key, x in parameters.items()}
            scores.append(make(module, tensors).log_prob(of(value)))
            scores[-1].sum().backward()
            leaves.append(list(tensors.values()))
        close(*scores, "log_prob")
        for one, other in zip(*leaves, strict=True):
            close(np.zeros(one.shape) if one.grad is None else one.grad, other.grad, "gradient")


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("Bernoulli", {"probs": np.array([[0.2], [0.7]])}),
        ("Binomial", {"total_count": 3, "probs": np.array([0.2, 0.7])}),
        ("Categorical", {"logits": LOC}), ("OneHotCategorical", {"logits": LOC}),
    ],
)
def test_enumerate_support(name, parameters):
    one, other = (
        getattr(module, name)(**{k: of(x.astype(np.float32)) if k[0] != "t" else x for k, x in parameters.items()})
        for module, of in ((ours, ours_of), (theirs, theirs_of))
    )
    for expand in (True, False):
        expected = other.enumerate_support(expand)
        np.testing.assert_array_equal(one.enumerate_support(expand), expected)
        assert one.enumerate_support(expand).shape == tuple(expected.shape)
    np.testing.assert_allclose(one.log_prob(one.enumerate_support()).exp().sum(0), np.ones(one.batch_shape), rtol=1e-5)


def test_validation():
    zero, one = eager.tensor(0.0), eager.tensor([1.0])
    for make in (
        lambda: ours.Normal(0.0, -1.0), lambda: ours.Normal(float("nan"), 1.0), lambda: ours.Uniform(1.0, 0.0),
        lambda: ours.Bernoulli(1.5), lambda: ours.Categorical(eager.tensor([-0.1, 1.1])), lambda: ours.Geometric(0.0),
        lambda: ours.MultivariateNormal(eager.zeros(2), eager.tensor([[1.0, 2.0], [2.0, 1.0]])),
        lambda: ours.Dirichlet(eager.tensor([0.5, 0.0])), lambda: ours.Chi2(-1.0), lambda: ours.Gumbel(0.0, -1.0),
    ):
        with pytest.raises(ValueError, match="Expected parameter"):
            make()
    ours.Normal(0.0, -1.0, validate_args=False)
    for make in (
        lambda: ours.Bernoulli(), lambda: ours.Bernoulli(0.5, 0.5), lambda: ours.Categorical(),
        lambda: ours.MultivariateNormal(eager.zeros(2)), lambda: ours.Normal("0", 1.0), lambda: ours.Dirichlet(zero),
        lambda: ours.Independent(ours.Normal(0.0, 1.0), 1),
        lambda: ours.TransformedDistribution(ours.Normal(0.0, 1.0), 3),  # pyright: ignore
        lambda: ours.MixtureSameFamily(ours.Categorical(eager.ones(3)), ours.Normal(eager.zeros(2), 1.0)),
        lambda: ours.Wishart(1.0, eager.ones(2, 2)),
    ):
        with pytest.raises(ValueError, match=r"."):
            make()
    for score in (
        lambda: ours.Exponential(1.0).log_prob(eager.tensor(-1.0)),
        lambda: ours.Bernoulli(0.5).log_prob(eager.tensor(0.5)),
        lambda: ours.Categorical(eager.ones(3)).log_prob(eager.tensor(3)), lambda: ours.Uniform(0.0, 1.0).cdf(zero - 1),
        lambda: ours.Independent(ours.Exponential(eager.ones(2)), 1).log_prob(eager.tensor([1.0, -1.0])),
    ):
        with pytest.raises(ValueError, match="Expected value argument"):
            score()
    with pytest.raises(ValueError, match="must be a Tensor"):
        ours.Normal(0.0, 1.0).log_prob(1.0)
    with pytest.raises(ValueError, match="right-most size"):
        ours.Dirichlet(eager.ones(3)).log_prob(eager.ones(2))
    with pytest.raises(ValueError, match="not broadcastable"):
        ours.Normal(eager.zeros(3), 1.0).log_prob(eager.zeros(2))
    ours.Distribution.set_default_validate_args(False)
    try:
        assert ours.Normal(0.0, -1.0).scale.item() == -1
    finally:
        ours.Distribution.set_default_validate_args(True)
    with pytest.raises(NotImplementedError, match="rsample"):
        ours.Bernoulli(one * 0.5).rsample()


def test_parameters():
    """Numbers, arrays of integers and Tensors are broadcast; values may be integers."""
    d = ours.Normal(eager.tensor([0, 1]), 2)
    assert d.loc.dtype == d.scale.dtype == np.float32
    assert d.scale.shape == (2,)
    assert ours.Poisson(eager.tensor(3.0)).log_prob(eager.tensor([1, 2])).shape == (2,)
    assert ours.Normal(0.0, 1.0).batch_shape == ()
    loc = eager.tensor([0.5], requires_grad=True)
    assert ours.Normal(loc, eager.tensor([1.0])).loc is loc
    np.testing.assert_allclose(ours.Bernoulli(0.3).perplexity().item(), np.exp(0.61086), rtol=1e-4)
    assert repr(ours.Normal(eager.zeros(3), 1.0)) == "Normal(loc: torch.Size([3]), scale: torch.Size([3]))"
    assert "probs" in repr(ours.Bernoulli(0.25))


def test_copies():
    d = ours.Independent(ours.TransformedDistribution(ours.Normal(eager.zeros(2), 1.0), [ours.ExpTransform()]), 1)
    _ = d.base_dist.transforms[0].inv
    for other in (copy.deepcopy(d), pickle.loads(pickle.dumps(d))):
        assert other.log_prob(eager.ones(2)).item() == d.log_prob(eager.ones(2)).item()


def test_gradients_of_a_policy():
    """A step of REINFORCE: the same gradient as torch's, for the actions that were drawn."""
    logits, rewards = random(0, 6, 4), random(1, 6)
    eager.manual_seed(0)
    own = eager.tensor(logits, requires_grad=True)
    policy = ours.Categorical(logits=own)
    action = policy.sample()
    (-(policy.log_prob(action) * eager.tensor(rewards)).sum() - 0.1 * policy.entropy().mean()).backward()
    other = torch.tensor(logits, requires_grad=True)
    policy = theirs.Categorical(logits=other)
    log_prob = policy.log_prob(torch.from_numpy(np.array(action)))
    (-(log_prob * torch.from_numpy(rewards)).sum() - 0.1 * policy.entropy().mean()).backward()
    np.testing.assert_allclose(own.grad, other.grad, rtol=1e-5, atol=1e-6)
