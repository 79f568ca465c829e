"""Normalisations against torch: value, gradients and running statistics."""

import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torch.nn.functional as TF

from funcvision import functional as F
from tests.parity.reference import assert_close, assert_same_with_gradients, back, nchw, nhwc, random, same

IMAGE = (3, 5, 4, 6)
LAYOUTS = {"to_torch": [nchw, same, same], "from_torch": [nhwc, back, back]}


def arrays(shape=IMAGE, offset=2.0):
    """An image whose mean is not zero, a weight and a bias."""
    channels = shape[-1]
    return [random(0, *shape) * 3 + np.float32(offset), random(1, channels), random(2, channels)]


@pytest.mark.parametrize("shape", [IMAGE, (7, 6), (2, 5, 6), (2, 3, 4, 2, 6)])
@pytest.mark.parametrize("momentum", [0.1, 0.7])
def test_batch_norm_training(shape, momentum):
    mean, var = random(3, 6), random(4, 6, low=0.5, high=2.0)
    assert_same_with_gradients(
        lambda x, w, b: F.batch_norm(x, mean, var, w, b, True, momentum, 1e-3)[0],
        lambda x, w, b: TF.batch_norm(x, same(mean), same(var), w, b, True, momentum, 1e-3),
        arrays(shape), **LAYOUTS,
    )
    new_mean, new_var = same(mean), same(var)
    TF.batch_norm(nchw(arrays(shape)[0]), new_mean, new_var, None, None, True, momentum)
    _, statistics = F.batch_norm(arrays(shape)[0], jnp.asarray(mean), jnp.asarray(var), train=True, momentum=momentum)
    assert_close(statistics[0], new_mean)
    assert_close(statistics[1], new_var)


def test_batch_norm_evaluation():
    mean, var = random(3, 6), random(4, 6, low=0.5, high=2.0)
    assert_same_with_gradients(
        lambda x, w, b: F.batch_norm(x, mean, var, w, b)[0],
        lambda x, w, b: TF.batch_norm(x, same(mean), same(var), w, b), arrays(), **LAYOUTS,
    )
    _, statistics = F.batch_norm(arrays()[0], mean, var)
    assert statistics == (mean, var)


def test_batch_norm_without_running_statistics_uses_the_batch():
    expected = TF.batch_norm(nchw(arrays()[0]), None, None, training=True)
    y, statistics = F.batch_norm(arrays()[0], None, None)
    assert_close(y, nhwc(expected))
    assert statistics is None


def test_statistics_of_a_bfloat16_image_are_float32():
    x = jnp.asarray(arrays(offset=30.0)[0], jnp.bfloat16)
    y, (mean, _) = F.batch_norm(x, jnp.zeros(6), jnp.ones(6), train=True, momentum=1.0)
    assert y.dtype == jnp.bfloat16
    assert mean.dtype == jnp.float32
    assert_close(mean, np.asarray(x, np.float64).mean((0, 1, 2)).astype(np.float32))


def test_batch_norm_raises_for_training_on_one_value():
    with pytest.raises(ValueError, match="one value per channel"):
        F.batch_norm(jnp.ones((1, 6)), jnp.zeros(6), jnp.ones(6), train=True)


@pytest.mark.parametrize("axes", [1, 2])
@pytest.mark.parametrize("affine", [True, False])
def test_layer_norm(axes, affine):
    shape = (5, 4, 7)[-axes:]
    parts = [random(0, 5, 4, 7) + np.float32(2)] + [random(1, *shape), random(2, *shape)] * affine
    assert_same_with_gradients(
        lambda x, *wb: F.layer_norm(x, shape, *wb, eps=1e-4), lambda x, *wb: TF.layer_norm(x, shape, *wb, eps=1e-4),
        parts, to_torch=[same] * len(parts), from_torch=[back] * len(parts), out=back,
    )


@pytest.mark.parametrize("eps", [None, 1e-3])
def test_rms_norm(eps):
    parts = [random(0, 5, 7), random(1, 7)]
    assert_same_with_gradients(
        lambda x, w: F.rms_norm(x, 7, w, eps), lambda x, w: TF.rms_norm(x, (7,), w, eps),
        parts, to_torch=[same] * 2, from_torch=[back] * 2, out=back,
    )


@pytest.mark.parametrize("groups", [1, 2, 6])
@pytest.mark.parametrize("shape", [IMAGE, (7, 6), (2, 5, 6)])
def test_group_norm(groups, shape):
    if shape == (7, 6) and groups == 6:
        shape = (7, 18)  # groups of one or two values would have almost no variance
    assert_same_with_gradients(
        lambda x, w, b: F.group_norm(x, groups, w, b), lambda x, w, b: TF.group_norm(x, groups, w, b),
        arrays(shape), **LAYOUTS,
    )


@pytest.mark.parametrize("shape", [(2, 5, 6), IMAGE, (2, 3, 4, 2, 6)])
def test_instance_norm(shape):
    assert_same_with_gradients(
        lambda x, w, b: F.instance_norm(x, weight=w, bias=b)[0],
        lambda x, w, b: TF.instance_norm(x, weight=w, bias=b), arrays(shape), **LAYOUTS,
    )


def test_instance_norm_running_statistics():
    x, mean, var = arrays()[0], random(3, 6), random(4, 6, low=0.5, high=2.0)
    new_mean, new_var = same(mean), same(var)
    expected = TF.instance_norm(nchw(x), new_mean, new_var, use_input_stats=True, momentum=0.3)
    y, statistics = F.instance_norm(x, jnp.asarray(mean), jnp.asarray(var), momentum=0.3)
    assert_close(y, nhwc(expected))
    assert_close(statistics[0], new_mean)
    assert_close(statistics[1], new_var)
    expected = TF.instance_norm(nchw(x), same(mean), same(var), use_input_stats=False)
    assert_close(F.instance_norm(x, mean, var, use_input_stats=False)[0], nhwc(expected))
    with pytest.raises(ValueError, match="needs running_mean"):
        F.instance_norm(x, use_input_stats=False)
    with pytest.raises(ValueError, match="two spatial elements or more"):
        F.instance_norm(x[:, :1, :1])


@pytest.mark.parametrize("size", [1, 2, 5, 6])
def test_local_response_norm(size):
    assert_same_with_gradients(
        lambda x: F.local_response_norm(x, size, 0.3, 0.6, 1.5),
        lambda x: TF.local_response_norm(x, size, 0.3, 0.6, 1.5), arrays()[:1], to_torch=[nchw], from_torch=[nhwc],
    )


def test_float64_stays_float64():
    import jax

    with jax.enable_x64(True):
        x = random(0, *IMAGE, dtype="float64")
        y, (mean, _) = F.batch_norm(jnp.asarray(x), jnp.zeros(6, "float64"), jnp.ones(6, "float64"), train=True)
        assert mean.dtype == jnp.float64
        assert_close(y, nhwc(TF.batch_norm(nchw(x), torch.zeros(6).double(), torch.ones(6).double(), training=True)))
