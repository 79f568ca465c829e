"""Convolutions against torch: value and both gradients, every option."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torch.nn.functional as TF

from funcvision import functional as F
from tests.parity.reference import assert_close, assert_same_with_gradients, back, hwio, nchw, nhwc, oihw, random, same

CONV2D = [
    ((2, 7, 9, 4), (3, 3, 4, 6), {}),
    ((1, 8, 8, 3), (7, 7, 3, 8), {"stride": 2, "padding": 3}),
    ((3, 9, 7, 4), (1, 1, 4, 5), {"stride": (2, 1)}),
    ((2, 11, 8, 4), (3, 2, 4, 6), {"padding": (2, 1), "dilation": (2, 3)}),
    ((2, 6, 6, 8), (3, 3, 2, 12), {"padding": 1, "groups": 4}),
    ((2, 7, 6, 5), (3, 3, 1, 10), {"padding": 1, "stride": 2, "groups": 5}),
    ((2, 7, 6, 3), (3, 4, 3, 4), {"padding": "same", "dilation": 2}),
    ((2, 7, 6, 3), (2, 4, 3, 4), {"padding": "valid"}),
]


@pytest.mark.parametrize(("x", "w", "options"), CONV2D)
@pytest.mark.parametrize("bias", [False, True])
def test_conv2d(x, w, options, bias):
    arrays = [random(0, *x), random(1, *w)] + [random(2, w[-1])] * bias
    assert_same_with_gradients(
        lambda *a: F.conv2d(*a, **options), lambda *a: TF.conv2d(*a, **options), arrays,
        to_torch=[nchw, oihw, same][: len(arrays)], from_torch=[nhwc, hwio, back][: len(arrays)],
    )


@pytest.mark.parametrize(("function", "x", "w", "options"), [
    ("conv1d", (2, 11, 4), (3, 2, 6), {"stride": 2, "padding": 1, "groups": 2}),
    ("conv1d", (2, 11, 4), (4, 4, 6), {"padding": "same", "dilation": 2}),
    ("conv3d", (2, 5, 6, 7, 4), (3, 2, 3, 4, 6), {"stride": (1, 2, 2), "padding": (1, 0, 2)}),
    ("conv3d", (1, 5, 6, 7, 4), (2, 3, 2, 2, 6), {"dilation": (1, 2, 1), "groups": 2}),
    ("conv3d", (2, 5, 9, 7, 4), (1, 3, 3, 4, 6), {"stride": (2, 2, 1), "padding": (0, 1, 1)}),
    ("conv3d", (2, 7, 5, 4, 4), (3, 1, 1, 4, 6), {"stride": (2, 1, 1), "padding": (1, 0, 0)}),
    ("conv3d", (1, 5, 9, 8, 16), (3, 3, 3, 16, 12), {"stride": (2, 1, 1), "padding": 1}),
    ("conv3d", (2, 3, 9, 10, 4), (3, 3, 3, 1, 4), {"stride": (1, 4, 4), "padding": 1, "groups": 4}),
])
def test_conv1d_and_3d(function, x, w, options):
    assert_same_with_gradients(
        lambda *a: getattr(F, function)(*a, **options), lambda *a: getattr(TF, function)(*a, **options),
        [random(0, *x), random(1, *w), random(2, w[-1])], to_torch=[nchw, oihw, same], from_torch=[nhwc, hwio, back],
    )


def iohw(w):
    """A kernel [..., in, out] as the [in, out, ...] of torch's transposed convolutions."""
    return torch.from_numpy(np.moveaxis(np.asarray(w), (-2, -1), (0, 1)).copy())


def hwio_transposed(w):
    return np.moveaxis(w.detach().numpy(), (0, 1), (-2, -1))


@pytest.mark.parametrize(("function", "x", "w", "options"), [
    ("conv_transpose1d", (2, 7, 4), (3, 4, 6), {"stride": 3, "padding": 1, "output_padding": 2}),
    ("conv_transpose3d", (1, 3, 4, 5, 8), (3, 3, 3, 8, 6), {"stride": (2, 1, 2), "padding": 1}),
    ("conv_transpose2d", (2, 5, 4, 4), (3, 3, 4, 6), {}),
    ("conv_transpose2d", (2, 5, 4, 4), (2, 2, 4, 6), {"stride": 2}),
    ("conv_transpose2d", (1, 5, 4, 6), (3, 4, 6, 2),
     {"stride": (2, 1), "padding": (1, 2), "output_padding": (1, 0), "groups": 3}),
    ("conv_transpose2d", (2, 5, 4, 4), (3, 3, 4, 3), {"stride": 2, "padding": 3, "dilation": 2, "output_padding": 1}),
    ("conv_transpose3d", (1, 3, 4, 3, 4), (3, 2, 3, 4, 2), {"stride": 2, "padding": (1, 0, 1), "groups": 2}),
])
def test_conv_transpose(function, x, w, options):
    out = w[-1] * options.get("groups", 1)
    assert_same_with_gradients(
        lambda *a: getattr(F, function)(*a, **options), lambda *a: getattr(TF, function)(*a, **options),
        [random(0, *x), random(1, *w), random(2, out)], to_torch=[nchw, iohw, same],
        from_torch=[nhwc, hwio_transposed, back],
    )


