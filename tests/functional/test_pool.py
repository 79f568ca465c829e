"""Pooling: derivatives of every order, vmap, leading axes, and the errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from funcvision import functional as F

CALLS = {
    "max_pool2d": lambda x: F.max_pool2d(x, 3, 2, 1),
    "max_pool2d, long windows": lambda x: F.max_pool2d(x, (7, 2), (1, 2), (3, 1), ceil_mode=True),
    "max_pool2d, dilation": lambda x: F.max_pool2d(x, 2, 1, 1, (2, 3)),
    "avg_pool2d": lambda x: F.avg_pool2d(x, 3, 2, 1, True, False),
    "lp_pool2d": lambda x: F.lp_pool2d(x, 2, 2),
    "adaptive_avg_pool2d": lambda x: F.adaptive_avg_pool2d(x, (3, 4)),
    "adaptive_max_pool2d": lambda x: F.adaptive_max_pool2d(x, (3, 4)),
}


def image(*shape):
    """An image whose values differ by more than the step of a finite difference."""
    values = np.random.default_rng(0).permutation(np.prod(shape)) / 10 + 0.5
    return jnp.asarray(values.reshape(shape), jnp.float32)


@pytest.mark.parametrize("name", [name for name in CALLS if "avg" not in name])
def test_first_and_second_derivatives_forward_and_reverse(name):
    with jax.enable_x64(True):
        check_grads(jax.jit(CALLS[name]), (image(7, 8, 1).astype(jnp.float64),), order=2, eps=1e-3)


@pytest.mark.parametrize("name", CALLS)
def test_hessian_is_symmetric(name):
    hessian = jax.jit(jax.hessian(lambda x: jnp.sum(jnp.sin(CALLS[name](x)))))(image(4, 5, 1)).reshape(20, 20)
    assert np.abs(hessian).max() > 0
    np.testing.assert_allclose(hessian, hessian.T, atol=1e-5)


@pytest.mark.parametrize("name", CALLS)
def test_vmap_and_leading_axes(name):
    x, call = image(2, 3, 7, 8, 2), jax.jit(CALLS[name])
    y = call(x)
    each = jnp.stack([jnp.stack([call(image) for image in row]) for row in x])
    np.testing.assert_allclose(y, each, rtol=1e-6)
    gradient = jax.grad(lambda x: jnp.sum(jnp.sin(call(x))))
    mapped = jax.jit(jax.vmap(jax.vmap(lambda x: (call(x), gradient(x)))))(x)
    np.testing.assert_allclose(y, mapped[0], rtol=1e-6)
    np.testing.assert_allclose(jax.jit(gradient)(x), mapped[1], rtol=1e-5, atol=1e-6)


def test_the_first_of_equal_elements_gets_the_tangent():
    x, tangent = jnp.zeros((5, 5, 1)), jnp.arange(25.0).reshape(5, 5, 1)
    for pool in (lambda x: F.max_pool2d(x, 2, 1), lambda x: F.max_pool2d(x, 2, 1, 0, 1)):
        _, slope = jax.jvp(pool, (x,), (tangent,))
        np.testing.assert_array_equal(slope, tangent[:4, :4])
    _, slope = jax.jvp(lambda x: F.adaptive_max_pool2d(x, 2), (x,), (tangent,))
    np.testing.assert_array_equal(slope.ravel(), [0, 2, 10, 12])


def test_half_precision_means_accumulate_in_float32():
    x = jnp.full((1, 60, 60, 1), 0.1, jnp.float16)
    for y in (F.adaptive_avg_pool2d(x, 1), F.adaptive_avg_pool2d(x, (7, 1)), F.avg_pool2d(x, 50)):
        assert (y == x[0, 0, 0, 0]).all()


def test_windows_entirely_in_the_padding():
    """As in torch, the result is minus infinity, or the smallest integer."""
    assert F.max_pool1d(jnp.ones((1, 1)), 2, 1, 1, 2).item() == -np.inf
    assert F.max_pool1d(jnp.ones((1, 1), jnp.int32), 2, 1, 1, 2).item() == np.iinfo(np.int32).min


@pytest.mark.parametrize(("call", "match"), [
    (lambda x: F.max_pool2d(x, 2, padding=2), r"max_pool2d: padding=\(2, 2\) must be from 0 to half of kernel_size"),
    (lambda x: F.avg_pool2d(x, 2, padding=-1), "avg_pool2d: padding=.* must be from 0 to half"),
    (lambda x: F.max_pool2d(x, 3, padding=2, dilation=2), "must be from 0 to half of kernel_size"),
    (lambda x: F.max_pool2d(x, 9), "larger than the padded image"),
    (lambda x: F.max_pool2d(x, 2, 0), "max_pool2d: stride must be an integer of 1 or more; it is 0"),
    (lambda x: F.max_pool2d(x, (2, 0)), "kernel_size must be an integer of 1 or more"),
    (lambda x: F.max_pool2d(x, 2, dilation=0), "dilation must be an integer of 1 or more"),
    (lambda x: F.max_pool2d(x, (2, 2, 2)), "kernel_size=.* has 3 values"),
    (lambda x: F.max_pool3d(x[0], 2), r"max_pool3d takes \[..., depth, height, width, channels\]"),
    (lambda x: F.avg_pool2d(x, 2, divisor_override=0), "divisor_override is 0"),
    (lambda x: F.adaptive_avg_pool2d(x, 0), "output_size must be an integer of 1 or more; it is 0"),
    (lambda x: F.adaptive_max_pool2d(x, (3, -1)), "output_size must be an integer of 1 or more; it is -1"),
    (lambda x: F.adaptive_avg_pool2d(x, (1, 2, 3)), "output_size=.* has 3 values"),
])  # fmt: skip
def test_errors(call, match):
    with pytest.raises(ValueError, match=match):
        call(image(1, 6, 7, 2))


@pytest.mark.parametrize("call", [
    lambda x: F.avg_pool2d(x, 2), lambda x: F.adaptive_avg_pool2d(x, 2), lambda x: F.lp_pool2d(x, 2, 2),
])  # fmt: skip
def test_means_of_integers_raise(call):
    with pytest.raises(TypeError, match="floating-point array is needed"):
        call(jnp.ones((1, 4, 4, 1), jnp.int32))
