"""Samples of the distributions of the eager face: moments, gradients of reparameterised samples, support, seeds."""

from typing import Any

import numpy as np
import pytest
import torch.distributions as theirs

from funcvision import eager
from funcvision.eager import distributions as ours

from .test_eager_distributions import FAMILIES, ours_of, theirs_of

COUNT = 20000
# Those whose variance is infinite, or so large that means of samples vary much
HEAVY = ("Cauchy", "StudentT", "FisherSnedecor")


def single(parameters: dict[str, Any]) -> dict[str, Any]:
    """Parameters in float32."""
    return {key: x.astype(np.float32) if isinstance(x, np.ndarray) else x for key, x in parameters.items()}


# One entry for each distribution, but for those that draw as another one does and transform the sample
ALIKE = ("Chi2", "HalfCauchy", "LogNormal", "InverseGamma", "Pareto", "OneHotCategorical")
SINGLE = list({family[0]: family for family in FAMILIES if family[0] not in ALIKE}.values())


@pytest.mark.filterwarnings("ignore:Singular sample detected")  # torch takes all Wishart samples for singular ones
@pytest.mark.parametrize(
    ("name", "parameters"),
    [pytest.param(*f[:2], id=f[0], marks=[pytest.mark.slow] * (f[0] in ("LKJCholesky", "Wishart"))) for f in SINGLE],
)
def test_samples(name, parameters):
    """Mean and variance of many samples, their shape and dtype, their support, and the seed."""
    parameters = single(parameters)
    one = getattr(ours, name)(**{key: ours_of(x) for key, x in parameters.items()})
    other = getattr(theirs, name)(**{key: theirs_of(x) for key, x in parameters.items()})
    eager.manual_seed(1)
    sample = one.sample((COUNT,))
    assert sample.shape == (COUNT, *one.batch_shape, *one.event_shape)
    assert not sample.requires_grad
    values = np.asarray(sample)
    assert other.support.check(theirs_of(values.astype(other.sample().numpy().dtype))).all()
    eager.manual_seed(1)
    np.testing.assert_array_equal(values, np.asarray(one.sample((COUNT,))))
    assert (values != np.asarray(one.sample((COUNT,)))).any()
    expected = np.asarray(other.sample((COUNT,)), np.float64)  # quantiles hold for heavy tails, too
    spread = np.quantile(expected, 0.9, 0) - np.quantile(expected, 0.1, 0) + 1e-3
    for level in (0.25, 0.5, 0.75):
        if np.issubdtype(values.dtype, np.integer) or not one.has_rsample:
            break
        difference = np.quantile(values, level, 0) - np.quantile(expected, level, 0)
        assert (np.abs(difference) < 0.05 * spread).all(), level
    if name not in HEAVY:
        assert (np.abs(values.mean(0) - expected.mean(0)) < 6 * expected.std(0) * (2 / COUNT) ** 0.5 + 1e-6).all()
        np.testing.assert_allclose(values.std(0), expected.std(0), rtol=0.1, atol=1e-6)


# A parameter, and a function of a sample whose expectation is known in closed form
IMPLICIT = [
    ("Gamma", {"concentration": 0.7, "rate": 2.0}, lambda p: p["concentration"] / p["rate"]),
    ("Beta", {"concentration1": 1.5, "concentration0": 0.8}, lambda p: p["concentration1"] / sum(p.values())),
    ("Chi2", {"df": 3.0}, lambda p: p["df"]),
    ("Weibull", {"scale": 1.5, "concentration": 2.0}, None),
    ("Gumbel", {"loc": 0.3, "scale": 1.2}, None),
    ("Kumaraswamy", {"concentration1": 1.5, "concentration0": 2.0}, None),
    ("ContinuousBernoulli", {"logits": 0.8}, None),
    ("HalfNormal", {"scale": 1.4}, None),
    ("Laplace", {"loc": 0.2, "scale": 1.4}, None),
]