def test_asymmetric_padding_equals_pad_then_conv():
    x, w = random(0, 2, 7, 6, 3), random(1, 3, 3, 3, 4)
    expected = TF.conv2d(TF.pad(nchw(x), (2, 0, 1, 3)), oihw(w), stride=2)
    assert_close(F.conv2d(x, w, stride=2, padding=((1, 3), (2, 0))), nhwc(expected))


def test_leading_axes():
    x, w = random(0, 2, 3, 6, 7, 4), random(1, 3, 3, 4, 5)
    flat = F.conv2d(x.reshape(6, 6, 7, 4), w)
    assert_close(F.conv2d(x, w), np.asarray(flat).reshape(2, 3, 4, 5, 5))
    assert_close(F.conv2d(x[0, 0], w), flat[0])


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_computation_is_in_the_dtype_of_the_image(dtype):
    x, w, b = jnp.asarray(random(0, 2, 6, 6, 4), dtype), random(1, 3, 3, 4, 5), random(2, 5)
    y = F.conv2d(x, w, b)
    assert y.dtype == dtype
    expected = TF.conv2d(nchw(np.asarray(x, np.float32)), oihw(w), same(b))
    assert_close(y.astype(jnp.float32), nhwc(expected), rtol=2e-2)  # weight, bias and result are rounded to 8 bits


def test_transforms():
    x, w = random(0, 3, 6, 6, 2), random(1, 3, 3, 2, 2)
    f = lambda x, w: F.conv2d(x, w, padding=1)
    np.testing.assert_allclose(jax.vmap(f, (0, None))(x, w), f(x, w), atol=1e-5)
    _, tangent = jax.jvp(f, (x, w), (x, w))
    np.testing.assert_allclose(tangent, 2 * f(x, w), atol=1e-4)  # bilinear


def test_errors():
    x, w = jnp.ones((2, 6, 7, 4)), jnp.ones((3, 3, 4, 6))
    with pytest.raises(ValueError, match=r"channels-first order: pass x.transpose\(0, 2, 3, 1\)"):
        F.conv2d(jnp.ones((2, 4, 6, 7)), w)
    with pytest.raises(ValueError, match="4 channels are expected"):
        F.conv2d(jnp.ones((2, 6, 7, 5)), w)
    with pytest.raises(ValueError, match="height, width, channels"):
        F.conv2d(jnp.ones((6, 4)), w)
    with pytest.raises(ValueError, match="kernel of 4 axes"):
        F.conv2d(x, w[0])
    with pytest.raises(ValueError, match="bias of shape"):
        F.conv2d(x, w, jnp.ones(4))
    with pytest.raises(ValueError, match="groups=4"):
        F.conv2d(x, w[:, :, :1], groups=4)
    with pytest.raises(ValueError, match="stride 1"):
        F.conv2d(x, w, stride=2, padding="same")
    with pytest.raises(ValueError, match='"same", "valid"'):
        F.conv2d(x, w, padding="full")
    with pytest.raises(ValueError, match="2: one per spatial axis"):
        F.conv2d(x, w, stride=(1, 2, 3))
    with pytest.raises(ValueError, match="larger than the padded image"):
        F.conv2d(x, jnp.ones((9, 3, 4, 6)))
    with pytest.raises(ValueError, match="output_padding"):
        F.conv_transpose2d(x, w, output_padding=1)


def test_convolution_over_time_of_time_first_sequences():
    arrays = [random(0, 6, 2, 3), random(1, 3, 3, 4), random(2, 4)]
    for pad in (0, 2):
        assert_same_with_gradients(
            lambda *a, pad=pad: F.conv_tbc(*a, pad), lambda *a, pad=pad: TF.conv_tbc(*a, pad), arrays,
            to_torch=[same] * 3, from_torch=[back] * 3, out=back,
        )
    with pytest.raises(ValueError, match=r"conv_tbc takes \[time, batch, channels\]"):
        F.conv_tbc(jnp.ones((6, 3)), *map(jnp.asarray, arrays[1:]))
