"""Distributions of the eager face against torch.distributions: values, gradients, moments of samples, errors."""

from typing import Any

import jax
import numpy as np
import pytest
import torch
import torch.distributions as theirs

from funcvision import eager
from funcvision.eager import distributions as ours

from .reference import random

POSITIVE = np.array([0.4, 1.3, 2.7])
OTHER = np.array([1.1, 0.6, 3.2])
REAL = np.array([-0.7, 0.2, 1.4])
PROBS = np.array([0.2, 0.5, 0.9])
WEIGHTS = np.array([[0.2, 0.5, 0.3], [0.6, 0.3, 0.1]])
COUNTS = np.array([[0.0, 1.0, 2.0], [3.0, 0.0, 1.0]])
UNIT = np.array([[0.1, 0.4, 0.7], [0.25, 0.9, 0.6]])
ABOVE = np.array([[0.3, 1.0, 2.5], [4.0, 0.7, 1.9]])
ANY = np.array([[-1.3, 0.4, 2.0], [0.1, -0.2, 5.0]])
SIMPLEX = np.array([[0.2, 0.5, 0.3], [0.7, 0.2, 0.1]])
LOWER = np.array([[1.2, 0.0, 0.0], [0.4, 0.8, 0.0], [-0.3, 0.5, 1.1]])
COVARIANCE = LOWER @ LOWER.T
FACTOR = np.array([[0.5, 0.2], [-0.1, 0.9], [0.7, 0.4]])
CORRELATION = np.linalg.cholesky(np.array([[1.0, 0.3, 0.1], [0.3, 1.0, -0.2], [0.1, -0.2, 1.0]]))

