"""Transforms and constraints of the eager face's distributions against torch's."""

from typing import Any

import jax
import numpy as np
import pytest
import torch.distributions as theirs

from funcvision import eager
from funcvision.eager import distributions as ours

from .reference import random
from .test_eager_distributions import COVARIANCE, LOWER, close, ours_of, theirs_of

ANY = np.array([[-1.3, 0.4, 2.0], [0.1, -0.2, 1.5]])
ABOVE = np.array([[0.3, 1.0, 2.5], [4.0, 0.7, 1.9]])
SCALE = np.array([0.5, -1.5, 2.0])
MATRICES = random(1, 2, 3, 3, dtype="float64")

# A function of (module, tensor maker) that makes the transform, and an input
TRANSFORMS: dict[str, tuple[Any, np.ndarray]] = {
    "abs": (lambda d, t: d.AbsTransform(), ANY),
    "affine": (lambda d, t: d.AffineTransform(t(ANY[0]), t(SCALE)), ANY),
    "affine of numbers": (lambda d, t: d.AffineTransform(1.0, -2), ANY),
    "affine of vectors": (lambda d, t: d.AffineTransform(0.5, t(SCALE), event_dim=1), ANY),
    "cat": (lambda d, t: d.CatTransform([d.ExpTransform(), d.AffineTransform(1.0, 2.0)], -1, [1, 2]), ANY),
    "compose": (lambda d, t: d.ComposeTransform([d.AffineTransform(t(ANY[0]), 0.5), d.SigmoidTransform()]), ANY),
    "compose of vectors": (
        lambda d, t: d.ComposeTransform([d.AffineTransform(0.0, t(SCALE)), d.StickBreakingTransform()]), ANY,
    ),
    "corr_cholesky": (lambda d, t: d.CorrCholeskyTransform(), ANY),
    "cumulative": (lambda d, t: d.CumulativeDistributionTransform(d.Normal(t(ANY[0]), 1.5)), ANY),
    "exp": (lambda d, t: d.ExpTransform(), ANY),
    "exp inverted": (lambda d, t: d.ExpTransform().inv, ABOVE),
    "identity": (lambda d, t: d.ComposeTransform([]), ANY),
    "independent": (lambda d, t: d.IndependentTransform(d.AffineTransform(0.0, t(SCALE)), 1), ANY),
    "lower_cholesky": (lambda d, t: d.LowerCholeskyTransform(), MATRICES),
    "positive_definite": (lambda d, t: d.PositiveDefiniteTransform(), MATRICES),
    "power": (lambda d, t: d.PowerTransform(t(np.array([0.5, 2.0, -1.0]))), ABOVE),
    "reshape": (lambda d, t: d.ReshapeTransform((3,), (3, 1)), ANY),
    "sigmoid": (lambda d, t: d.SigmoidTransform(), ANY),
    "softmax": (lambda d, t: d.SoftmaxTransform(), ANY),
    "softplus": (lambda d, t: d.SoftplusTransform(), ANY),
    "stack": (lambda d, t: d.StackTransform([d.ExpTransform(), d.TanhTransform()], 0), ANY),
    "stick_breaking": (lambda d, t: d.StickBreakingTransform(), ANY),
    "tanh": (lambda d, t: d.TanhTransform(), ANY),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms(name):
    """Output, inverse, determinant and their gradients; shapes; domains; sign; caching."""
    make, x = TRANSFORMS[name]
    with jax.enable_x64(True):
        results, gradients, made = [], [], []
        for module, tensor in ((ours, ours_of), (theirs, theirs_of)):
            leaf = tensor(x, grad=True)
            transform = make(module, tensor)
            made.append(transform)
            y = transform(leaf)
            steps = [y, transform.inv(y)]
            if transform.bijective:
                steps.append(transform.log_abs_det_jacobian(leaf, y))
            results.append(steps)
            sum((step**2).sum() for step in steps).backward()
            gradients.append(leaf.grad)
            cached = transform.with_cache()
            assert cached.inv(cached(leaf)) is leaf
        for what, one, other in zip(("output", "inverse", "determinant"), *results, strict=False):
            close(one, other, what)
        assert len(results[0]) == len(results[1])
        close(gradients[0], gradients[1], "gradient", 1e-6)
        one, other = made
        assert one.inv.inv is one
        assert one.forward_shape(x.shape) == tuple(other.forward_shape(x.shape))
        shape = tuple(results[1][0].shape)
        assert one.inverse_shape(shape) == tuple(other.inverse_shape(shape))
        assert one.domain.event_dim == other.domain.event_dim
        assert one.codomain.event_dim == other.codomain.event_dim
        assert one.codomain.check(results[0][0]).tolist() == other.codomain.check(results[1][0]).tolist()
        try:
            sign = other.sign
        except NotImplementedError:
            with pytest.raises(NotImplementedError):
                _ = one.sign
        else:
            np.testing.assert_array_equal(np.asarray(one.sign), np.asarray(sign))


def test_equality_of_transforms():
    assert ours.ExpTransform() == ours.ExpTransform()
    assert ours.ExpTransform() != ours.TanhTransform()
    assert ours.ExpTransform().inv == ours.ExpTransform().inv
    assert ours.AffineTransform(0.0, eager.ones(2)) == ours.AffineTransform(0.0, eager.ones(2))
    assert ours.AffineTransform(0.0, 1.0) != ours.AffineTransform(0.0, 2.0)
    assert ours.ComposeTransform([ours.ExpTransform()]) == ours.ComposeTransform([ours.ExpTransform()])
    assert ours.PowerTransform(2.0) != ours.PowerTransform(3.0)
    with pytest.raises(ValueError, match="cache_size must be 0 or 1"):
        ours.ExpTransform(cache_size=2)


CONSTRAINTS: dict[str, tuple[Any, list[np.ndarray]]] = {
    "boolean": (lambda c: c.boolean, [np.array([0.0, 1.0, 0.5])]),
    "one_hot": (lambda c: c.one_hot, [np.array([[0.0, 1.0], [1.0, 1.0], [0.5, 0.5]])]),
    "nonnegative_integer": (lambda c: c.nonnegative_integer, [np.array([0.0, 2.0, 0.5, -1.0])]),
    "positive_integer": (lambda c: c.positive_integer, [np.array([0.0, 2.0, 0.5])]),
    "integer_interval": (lambda c: c.integer_interval(-1, 2), [np.array([-2.0, -1.0, 0.5, 2.0, 3.0])]),
    "real": (lambda c: c.real, [np.array([np.nan, np.inf, 0.0])]),
    "real_vector": (lambda c: c.real_vector, [np.array([[np.nan, 1.0], [0.0, 1.0]])]),
    "positive": (lambda c: c.positive, [np.array([0.0, 1.0, -1.0, np.nan])]),
    "nonnegative": (lambda c: c.nonnegative, [np.array([0.0, 1.0, -1.0])]),
    "less_than": (lambda c: c.less_than(1.0), [np.array([0.0, 1.0])]),
    "interval": (lambda c: c.interval(-1.0, 1.0), [np.array([-1.0, 0.0, 1.0, 1.1])]),
    "half_open_interval": (lambda c: c.half_open_interval(-1.0, 1.0), [np.array([-1.0, 0.0, 1.0])]),
    "simplex": (lambda c: c.simplex, [np.array([[0.2, 0.8], [0.5, 0.6], [-0.1, 1.1]])]),
    "multinomial": (lambda c: c.multinomial(3), [np.array([[1.0, 2.0], [2.0, 2.0], [-1.0, 1.0]])]),
    "lower_triangular": (lambda c: c.lower_triangular, [LOWER, COVARIANCE]),
    "lower_cholesky": (lambda c: c.lower_cholesky, [LOWER, -LOWER, COVARIANCE]),
    "corr_cholesky": (lambda c: c.corr_cholesky, [np.eye(3), LOWER]),
    "square": (lambda c: c.square, [LOWER, LOWER[:2]]),
    "symmetric": (lambda c: c.symmetric, [LOWER, COVARIANCE]),
    "positive_semidefinite": (lambda c: c.positive_semidefinite, [LOWER, COVARIANCE, -COVARIANCE]),
    "positive_definite": (lambda c: c.positive_definite, [LOWER, np.stack([COVARIANCE, -COVARIANCE]), LOWER[:2]]),
    "independent": (lambda c: c.independent(c.positive, 1), [np.array([[1.0, -1.0], [1.0, 2.0]])]),
    "cat": (lambda c: c.cat([c.positive, c.real], -1, [1, 2]), [np.array([[1.0, -1.0, 0.0], [-1.0, 2.0, 0.0]])]),
    "stack": (lambda c: c.stack([c.positive, c.real], 0), [np.array([[1.0, -1.0], [-1.0, 2.0]])]),
}


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_constraints(name):
    make, values = CONSTRAINTS[name]
    one, other = make(ours.constraints), make(theirs.constraints)
    assert (one.is_discrete, one.event_dim) == (other.is_discrete, other.event_dim)
    with jax.enable_x64(True):
        for value in values:
            assert one.check(ours_of(value)).tolist() == other.check(theirs_of(value)).tolist()


def test_dependent_constraints():
    assert ours.constraints.is_dependent(ours.Uniform.support)
    assert not ours.constraints.is_dependent(ours.Uniform(0.0, 1.0).support)
    assert ours.Uniform.support.event_dim == 0
    with pytest.raises(NotImplementedError, match="event_dim"):
        _ = ours.constraints.dependent.event_dim
    with pytest.raises(ValueError, match="dependent"):
        ours.constraints.dependent.check(eager.ones(1))


@pytest.mark.parametrize("registry", ["biject_to", "transform_to"])
def test_transforms_of_constraints(registry):
    names = (
        "real", "positive", "nonnegative", "less_than", "interval", "half_open_interval", "simplex", "independent",
        "cat", "stack", "corr_cholesky", "lower_cholesky", "positive_definite",
    )
    x = random(0, 2, 3, dtype="float64")
    with jax.enable_x64(True):
        for name in names:
            made = [CONSTRAINTS[name][0](module.constraints) for module in (ours, theirs)]
            try:
                other = getattr(theirs, registry)(made[1])
            except NotImplementedError:
                with pytest.raises(NotImplementedError):
                    getattr(ours, registry)(made[0])
                continue
            one = getattr(ours, registry)(made[0])
            value = np.tril(MATRICES) if other.domain.event_dim == 2 else x
            close(one(ours_of(value)), other(theirs_of(value)), name)
            assert bool(np.asarray(made[0].check(one(ours_of(value)))).all()), name
    with pytest.raises(NotImplementedError, match="Cannot transform"):
        ours.biject_to(ours.constraints.boolean)
