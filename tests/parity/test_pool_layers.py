"""Pooling, padding and upsampling layers against torch's layers of the same name and arguments."""

import jax.numpy as jnp
import pytest
import torch

from funcvision import nn
from tests.parity.reference import assert_close, nchw, nhwc, random

SHAPES = {"1": (2, 11, 4), "2": (2, 7, 8, 4), "3": (1, 5, 6, 7, 4)}

LAYERS = [
    *((f"MaxPool{n}d", (3, 2, 1), {}) for n in "123"),
    ("MaxPool2d", ((2, 3), 1, (1, 0), (2, 1)), {"ceil_mode": True}),
    ("MaxPool1d", (3,), {"stride": 2, "ceil_mode": True}),
    *((f"AvgPool{n}d", (3, 2, 1, True, False), {}) for n in "123"),
    *((f"AvgPool{n}d", (3,), {"divisor_override": 4}) for n in "23"),
    *((f"LPPool{n}d", (2, 3, 2, True), {}) for n in "123"),
    *((f"Adaptive{kind}Pool{n}d", (3,), {}) for kind in ("Avg", "Max") for n in "123"),
    ("AdaptiveAvgPool2d", ((None, 3),), {}),
    *((f"{kind}Pad{n}d", (2,), {}) for kind in ("Zero", "Reflection", "Replication", "Circular") for n in "123"),
    *((f"ConstantPad{n}d", (1, 1.5), {}) for n in "123"),
    ("ZeroPad2d", ((1, 2, -1, 3),), {}), ("ReflectionPad1d", ((1, 4),), {}), ("ConstantPad2d", ((1, 2, 0, 3), -1), {}),
    ("ReplicationPad3d", ((1, 2, 0, 3, 2, 1),), {}),
    ("Upsample", ((5, 9),), {}), ("Upsample", (), {"scale_factor": 1.6, "mode": "bilinear", "align_corners": True}),
    ("Upsample", (None, (1.6, 2.3), "bicubic", None, True), {}), ("Upsample", (5,), {"mode": "nearest-exact"}),
    ("UpsamplingNearest2d", (9,), {}), ("UpsamplingNearest2d", (), {"scale_factor": 2}),
    ("UpsamplingBilinear2d", ((3, 9),), {}), ("UpsamplingBilinear2d", (None, (2.0, 1.5)), {}),
    ("PixelShuffle", (2,), {}), ("ChannelShuffle", (2,), {}), ("ChannelShuffle", (4,), {}), ("Softmax2d", (), {}),
    *(("CrossMapLRN2d", (size,), {"alpha": 0.3, "k": 2.0}) for size in (1, 2, 3, 4, 5, 7, 9)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "args", "options"), LAYERS)
def test_layer(name, args, options):
    x = random(0, *SHAPES[name[-2] if name[-1] == "d" else "2"])
    theirs = getattr(torch.nn, name)(*args, **options)(nchw(x))
    assert_close(getattr(nn, name)(*args, **options)(x), nhwc(theirs))


def test_pixel_unshuffle():
    x = random(0, 2, 6, 8, 4)
    assert_close(nn.PixelUnshuffle(2)(x), nhwc(torch.nn.PixelUnshuffle(2)(nchw(x))))


def test_upsampling_of_one_image_without_a_batch_axis():
    assert nn.UpsamplingNearest2d(scale_factor=2)(jnp.ones((3, 4, 5))).shape == (6, 8, 5)


def test_padding_takes_one_number_or_two_per_axis():
    with pytest.raises(ValueError, match="ZeroPad2d takes one number, or 4: two per axis; got"):
        nn.ZeroPad2d((1, 2))


INDICES = [
    *((f"MaxPool{n}d", (3, 2, 1, 1, True), {}) for n in "123"),
    ("MaxPool2d", ((2, 3), 1, (1, 0), (2, 1)), {"return_indices": True, "ceil_mode": True}),
    *((f"AdaptiveMaxPool{n}d", (3, True), {}) for n in "123"),
]


@pytest.mark.parametrize(("name", "args", "options"), INDICES)
def test_indices_of_maxima(name, args, options):
    x = random(0, *SHAPES[name[-2]])
    ours, theirs = getattr(nn, name)(*args, **options)(x), getattr(torch.nn, name)(*args, **options)(nchw(x))
    assert_close(ours[0], nhwc(theirs[0]))
    assert_close(ours[1], nhwc(theirs[1]).astype("int32"))


@pytest.mark.parametrize("n", "123")
def test_max_unpool(n):
    size = (7, 6, 8)[-int(n) :]
    shape = (2, *size, 3)
    x = random(0, *shape)
    pooled = getattr(torch.nn, f"MaxPool{n}d")(2, return_indices=True)(nchw(x))
    layer, theirs = getattr(nn, f"MaxUnpool{n}d")(2), getattr(torch.nn, f"MaxUnpool{n}d")(2)
    ours = [jnp.asarray(nhwc(y).copy()) for y in pooled]
    if n != "3":  # else an odd size would lose indices, and torch raises
        assert_close(layer(*ours), nhwc(theirs(*pooled)))
    for wanted in (size, shape):
        assert_close(layer(*ours, output_size=wanted), nhwc(theirs(*pooled, output_size=size)))
    with pytest.raises(ValueError, match="by less than the stride"):
        layer(*ours, output_size=tuple(2 * s for s in size))