# name, parameters, value, probabilities for icdf or None
FAMILIES = [
    ("Normal", {"loc": REAL, "scale": POSITIVE}, ANY, UNIT),
    ("Laplace", {"loc": REAL, "scale": POSITIVE}, ANY, UNIT),
    ("Cauchy", {"loc": REAL, "scale": POSITIVE}, ANY, UNIT),
    ("StudentT", {"df": OTHER, "loc": REAL, "scale": POSITIVE}, ANY, None),
    ("Gumbel", {"loc": REAL, "scale": POSITIVE}, ANY, UNIT),
    ("LogNormal", {"loc": REAL, "scale": POSITIVE}, ABOVE, UNIT),
    ("HalfNormal", {"scale": POSITIVE}, ABOVE, UNIT),
    ("HalfCauchy", {"scale": POSITIVE}, ABOVE, UNIT),
    ("Exponential", {"rate": POSITIVE}, ABOVE, UNIT),
    ("Gamma", {"concentration": POSITIVE, "rate": OTHER}, ABOVE, None),
    ("InverseGamma", {"concentration": POSITIVE, "rate": OTHER}, ABOVE, None),
    ("Chi2", {"df": POSITIVE}, ABOVE, None),
    ("FisherSnedecor", {"df1": POSITIVE, "df2": OTHER * 2}, ABOVE, None),
    ("Pareto", {"scale": POSITIVE / 10, "alpha": OTHER}, ABOVE, UNIT),
    ("Weibull", {"scale": POSITIVE, "concentration": OTHER}, ABOVE, UNIT),
    ("Uniform", {"low": REAL - 2, "high": REAL + POSITIVE}, np.array([[-1.0, -1.2, 0.3], [-0.9, 1.1, 4.0]]), UNIT),
    ("VonMises", {"loc": REAL, "concentration": POSITIVE}, ANY, None),
    ("Beta", {"concentration1": POSITIVE, "concentration0": OTHER}, UNIT, None),
    ("Kumaraswamy", {"concentration1": POSITIVE, "concentration0": OTHER}, UNIT, UNIT),
    ("ContinuousBernoulli", {"probs": np.array([0.2, 0.5, 0.9])}, UNIT, UNIT),
    ("ContinuousBernoulli", {"logits": REAL}, UNIT, UNIT),
    ("Bernoulli", {"probs": PROBS}, COUNTS.clip(0, 1), None),
    ("Bernoulli", {"logits": REAL}, COUNTS.clip(0, 1), None),
    ("Binomial", {"total_count": 5, "probs": PROBS}, COUNTS, None),
    ("Binomial", {"total_count": 5, "logits": REAL}, COUNTS, None),
    ("Geometric", {"probs": PROBS}, COUNTS, None),
    ("Geometric", {"logits": REAL}, COUNTS, None),
    ("NegativeBinomial", {"total_count": OTHER, "probs": PROBS}, COUNTS, None),
    ("NegativeBinomial", {"total_count": OTHER, "logits": REAL}, COUNTS, None),
    ("Poisson", {"rate": POSITIVE}, COUNTS, None),
    ("Categorical", {"probs": WEIGHTS * 2}, np.array([[1, 2], [0, 0], [2, 1]]), None),
    ("Categorical", {"logits": WEIGHTS}, np.array([[1, 2], [0, 0], [2, 1]]), None),
    ("OneHotCategorical", {"probs": WEIGHTS}, np.eye(3)[[[1, 2], [0, 0]]], None),
    ("OneHotCategorical", {"logits": WEIGHTS}, np.eye(3)[[[1, 2], [0, 0]]], None),
    ("Multinomial", {"total_count": 4, "probs": WEIGHTS}, np.array([[1.0, 2, 1], [4, 0, 0]]), None),
    ("Multinomial", {"total_count": 4, "logits": WEIGHTS}, np.array([[1.0, 2, 1], [4, 0, 0]]), None),
    ("Dirichlet", {"concentration": np.stack([POSITIVE, OTHER])}, SIMPLEX, None),
    ("LogisticNormal", {"loc": REAL[:2], "scale": POSITIVE[:2]}, SIMPLEX, None),
    ("RelaxedBernoulli", {"temperature": np.array(0.7), "probs": PROBS}, UNIT, None),
    ("RelaxedBernoulli", {"temperature": np.array(0.7), "logits": REAL}, UNIT, None),
    ("RelaxedOneHotCategorical", {"temperature": np.array(0.7), "logits": WEIGHTS}, SIMPLEX, None),
    ("MultivariateNormal", {"loc": ANY, "covariance_matrix": COVARIANCE}, ANY[::-1].copy(), None),
    ("MultivariateNormal", {"loc": REAL, "precision_matrix": COVARIANCE}, ANY, None),
    ("MultivariateNormal", {"loc": REAL, "scale_tril": np.stack([LOWER, LOWER * 2])}, ANY, None),
    ("LowRankMultivariateNormal", {"loc": ANY, "cov_factor": FACTOR, "cov_diag": POSITIVE}, ANY * 2, None),
    ("Wishart", {"df": np.array([4.0, 5.5]), "covariance_matrix": COVARIANCE}, COVARIANCE * 2, None),
    ("LKJCholesky", {"dim": 3, "concentration": np.array([0.8, 2.0])}, CORRELATION, None),
]
NO_GRADIENT_OF_CDF = ("Gamma", "Chi2", "InverseGamma")  # torch has no derivative of the incomplete gamma function
each_family = pytest.mark.parametrize(
    ("name", "parameters", "value", "quantiles"), FAMILIES, ids=[f"{f[0]}-{[*f[1]][-1]}" for f in FAMILIES]
)


def ours_of(x: Any, grad: bool = False) -> Any:
    return eager.tensor(x, requires_grad=grad) if isinstance(x, np.ndarray) else x


def theirs_of(x: Any, grad: bool = False) -> Any:
    return torch.tensor(x, requires_grad=grad) if isinstance(x, np.ndarray) else x


def close(one: Any, other: Any, what: str, rtol: float = 1e-8) -> None:
    one = np.asarray(one.detach() if hasattr(one, "detach") else one)
    other = other.detach().numpy()
    assert one.shape == other.shape, f"{what}: {one.shape}, torch has {other.shape}"
    np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol, err_msg=what)


def compare(name: str, parameters: dict[str, Any], call: Any, inputs: list[Any], what: str, rtol: float) -> None:
    """Compares a result and its gradients with respect to parameters and inputs. `call` takes the distribution."""
    results, leaves = [], []
    for module, made in ((ours, ours_of), (theirs, theirs_of)):
        tensors = {key: made(x, grad=True) for key, x in parameters.items()}
        given = [made(x, grad=x.dtype == np.float64) for x in inputs]
        result = call(getattr(module, name)(**tensors, validate_args=False), *given)
        results.append(result)
        leaves.append([x for x in (*tensors.values(), *given) if getattr(x, "requires_grad", False)])
    close(*results, what=what, rtol=rtol)
    assert results[0].requires_grad == results[1].requires_grad, what
    if not results[1].requires_grad:
        return
    finite = torch.isfinite(results[1]).numpy()
    cotangent = np.where(finite, random(3, *finite.shape, dtype="float64"), 0)
    results[0].backward(eager.tensor(cotangent))
    results[1].backward(torch.tensor(cotangent))
    for place, (one, other) in enumerate(zip(*leaves, strict=True)):
        gradient = torch.zeros_like(other) if other.grad is None else other.grad
        own = np.zeros(one.shape) if one.grad is None else one.grad
        close(own, gradient, f"{what}: gradient {place}", rtol)


