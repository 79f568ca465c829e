"""`fold` and `unfold` against torch: value and gradient, every option."""

import jax
import jax.numpy as jnp
import pytest
import torch
import torch.nn.functional as TF

from funcvision import functional as F
from funcvision import nn

from .reference import assert_close, assert_same_with_gradients, nchw, nhwc, random

OPTIONS = [
    {"kernel_size": 2},
    {"kernel_size": (3, 2), "dilation": (2, 1), "padding": (1, 2), "stride": (2, 3)},
    {"kernel_size": 1, "stride": 3},
    {"kernel_size": (9, 8)},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_unfold(options):
    assert_same_with_gradients(
        lambda x: F.unfold(x, **options), lambda x: TF.unfold(x, **options), [random(0, 2, 9, 8, 3)],
        to_torch=[nchw], from_torch=[nhwc],
    )


@pytest.mark.parametrize("options", OPTIONS)
def test_fold(options):
    windows = nhwc(TF.unfold(nchw(random(0, 2, 9, 8, 3)), **options))
    assert_same_with_gradients(
        lambda x: F.fold(x, (9, 8), **options), lambda x: TF.fold(x, (9, 8), **options), [windows],
        to_torch=[nchw], from_torch=[nhwc],
    )


def test_layers_and_leading_axes():
    x = random(0, 2, 9, 8, 3)
    options = {"dilation": 2, "padding": 1, "stride": (2, 1)}
    windows = jax.jit(nn.Unfold((3, 2), **options))(x)
    assert_close(windows, nhwc(torch.nn.Unfold((3, 2), **options)(nchw(x))))
    image = jax.jit(nn.Fold((9, 8), (3, 2), **options))(windows)
    assert_close(image, nhwc(torch.nn.Fold((9, 8), (3, 2), **options)(nchw(windows))))
    there_and_back = lambda x: F.fold(F.unfold(x, (3, 2), **options), (9, 8), (3, 2), **options)
    assert_close(jax.jit(there_and_back)(x[0]), image[0])
    assert_close(jax.jit(there_and_back)(x[None])[0], image)


@pytest.mark.parametrize(("call", "error", "match"), [
    (lambda: F.unfold(jnp.ones((4, 4)), 2), ValueError, r"unfold takes \[..., height, width, channels\]"),
    (lambda: F.unfold(jnp.ones((4, 4, 1)), 5), ValueError, r"kernel_size=\(5, 5\).* is larger than an image"),
    (lambda: F.unfold(jnp.ones((4, 4, 1)), 2, stride=0), ValueError, "stride must be an integer of 1 or more"),
    (lambda: F.fold(jnp.ones((9, 5)), 4, 2), ValueError, r"takes \[..., 9 windows, channels \* 4\].*got \(9, 5\)"),
    (lambda: F.fold(jnp.ones((8, 4)), 4, 2), ValueError, r"got \(8, 4\)"),
    (lambda: F.fold(jnp.ones((9, 4)), 4.0, 2), TypeError, "output_size must be an integer"),
])
def test_errors(call, error, match):
    with pytest.raises(error, match=match):
        call()
