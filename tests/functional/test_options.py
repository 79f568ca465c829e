"""Numeric options: every integer type is taken; floats, booleans and numbers out of range get one clear error."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from funcvision import functional as F
from funcvision import nn

IMAGE = jnp.ones((1, 8, 8, 4))
KERNEL = jnp.ones((3, 3, 4, 4))
CLASSES = jnp.array([0, 1])
SCORES = jnp.ones((2, 3))

# (a function of the option, a number that is allowed, a number out of range or None)
FUNCTIONS = {
    "conv2d stride": (lambda v: F.conv2d(IMAGE, KERNEL, stride=v), 2, 0),
    "conv2d padding": (lambda v: F.conv2d(IMAGE, KERNEL, padding=v), 1, -1),
    "conv2d padding pairs": (lambda v: F.conv2d(IMAGE, KERNEL, padding=[(v, 1), (0, v)]), 1, -1),
    "conv2d dilation": (lambda v: F.conv2d(IMAGE, KERNEL, dilation=v), 2, 0),
    "conv2d groups": (lambda v: F.conv2d(jnp.ones((1, 8, 8, 8)), KERNEL, groups=v), 2, 0),
    "conv_transpose2d stride": (lambda v: F.conv_transpose2d(IMAGE, KERNEL, stride=v), 2, 0),
    "conv_transpose2d padding": (lambda v: F.conv_transpose2d(IMAGE, KERNEL, padding=v), 1, -1),
    "conv_transpose2d output_padding": (
        lambda v: F.conv_transpose2d(IMAGE, KERNEL, stride=2, output_padding=v), 1, -1
    ),
    "conv_transpose2d output_size": (lambda v: F.conv_transpose2d(IMAGE, KERNEL, output_size=(v, v)), 10, 11),
    "conv_transpose2d groups": (lambda v: F.conv_transpose2d(IMAGE, KERNEL, groups=v), 2, 0),
    "conv_transpose2d dilation": (lambda v: F.conv_transpose2d(IMAGE, KERNEL, dilation=v), 2, 0),
    "max_pool2d kernel_size": (lambda v: F.max_pool2d(IMAGE, v), 2, 0),
    "max_pool2d stride": (lambda v: F.max_pool2d(IMAGE, 2, v), 2, 0),
    "max_pool2d padding": (lambda v: F.max_pool2d(IMAGE, 2, 2, v), 1, -1),
    "max_pool2d dilation": (lambda v: F.max_pool2d(IMAGE, 2, 2, 0, v), 2, 0),
    "max_unpool2d kernel_size": (lambda v: F.max_unpool2d(IMAGE, jnp.zeros(IMAGE.shape, int), v), 2, 0),
    "max_unpool2d output_size": (
        lambda v: F.max_unpool2d(IMAGE, jnp.zeros(IMAGE.shape, int), 2, output_size=(v, v)), 16, 99
    ),
    "avg_pool2d kernel_size": (lambda v: F.avg_pool2d(IMAGE, v), 2, 0),
    "avg_pool2d padding": (lambda v: F.avg_pool2d(IMAGE, 2, 2, v), 1, -1),
    "avg_pool2d divisor_override": (lambda v: F.avg_pool2d(IMAGE, 2, divisor_override=v), 3, 0),
    "lp_pool2d kernel_size": (lambda v: F.lp_pool2d(IMAGE, 2, v), 2, 0),
    "adaptive_avg_pool2d output_size": (lambda v: F.adaptive_avg_pool2d(IMAGE, (v, None)), 2, 0),
    "adaptive_max_pool2d output_size": (lambda v: F.adaptive_max_pool2d(IMAGE, v), 2, 0),
    "group_norm num_groups": (lambda v: F.group_norm(IMAGE, v), 2, 0),
    "layer_norm normalized_shape": (lambda v: F.layer_norm(IMAGE, v), 4, -1),
    "rms_norm normalized_shape": (lambda v: F.rms_norm(IMAGE, (8, v)), 4, -1),
    "local_response_norm size": (lambda v: F.local_response_norm(IMAGE, v), 2, 0),
    "pad pad": (lambda v: F.pad(IMAGE, (v, 0)), 2, -9),
    "embedding padding_idx": (lambda v: F.embedding(CLASSES, SCORES, padding_idx=v), 1, 2),
    "embedding_bag padding_idx": (lambda v: F.embedding_bag(CLASSES[None], SCORES, padding_idx=v), 1, 2),
    "unfold kernel_size": (lambda v: F.unfold(IMAGE, v), 2, 0),
    "unfold padding": (lambda v: F.unfold(IMAGE, 2, padding=v), 1, -1),
    "fold output_size": (lambda v: F.fold(jnp.ones((9, 4)), v, 2), 4, 0),
    "channel_shuffle groups": (lambda v: F.channel_shuffle(IMAGE, v), 2, 0),
    "fractional_max_pool2d kernel_size": (
        lambda v: F.fractional_max_pool2d(IMAGE, v, 3, _random_samples=jnp.ones((1, 4, 2)) / 2), 2, 0
    ),
    "fractional_max_pool2d output_size": (
        lambda v: F.fractional_max_pool2d(IMAGE, 2, v, _random_samples=jnp.ones((1, 4, 2)) / 2), 3, 0
    ),
    "ctc_loss blank": (lambda v: F.ctc_loss(jnp.ones((4, 2, 3)), CLASSES[:, None], (4, 4), (1, 1), v), 2, 3),
    "one_hot num_classes": (lambda v: F.one_hot(CLASSES, v), 2, 0),
    "cross_entropy ignore_index": (lambda v: F.cross_entropy(SCORES, CLASSES, ignore_index=v), 1, None),
    "nll_loss ignore_index": (lambda v: F.nll_loss(SCORES, CLASSES, ignore_index=v), 1, None),
    "multi_margin_loss p": (lambda v: F.multi_margin_loss(SCORES, CLASSES, v), 2, 3),
    "softmax dim": (lambda v: F.softmax(IMAGE, v), 2, 4),
    "log_softmax dim": (lambda v: F.log_softmax(IMAGE, v), 2, -5),
    "softmin dim": (lambda v: F.softmin(IMAGE, v), 2, 4),
    "gumbel_softmax dim": (lambda v: F.gumbel_softmax(IMAGE, dim=v, key=jax.random.key(0)), 2, 4),
    "glu dim": (lambda v: F.glu(IMAGE, v), 2, 4),
    "normalize dim": (lambda v: F.normalize(IMAGE, dim=v), 2, 4),
    "cosine_similarity dim": (lambda v: F.cosine_similarity(IMAGE, IMAGE, v), 2, 4),
}
LAYERS = {
    "Conv2d in_channels": (lambda v: nn.Conv2d(v, 4, 3), 4, -1),
    "Conv2d out_channels": (lambda v: nn.Conv2d(4, v, 3), 4, -1),
    "Conv2d kernel_size": (lambda v: nn.Conv2d(4, 4, v), 4, 0),
    "Conv2d groups": (lambda v: nn.Conv2d(4, 4, 3, groups=v), 2, 0),
    "ConvTranspose2d kernel_size": (lambda v: nn.ConvTranspose2d(4, 4, v), 4, 0),
    "ConvTranspose2d groups": (lambda v: nn.ConvTranspose2d(4, 4, 3, groups=v), 2, 0),
    "Linear in_features": (lambda v: nn.Linear(v, 3), 2, -1),
    "Linear out_features": (lambda v: nn.Linear(3, v), 2, -1),
    "Embedding num_embeddings": (lambda v: nn.Embedding(v, 3), 2, -1),
    "Embedding padding_idx": (lambda v: nn.Embedding(2, 3, v), 1, 2),
    "BatchNorm2d num_features": (lambda v: nn.BatchNorm2d(v), 2, -1),
    "GroupNorm num_groups": (lambda v: nn.GroupNorm(v, 4), 2, 0),
    "LayerNorm normalized_shape": (lambda v: nn.LayerNorm(v), 2, -1),
    "RMSNorm normalized_shape": (lambda v: nn.RMSNorm((3, v)), 2, -1),
}
OPTIONS = FUNCTIONS | LAYERS


@pytest.mark.parametrize("integer", [np.int64, np.int32, np.uint8, np.array], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_integer_type_is_taken(name, integer):
    call, allowed, _ = OPTIONS[name]
    given = jax.eval_shape(functools.partial(call, integer(allowed)))
    assert given == jax.eval_shape(functools.partial(call, allowed))


@pytest.mark.parametrize("name", LAYERS)
def test_layers_take_every_integer_type(name):
    call, allowed, _ = OPTIONS[name]
    for declared, plain in zip(*(call(v).declarations().values() for v in (np.int64(allowed), allowed)), strict=True):
        assert declared.shape == plain.shape
        assert all(type(n) is int for n in declared.shape)


@pytest.mark.parametrize("name", OPTIONS)
def test_floats_and_booleans_are_refused(name):
    call, allowed, _ = OPTIONS[name]
    for wrong in (float(allowed), True, np.True_):
        with pytest.raises(TypeError, match=f"{name.split()[-1].replace('pairs', 'padding')} must be an integer"):
            call(wrong)


@pytest.mark.parametrize("name", [name for name, (_, _, outside) in OPTIONS.items() if outside is not None])
def test_numbers_out_of_range_are_refused(name):
    call, _, outside = OPTIONS[name]
    with pytest.raises(ValueError, match=str(outside)):
        call(outside)


@pytest.mark.parametrize(("size", "kernel", "padding"), [(2, 1, 1), (1, 2, 1), (0, 3, 0)])
def test_an_output_of_no_pixels_is_refused(size, kernel, padding):
    x, weight = jnp.ones((1, size, 5, 4)), jnp.ones((kernel, kernel, 4, 3))
    if size:
        with pytest.raises(ValueError, match=r"would have .* pixels"):
            F.conv_transpose2d(x, weight, padding=padding)
    with pytest.raises(ValueError, match=r"larger than the padded image|no pixel|would have"):
        F.conv2d(x, jnp.ones((9, 9, 4, 3)), padding=padding)
    with pytest.raises(ValueError, match="no pixel"):
        F.adaptive_avg_pool2d(jnp.ones((1, 0, 5, 4)), 1)
    with pytest.raises(ValueError, match="an element or more along each spatial axis"):
        F.conv2d(x, jnp.ones((0, 3, 4, 3)))


def test_an_array_gives_one_number_for_each_axis():
    numbers: Any = np.array([2, 4])
    assert F.max_pool2d(IMAGE, numbers).shape == (1, 4, 2, 4)
    assert F.pad(IMAGE, numbers).shape == (1, 8, 14, 4)
