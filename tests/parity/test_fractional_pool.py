"""Fractional max pooling against torch: value, indices and gradient, for given places of the windows."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torch.nn.functional as TF

from funcvision import functional as F
from funcvision import nn

from .reference import assert_close, nchw, nhwc, random, same

CASES = [  # shape, kernel_size, output_size
    ((2, 9, 11, 3), (2, 3), (5, 6)),
    ((2, 9, 11, 3), 2, (8, 1)),
    ((1, 9, 7, 2), 1, (9, 4)),
    ((2, 7, 8, 9, 2), 2, (3, 4, 5)),
    ((1, 5, 6, 7, 2), (2, 1, 3), (1, 5, 2)),
]


@pytest.mark.parametrize(("shape", "kernel_size", "output_size"), CASES)
def test_value_indices_and_gradient(shape, kernel_size, output_size):
    """With ties, NaN, and windows of minus infinity."""
    n = len(shape) - 2
    x = np.round(2 * random(0, *shape))
    x[0, :4, ..., 0], x[-1, 3, 4] = -np.inf, np.nan
    samples = random(1, shape[0], shape[-1], n, low=0.0)
    tensor = nchw(x).requires_grad_()
    args = kernel_size, output_size
    theirs = getattr(TF, f"fractional_max_pool{n}d_with_indices")(tensor, *args, _random_samples=same(samples))
    pool = getattr(F, f"fractional_max_pool{n}d_with_indices")
    run = jax.jit(lambda x: pool(x, *args, _random_samples=jnp.asarray(samples)))
    values, pullback, indices = jax.vjp(run, jnp.asarray(x), has_aux=True)
    assert_close(values, nhwc(theirs[0]))
    assert_close(indices, nhwc(theirs[1]).astype("int32"))
    cotangent = random(2, *values.shape)
    (gradient,) = torch.autograd.grad(theirs[0], tensor, nchw(cotangent))
    assert_close(pullback(jnp.asarray(cotangent))[0], nhwc(gradient))


def test_layers_draw_from_the_key_also_in_evaluation():
    x = jnp.asarray(random(0, 2, 9, 8, 3))
    layer = nn.FractionalMaxPool2d(2, output_ratio=(0.5, 0.7), return_indices=True)
    run = jax.jit(lambda key: layer.apply({}, {}, x, key=key)[0])
    y, indices = run(jax.random.key(0))
    assert y.shape == indices.shape == (2, 4, 5, 3)
    flat = x.reshape(2, 72, 3)
    assert_close(jnp.take_along_axis(flat, indices.reshape(2, 20, 3), 1).reshape(y.shape), y)
    other, _ = run(jax.random.key(1))
    assert (y != other).any()
    samples = random(1, 2, 3, 2, low=0.0)
    given, _ = jax.jit(lambda samples: layer.apply({}, {}, x, samples))(samples)
    expected = jax.jit(lambda samples: F.fractional_max_pool2d(x, 2, (4, 5), _random_samples=samples))(samples)
    assert_close(given[0], expected)
    with pytest.raises(ValueError, match="got no key"):
        layer.apply({}, {}, x)
    one = jax.eval_shape(
        lambda key: nn.FractionalMaxPool3d(2, 3).apply({}, {}, jnp.ones((5, 6, 7, 2)), key=key), jax.random.key(0)
    )
    assert one[0].shape == (3, 3, 3, 2)


@pytest.mark.parametrize(("options", "match"), [
    ({}, "takes output_size or output_ratio, one of them"),
    ({"output_size": 2, "output_ratio": 0.5}, "one of them"),
    ({"output_ratio": 1.0}, "must be between 0 and 1"),
    ({"output_size": 8}, r"\(8, 8\) windows of kernel_size=\(2, 2\) do not fit an image of \(8, 8\) pixels"),
    ({"output_size": 4}, "fractional_max_pool2d draws random numbers"),
    ({"output_size": 4, "_random_samples": jnp.ones((3, 3))}, r"_random_samples of shape \(2, 3, 2\)"),
])
def test_errors(options, match):
    with pytest.raises(ValueError, match=match):
        F.fractional_max_pool2d(jnp.ones((2, 8, 8, 3)), 2, **options)