@each_family
def test_scores(name, parameters, value, quantiles):
    """log_prob, entropy, cdf and icdf, with gradients."""
    rtol = 3e-6 if name == "VonMises" else 1e-7  # torch approximates Bessel functions by polynomials
    with jax.enable_x64(True):
        compare(name, parameters, lambda d, x: d.log_prob(x), [value], "log_prob", rtol)
        for method in ("entropy", "cdf"):
            inputs = [value] if method == "cdf" else []
            given = {key: theirs_of(x) for key, x in parameters.items()}
            try:
                getattr(getattr(theirs, name)(**given, validate_args=False), method)(*map(theirs_of, inputs))
            except NotImplementedError:
                made = getattr(ours, name)(**{key: ours_of(x) for key, x in parameters.items()})
                with pytest.raises(NotImplementedError):
                    getattr(made, method)(*map(ours_of, inputs))
            else:
                if method == "cdf" and name in NO_GRADIENT_OF_CDF:
                    continue
                compare(name, parameters, lambda d, *x, method=method: getattr(d, method)(*x), inputs, method, rtol)
        if quantiles is not None:
            compare(name, parameters, lambda d, x: d.icdf(x), [quantiles], "icdf", rtol)


@each_family
def test_shapes_and_moments(name, parameters, value, quantiles):
    """Mean, mode, variance, shapes, `expand`, the attributes that torch has, and what is defined at all."""
    with jax.enable_x64(True):
        one = getattr(ours, name)(**{key: ours_of(x) for key, x in parameters.items()})
        other = getattr(theirs, name)(**{key: theirs_of(x) for key, x in parameters.items()})
        assert (one.batch_shape, one.event_shape) == (tuple(other.batch_shape), tuple(other.event_shape))
        assert one.has_rsample == other.has_rsample
        assert one.has_enumerate_support == other.has_enumerate_support
        for what in ("mean", "mode", "variance", "stddev", *parameters, "probs", "logits", "covariance_matrix"):
            try:
                expected = getattr(other, what)
            except (NotImplementedError, AttributeError) as error:
                with pytest.raises(type(error)):
                    getattr(one, what)
                continue
            if what == "temperature" or not isinstance(expected, torch.Tensor):
                continue
            close(getattr(one, what), expected, what, 3e-6 if name == "VonMises" else 1e-8)
        wider = one.expand((2, *one.batch_shape))
        single = value if len(one.event_shape) == 2 else value[:1] if value.ndim > 2 else value[0]
        assert (wider.batch_shape, wider.event_shape) == ((2, *one.batch_shape), one.event_shape)
        assert type(wider) is type(one)
        scores = other.expand((2, *other.batch_shape)).log_prob(theirs_of(single))
        close(wider.log_prob(ours_of(single)), scores, "expand", 1e-5)


def test_the_generalised_pareto_distribution():
    """In float32, because torch's fails in float64."""
    parameters = {"loc": REAL - 2, "scale": POSITIVE, "concentration": np.array([0.0, 0.3, -0.2])}
    parameters = {key: x.astype(np.float32) for key, x in parameters.items()}
    made = [
        module.GeneralizedPareto(**{key: of(x, grad=True) for key, x in parameters.items()})
        for module, of in ((ours, ours_of), (theirs, theirs_of))
    ]
    for method, value in (("log_prob", ANY), ("cdf", ANY), ("icdf", UNIT), ("log_survival_function", ANY)):
        value = value.astype(np.float32)
        results = [getattr(d, method)(of(value)) for d, of in zip(made, (ours_of, theirs_of), strict=True)]
        close(*results, method, 1e-5)
        for result in results:
            result.sum().backward()
    for what in ("mean", "mode", "variance"):
        close(getattr(made[0], what), getattr(made[1], what), what, 1e-5)
    close(made[0].entropy(), made[1].entropy(), "entropy", 1e-5)
    for key in parameters:
        close(getattr(made[0], key).grad, getattr(made[1], key).grad, key, 1e-4)
    assert made[0].sample((3,)).shape == (3, 3)
