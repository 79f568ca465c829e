"""Batch normalisation: higher derivatives, and a mean far from zero. Equality with torch is tested in tests/parity."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcvision import functional as F


def by_definition(x, weight, bias):
    axes = tuple(range(x.ndim - 1))
    mean = jnp.mean(x, axes, keepdims=True)
    var = jnp.mean((x - mean) ** 2, axes, keepdims=True)
    return (x - mean) / jnp.sqrt(var + 1e-5) * weight.reshape(mean.shape) + bias.reshape(mean.shape)


def ours(x, weight, bias):
    return F.batch_norm(x, None, None, weight, bias, train=True)[0]


def draw(*shapes):
    rng = np.random.default_rng(0)
    return [jnp.asarray(rng.standard_normal(shape)) for shape in shapes]


@pytest.fixture
def float64():
    with jax.enable_x64(True):
        yield


def test_second_derivatives(float64):
    arguments = draw((4, 2, 3), (3,), (3,))
    loss = lambda f: lambda *a: jnp.sum(jnp.sin(f(*a)))
    reverse = lambda f, n: jax.jacrev(jax.grad(f, n), n)
    mixed = lambda f, n: jax.jacrev(jax.jacfwd(f, n), n)
    for order in (jax.hessian, reverse, mixed):
        for argument in (0, 1):
            found, expected = (jax.jit(order(loss(f), argument))(*arguments) for f in (ours, by_definition))
            np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10)


def test_third_derivative(float64):
    x, weight, bias = draw((3, 2), (2,), (2,))
    third = lambda f: jax.jit(jax.jacfwd(jax.hessian(lambda x: jnp.sum(jnp.sin(f(x, weight, bias))))))(x)
    np.testing.assert_allclose(third(ours), third(by_definition), rtol=1e-8, atol=1e-9)


def test_tangents_and_vmap(float64):
    arguments, tangents = draw((5, 4, 3), (3,), (3,)), draw((5, 4, 3), (3,), (3,))
    both = (jax.jvp(f, arguments, tangents) for f in (ours, by_definition))
    for result, expected in zip(*both, strict=True):
        np.testing.assert_allclose(result, expected, rtol=1e-10, atol=1e-11)
    each = jax.vmap(ours, (0, None, None))(arguments[0], *arguments[1:])
    np.testing.assert_allclose(each[2], ours(arguments[0][2], *arguments[1:]), rtol=1e-12)


def test_far_from_zero():
    """A mean of 100 standard deviations loses no more precision than rounding the input did."""
    x, weight, bias, cotangent = (a.astype(jnp.float32) for a in draw((64, 8, 3), (3,), (3,), (64, 8, 3)))
    x = x + 100
    with jax.enable_x64(True):
        wide = [jnp.asarray(np.asarray(a, np.float64)) for a in (x, weight, bias)]
        expected, pullback = jax.vjp(by_definition, *wide)
        expected_gradients = pullback(jnp.asarray(np.asarray(cotangent, np.float64)))
    result, pullback = jax.vjp(ours, x, weight, bias)
    for a, b in zip((result, *pullback(cotangent)), (expected, *expected_gradients), strict=True):
        assert np.abs(np.asarray(a) - np.asarray(b)).max() < 1e-4 * np.abs(np.asarray(b)).max()
