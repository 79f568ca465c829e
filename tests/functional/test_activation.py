import jax
import jax.numpy as jnp
import numpy as np
import pytest

import funcvision.functional as F

MAY_OVERFLOW = [  # they have powers, exponentials or products of x
    "elu", "selu", "celu", "gelu", "silu", "mish", "softplus", "softsign", "tanhshrink", "hardswish", "sigmoid",
    "logsigmoid",
]
KEY = jax.random.key(0)


def approximate_gelu(x):
    return F.gelu(x, approximate="tanh")


@pytest.mark.parametrize("function", [*(getattr(F, name) for name in MAY_OVERFLOW), approximate_gelu])
def test_finite_inputs_give_finite_values(function):
    def run(*inputs):
        return [(value, *pullback(jnp.ones_like(value))) for value, pullback in (jax.vjp(function, x) for x in inputs)]

    dtypes = jnp.float16, jnp.bfloat16
    far = [[sign * size for size in (0, 20, 300, 0.9 * float(jnp.finfo(t).max)) for sign in (-1, 1)] for t in dtypes]
    inputs = [jnp.asarray(x, dtype) for x, dtype in zip(far, dtypes, strict=True)]
    for (value, derivative), dtype in zip(jax.jit(run)(*inputs), dtypes, strict=True):
        assert value.dtype == derivative.dtype == dtype
        assert np.isfinite(value).all()
        assert np.isfinite(derivative).all()
        assert np.abs(derivative).max() < 2


@pytest.mark.parametrize("name", ["glu", "log_softmax", "normalize", "relu", "softmax", "softmin", "softsign"])
def test_vmap_and_jvp(name):
    function = getattr(F, name)
    x, tangent = jax.random.normal(KEY, (2, 3, 4))
    np.testing.assert_allclose(jax.jit(jax.vmap(function))(x), function(x), rtol=1e-5)
    y, forward = jax.jvp(function, (x,), (tangent,))
    (backward,) = jax.vjp(function, x)[1](y)
    np.testing.assert_allclose(jnp.vdot(y, forward), jnp.vdot(backward, tangent), rtol=1e-4, atol=1e-6)


def test_hard_gates_reach_their_limits_exactly():
    x = jnp.array([-3.0, 3.0, -100.0, 100.0])
    np.testing.assert_array_equal(F.hardsigmoid(x), [0, 1, 0, 1])
    np.testing.assert_array_equal(F.hardswish(x), [0, 3, 0, 100])


def test_softmax_of_integers_raises():
    with pytest.raises(TypeError, match=r"floating-point array is needed and this one, of shape \(2,\), is int32"):
        F.softmax(jnp.arange(2))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: F.prelu(x, jnp.zeros(3)), r"one per channel \(last axis\) of \(2, 5\) and got \(3,\)"),
        (lambda x: F.rrelu(x, 0.5, 0.1), r"\[0.5, 0.1\)"),
        (lambda x: F.rrelu(x, training=True), "rrelu draws random numbers while training and got no key: pass key="),
        (lambda x: F.celu(x, 0.0), "alpha, which cannot be 0"),
        (lambda x: F.gelu(x, approximate="erf"), "'none' or 'tanh' and got 'erf'"),
        (lambda x: F.glu(x), r"splits axis -1 in two halves; its size in \(2, 5\) is odd"),
        (lambda x: F.hardtanh(x, 1.0, -1.0), r"\[min_val, max_val\] and got \[1.0, -1.0\]"),
        (lambda x: F.softshrink(x, -0.5), "cannot be negative: -0.5"),
        (lambda x: F.normalize(x, 0.0), "positive p; it is 0.0"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call(jnp.ones((2, 5)))


def test_rrelu_draws_a_slope_for_each_element():
    x = jnp.full(10_000, -1.0)
    slopes = -F.rrelu(x, 0.1, 0.5, training=True, key=KEY)
    assert slopes.min() >= 0.1
    assert slopes.max() < 0.5
    np.testing.assert_allclose([slopes.mean(), slopes.std()], [0.3, 0.4 / 12**0.5], atol=0.01)
    gradient = jax.grad(lambda x: F.rrelu(x, 0.1, 0.5, training=True, key=KEY).sum())(x)
    np.testing.assert_array_equal(gradient, slopes)


def test_gumbel_softmax_draws_from_the_softmax():
    logits = jnp.array([0.0, 1.0, -1.0])
    draws = jax.vmap(lambda key: F.gumbel_softmax(logits, 0.5, hard=True, key=key))(jax.random.split(KEY, 20_000))
    assert set(np.unique(draws)) == {0.0, 1.0}
    np.testing.assert_array_equal(draws.sum(-1), 1)
    np.testing.assert_allclose(draws.mean(0), F.softmax(logits), atol=0.02)


@pytest.mark.parametrize("dim", [0, -1])
def test_gumbel_softmax_hard_has_the_derivative_of_soft(dim):
    logits = jax.random.normal(KEY, (2, 3, 4))
    weights = jax.random.normal(jax.random.key(1), (2, 3, 4))
    soft, hard = (
        jax.value_and_grad(lambda x, h=h: (weights * F.gumbel_softmax(x, 2.0, h, dim=dim, key=KEY)).sum())(logits)
        for h in (False, True)
    )
    np.testing.assert_allclose(hard[1], soft[1], rtol=1e-6)
    assert hard[0] != soft[0]
    relaxed = F.gumbel_softmax(logits.astype(jnp.bfloat16), dim=dim, key=KEY)
    assert relaxed.dtype == jnp.bfloat16
    np.testing.assert_allclose(relaxed.astype(jnp.float32).sum(dim), 1, atol=0.02)
