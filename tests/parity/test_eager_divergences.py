"""`kl_divergence` of the eager face against torch's, for each pair of types that torch has."""

import jax
import numpy as np
import pytest
import torch
import torch.distributions as theirs

from funcvision import eager
from funcvision.eager import distributions as ours

from .test_eager_distributions import COVARIANCE, FACTOR, LOWER, close, ours_of, theirs_of

A, B = np.array([0.4, 1.3, 2.7]), np.array([1.1, 0.6, 3.2])
R, S = np.array([-0.7, 0.2, 1.4]), np.array([0.5, -0.3, 1.0])
P, Q = np.array([0.2, 0.5, 0.9]), np.array([0.0, 0.7, 1.0])
# Two sets of parameters for each distribution: those of p and those of q
PARAMETERS = {
    "Bernoulli": ({"probs": P}, {"probs": Q}),
    "Beta": ({"concentration1": A, "concentration0": B}, {"concentration1": B, "concentration0": A}),
    "Binomial": ({"total_count": 4, "probs": P}, {"total_count": 4, "probs": P[::-1].copy()}),
    "Categorical": ({"probs": np.stack([A, B])}, {"logits": np.stack([R, S])}),
    "Cauchy": ({"loc": R, "scale": A}, {"loc": S, "scale": B}),
    "ContinuousBernoulli": ({"probs": P}, {"logits": R}),
    "Dirichlet": ({"concentration": np.stack([A, B])}, {"concentration": np.stack([B, A])}),
    "Exponential": ({"rate": A}, {"rate": B}),
    "Gamma": ({"concentration": A, "rate": B}, {"concentration": B, "rate": A}),
    "Geometric": ({"probs": P}, {"logits": R}),
    "Gumbel": ({"loc": R, "scale": A}, {"loc": S, "scale": B}),
    "HalfNormal": ({"scale": A}, {"scale": B}),
    "Laplace": ({"loc": R, "scale": A}, {"loc": S, "scale": B}),
    "LowRankMultivariateNormal": (
        {"loc": R, "cov_factor": FACTOR, "cov_diag": A}, {"loc": S, "cov_factor": 2 * FACTOR, "cov_diag": B}
    ),
    "LogNormal": ({"loc": R, "scale": A}, {"loc": S, "scale": B}),
    "MultivariateNormal": ({"loc": R, "scale_tril": LOWER}, {"loc": np.stack([S, R]), "covariance_matrix": COVARIANCE}),
    "Normal": ({"loc": R, "scale": A}, {"loc": S, "scale": B}),
    "OneHotCategorical": ({"probs": np.stack([A, B])}, {"logits": np.stack([R, S])}),
    "Pareto": ({"scale": A, "alpha": B + 1.5}, {"scale": B, "alpha": A}),
    "Poisson": ({"rate": A}, {"rate": B}),
    "Uniform": ({"low": S - 0.1, "high": S + A}, {"low": R - 1, "high": S + 2}),
}
PAIRS = sorted(
    {(p.__name__, q.__name__) for p, q in theirs.kl._KL_REGISTRY}
    - {("ExponentialFamily",) * 2, ("Independent",) * 2, ("TransformedDistribution",) * 2}
    | {("LogNormal", "LogNormal")}
)


@pytest.mark.parametrize("pair", PAIRS, ids="-".join)
def test_divergences(pair):
    with jax.enable_x64(True):
        results, leaves = [], []
        for module, made in ((ours, ours_of), (theirs, theirs_of)):
            tensors = [
                {key: made(x, grad=True) for key, x in PARAMETERS[name][side].items()} for side, name in enumerate(pair)
            ]
            p, q = (getattr(module, name)(**given) for name, given in zip(pair, tensors, strict=True))
            results.append(module.kl_divergence(p, q))
            leaves.append([x for given in tensors for x in given.values() if hasattr(x, "grad")])
        close(*results, "value")
        finite = torch.isfinite(results[1]).numpy()
        if not results[1].requires_grad or not finite.all():
            return  # gradients of infinite divergences are not defined
        results[0].sum().backward()
        results[1].sum().backward()
        for one, other in zip(*leaves, strict=True):
            close(np.zeros(one.shape) if one.grad is None else one.grad, other.grad, "gradient")


def test_finite_elements_have_gradients_beside_infinite_ones():
    with jax.enable_x64(True):
        low = [made(np.array([0.2, -0.5]), grad=True) for made in (ours_of, theirs_of)]
        one = ours.kl_divergence(ours.Uniform(low[0], 2.0), ours.Exponential(1.5))
        other = theirs.kl_divergence(theirs.Uniform(low[1], 2.0), theirs.Exponential(1.5))
        close(one, other, "value")
        one[0].backward()
        other[0].backward()
        close(low[0].grad, low[1].grad, "gradient")


def test_divergences_of_composites():
    loc, scale = eager.tensor(np.stack([R, S]).astype(np.float32), requires_grad=True), eager.tensor([1.0, 2.0, 0.5])
    p, q = ours.Normal(loc, scale), ours.Normal(0.0, 1.0)
    whole = ours.kl_divergence(ours.Independent(p, 1), ours.Independent(q.expand((3,)), 1))
    parts = ours.kl_divergence(p, q)
    np.testing.assert_allclose(whole.detach(), parts.detach().sum(-1), rtol=1e-6)
    transforms = [ours.AffineTransform(1.0, scale), ours.ExpTransform()]
    of_transformed = ours.kl_divergence(
        ours.TransformedDistribution(p, transforms), ours.TransformedDistribution(q, list(transforms))
    )
    np.testing.assert_allclose(of_transformed.detach(), parts.detach(), rtol=1e-6)
    with pytest.raises(NotImplementedError, match="same transforms"):
        ours.kl_divergence(
            ours.TransformedDistribution(p, [ours.ExpTransform()]), ours.TransformedDistribution(q, transforms)
        )
    with pytest.raises(NotImplementedError, match="No KL"):
        ours.kl_divergence(p, ours.Cauchy(0.0, 1.0))
    with pytest.raises(NotImplementedError, match="total_count"):
        ours.kl_divergence(ours.Binomial(3, 0.5), ours.Binomial(4, 0.5))


def test_own_divergences():
    """A function that a user registers is used for the type and its subclasses, before those of more general types."""

    class Special(ours.Normal):
        pass

    class Other(ours.Cauchy):
        pass

    @ours.register_kl(Special, ours.Normal)
    def special(p, q):
        return (p.loc - q.loc) ** 2

    special_one = Special(eager.tensor([1.0], requires_grad=True), 1.0)
    assert ours.kl_divergence(special_one, ours.Normal(3.0, 1.0)).tolist() == [4.0]
    assert ours.kl_divergence(Other(0.0, 1.0), ours.Cauchy(0.0, 1.0)).item() == pytest.approx(0, abs=1e-6)
    with pytest.raises(TypeError, match="subclass of Distribution"):
        ours.register_kl(int, ours.Normal)
