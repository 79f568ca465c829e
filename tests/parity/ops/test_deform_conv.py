"""Deformable convolution against torchvision's kernel, value and every gradient in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torchvision.ops

from funcvision import functional as F
from funcvision.vision import ops
from tests.parity.layers import assert_layer_equal
from tests.parity.reference import (
    assert_close,
    assert_same_with_gradients,
    back,
    hwio,
    nchw,
    nhwc,
    oihw,
    random,
    same,
)


def arrays(size, channels, out, kernel, output, groups=1, offset_groups=1, spread=2.0):
    taps = kernel[0] * kernel[1]
    shapes = [
        (2, *size, channels), (2, *output, 2 * offset_groups * taps), (*kernel, channels // groups, out), (out,),
        (2, *output, offset_groups * taps),
    ]
    made = [random(i, *shape, dtype="float64") for i, shape in enumerate(shapes)]
    made[1] *= spread
    return made


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(("case", "options"), [
    (((7, 9), 4, 6, (3, 3), (7, 9)), {"padding": 1}),
    (((8, 9), 4, 6, (3, 2), (4, 6)), {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 3)}),
    (((7, 9), 8, 6, (3, 3), (5, 7), 2), {}),
    (((7, 9), 8, 6, (3, 3), (5, 7), 1, 4), {}),
    (((7, 9), 12, 8, (1, 3), (7, 7), 4, 2), {}),
    (((7, 9), 4, 4, (3, 3), (5, 7), 4, 4, 20.0), {}),
    (((6, 1), 2, 3, (3, 1), (4, 1)), {}),
    (((1, 5), 2, 3, (1, 3), (1, 3)), {}),
])
def test_deform_conv2d(case, options, masked):
    given = arrays(*case)[: 5 if masked else 4]

    def run(library, x, offset, weight, bias, mask=None):
        return library.deform_conv2d(x, offset, weight, bias, **options, mask=mask)

    with jax.enable_x64(True):
        assert_same_with_gradients(
            lambda *a: run(ops, *a), lambda *a: run(torchvision.ops, *a), given,
            to_torch=[nchw, nchw, oihw, same, nchw][: len(given)],
            from_torch=[nhwc, nhwc, hwio, back, nhwc][: len(given)],
        )


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_whole_offsets_have_torchs_gradients(spread):
    """Where interpolation has a kink; offsets start as zeros."""
    x, offset, weight, bias, mask = arrays((6, 7), 3, 4, (3, 3), (6, 7))
    offset = np.round(offset) * spread
    with jax.enable_x64(True):
        assert_same_with_gradients(
            lambda *a: ops.deform_conv2d(*a[:4], 1, 1, 1, a[4]),
            lambda *a: torchvision.ops.deform_conv2d(*a[:4], 1, 1, 1, a[4]), [x, offset, weight, bias, mask],
            to_torch=[nchw, nchw, oihw, same, nchw], from_torch=[nhwc, nhwc, hwio, back, nhwc],
        )


def test_without_offsets_it_is_a_convolution():
    x, offset, weight, bias, _ = (jnp.asarray(a, jnp.float32) for a in arrays((7, 9), 4, 6, (3, 3), (4, 5)))
    ours = ops.deform_conv2d(x, 0 * offset, weight, bias, 2, 1)
    assert_close(ours, np.asarray(F.conv2d(x, weight, bias, 2, 1)), rtol=1e-5)
    each = jax.vmap(lambda x, o: ops.deform_conv2d(x[None], o[None], weight, bias, 2, 1)[0])(x, offset)
    assert_close(each, np.asarray(ops.deform_conv2d(x, offset, weight, bias, 2, 1)), rtol=1e-5)
    half = ops.deform_conv2d(*(a.astype(jnp.bfloat16) for a in (x, 0 * offset, weight, bias)), 2, 1)
    assert half.dtype == jnp.bfloat16
    assert_close(half.astype(jnp.float32), np.asarray(ours), rtol=2e-2)


@pytest.mark.parametrize("options", [{}, {"groups": 2, "bias": False, "stride": 2, "padding": (1, 2), "dilation": 2}])
def test_layer(options):
    ours, theirs = (library.DeformConv2d(4, 6, (3, 2), **options) for library in (ops, torchvision.ops))
    x = random(0, 2, 9, 8, 4)
    size = torch.nn.Conv2d(4, 6, (3, 2), **options)(nchw(x)).shape[2:]
    assert_layer_equal(
        ours, theirs, [x, random(1, 2, *size, 12), random(2, 2, *size, 6)], dtype="float64", channels_last=True
    )


def test_errors():
    x, offset, weight, _, mask = (jnp.asarray(a) for a in arrays((7, 9), 4, 6, (3, 3), (5, 7)))
    with pytest.raises(ValueError, match=r"offset must be .*\(2, 5, 7, '18 \* offset_groups'\); got \(2, 5, 7, 17\)"):
        ops.deform_conv2d(x, offset[..., :17], weight)
    with pytest.raises(ValueError, match=r"mask must be \(2, 5, 7, 9\); got \(2, 5, 7, 8\)"):
        ops.deform_conv2d(x, offset, weight, mask=mask[..., :8])
    with pytest.raises(ValueError, match="does not fit an image of 5 channels"):
        ops.deform_conv2d(jnp.zeros((2, 7, 9, 5)), offset, weight)
    with pytest.raises(ValueError, match="takes an image"):
        ops.deform_conv2d(x[0], offset, weight)
    with pytest.raises(ValueError, match="groups=3 must divide"):
        ops.DeformConv2d(4, 6, 3, groups=3)
