"""Padding: derivatives, vmap, leading axes, and the errors."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.test_util import check_grads

from funcvision import functional as F

MODES = ("constant", "reflect", "replicate", "circular")


def image(*shape):
    return jnp.asarray(np.random.default_rng(0).standard_normal(shape), jnp.float32)


@pytest.mark.parametrize("mode", MODES)
def test_derivatives_forward_and_reverse(mode):
    check_grads(jax.jit(lambda x: F.pad(x, (2, 1, -1, 2), mode)), (image(4, 5, 2),), order=1, rtol=1e-2)


@pytest.mark.parametrize("mode", MODES)
def test_vmap_and_leading_axes(mode):
    x, pads = image(2, 3, 4, 5, 2), (2, 1, -1, 3)
    y = F.pad(x, pads, mode)
    assert y.shape == (2, 3, 6, 8, 2)
    np.testing.assert_array_equal(y, jax.vmap(jax.vmap(lambda x: F.pad(x, pads, mode)))(x))
    np.testing.assert_array_equal(y, jax.jit(lambda x: F.pad(x, pads, mode))(x))


def test_value_may_be_traced():
    y = jax.jit(lambda x, value: F.pad(x, (1, 0), value=value))(image(3, 2), 7.0)
    np.testing.assert_array_equal(y[0], [7, 7])


@pytest.mark.parametrize(("pads", "options", "match"), [
    ((1, 1), {"mode": "edge"}, "mode='edge' is unknown; give \"constant\""),
    ((1, 1, 1), {}, "has 3 numbers; give two for each axis"),
    ((1, 1) * 4, {}, "pads 4 axes, and .* has only 3 before its channels"),
    ((1, 1), {"mode": "reflect", "value": 1.0}, "value=1.0 has no meaning"),
    ((5, 0), {"mode": "reflect"}, r"\(5, 0\) at axis 2 of shape \(1, 4, 5, 2\): a reflection adds at most 4"),
    ((0, 0, 0, 5), {"mode": "circular"}, r"\(0, 5\) at axis 1 .* \"circular\" adds at most 4 pixels"),
    ((3, -3), {"mode": "circular"}, '"circular" adds at most 2 pixels'),
    ((-6, 3), {}, "crops more than there is"),
])  # fmt: skip
def test_errors(pads, options, match):
    with pytest.raises(ValueError, match=match):
        F.pad(image(1, 4, 5, 2), pads, **options)


def test_replicate_needs_a_pixel():
    with pytest.raises(ValueError, match="no pixel to repeat"):
        F.pad(image(1, 0, 2), (1, 0), "replicate")