@pytest.mark.parametrize(("name", "numbers", "mean"), IMPLICIT, ids=[case[0] for case in IMPLICIT])
def test_gradients_of_samples(name, numbers, mean):
    """The mean of the gradients of samples is the gradient of the mean."""
    parameters = {key: eager.tensor(x, requires_grad=True) for key, x in numbers.items()}
    eager.manual_seed(0)
    getattr(ours, name)(**parameters).rsample((COUNT,)).mean().backward()
    expected = {key: theirs_of(np.array(x), grad=True) for key, x in numbers.items()}
    (mean(expected) if mean else getattr(theirs, name)(**expected).mean).backward()
    for key, value in parameters.items():
        wanted = 0.0 if expected[key].grad is None else expected[key].grad
        np.testing.assert_allclose(value.grad, wanted, atol=0.03, err_msg=key)


def test_the_gradient_of_a_gamma_sample_is_the_implicit_one():
    """dx/da = -(dF/da) / p(x), where F is the cumulative distribution function."""
    a = eager.tensor([0.4, 1.0, 3.0], requires_grad=True)
    eager.manual_seed(3)
    x = ours.Gamma(a, 1.0).rsample()
    x.sum().backward()
    value, step = x.detach(), 1e-3
    upper, lower = (ours.Gamma(a.detach() + s, 1.0).cdf(value) for s in (step, -step))
    implicit = -(upper - lower) / (2 * step) / ours.Gamma(a.detach(), 1.0).log_prob(value).exp()
    np.testing.assert_allclose(a.grad, implicit, rtol=5e-3)


def test_dirichlet_gradients():
    """The gradient of the expectation of a weighted sum."""
    start, weights = np.array([0.8, 1.5, 3.0]), np.array([1.0, -2.0, 0.5])
    own = eager.tensor(start.astype(np.float32), requires_grad=True)
    eager.manual_seed(0)
    (ours.Dirichlet(own).rsample((COUNT,)) * eager.tensor(weights.astype(np.float32))).sum(-1).mean().backward()
    other = theirs_of(start, grad=True)
    (theirs.Dirichlet(other).mean * theirs_of(weights)).sum().backward()
    np.testing.assert_allclose(own.grad, other.grad, atol=0.02)


def test_samples_of_normal_vectors_have_the_gradient_of_the_factor():
    lower = np.array([[1.2, 0.0], [0.4, 0.8]], np.float32)
    loc, scale = eager.zeros(2, requires_grad=True), eager.tensor(lower, requires_grad=True)
    eager.manual_seed(0)
    x = ours.MultivariateNormal(loc, scale_tril=scale).rsample()
    x.sum().backward()
    noise = np.linalg.solve(lower, np.asarray(x.detach()))
    np.testing.assert_allclose(loc.grad, [1, 1])
    np.testing.assert_allclose(scale.grad, np.stack([noise, noise]), rtol=1e-5)


def test_straight_through_samples_have_the_gradient_of_the_probabilities():
    probs = eager.tensor([0.2, 0.5, 0.3], requires_grad=True)
    eager.manual_seed(0)
    sample = ours.OneHotCategoricalStraightThrough(probs).rsample()
    assert sorted(sample.tolist()) == pytest.approx([0, 0, 1])
    (sample * eager.tensor([1.0, 2.0, 4.0])).sum().backward()
    value = 0.2 + 2 * 0.5 + 4 * 0.3
    np.testing.assert_allclose(probs.grad, np.array([1, 2, 4]) - value, rtol=1e-5)


def test_samples_in_a_composite_are_differentiable_and_new_at_each_call():
    scale = eager.tensor([1.0, 2.0], requires_grad=True)
    transforms = [ours.TanhTransform(), ours.AffineTransform(1.0, scale)]
    policy = ours.Independent(ours.TransformedDistribution(ours.Normal(eager.zeros(2), scale), transforms), 1)
    first, second = policy.rsample(), policy.rsample()
    assert (np.asarray(first.detach()) != np.asarray(second.detach())).all()
    first.sum().backward()
    assert np.isfinite(np.asarray(scale.grad)).all()
    assert not policy.sample().requires_grad
