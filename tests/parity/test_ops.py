"""Blocks and regularisation in `vision.ops` against torchvision's."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torchvision.ops

from funcvision import nn
from funcvision.vision import ops
from tests.parity.layers import arrays_of, assert_layer_equal, randomise
from tests.parity.reference import assert_close, nchw, nhwc, random


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize(("ours", "theirs"), [
    ({}, {}),
    ({"kernel_size": 5, "stride": 2, "dilation": 2, "groups": 2}, {}),
    ({"kernel_size": (3, 5), "dilation": (2, 1)}, {}),
    ({"kernel_size": 3, "dilation": (1, 2)}, {"kernel_size": (3, 3)}),
    ({"norm_layer": None, "padding": 0, "inplace": True}, {}),
    ({"norm_layer": None, "bias": False, "activation_layer": None}, {}),
    ({"bias": True, "activation_layer": nn.SiLU}, {"activation_layer": torch.nn.SiLU}),
])
def test_conv2d_norm_activation(ours, theirs, train):
    x = random(0, 2, 9, 8, 4)
    reference = torchvision.ops.Conv2dNormActivation(4, 6, **{**ours, **theirs})
    assert_layer_equal(
        ops.Conv2dNormActivation(4, 6, **ours), reference, [x], train=train, channels_last=True, dtype="float64"
    )


@pytest.mark.parametrize("options", [{}, {"kernel_size": (1, 3, 5), "stride": 2, "groups": 2}, {"norm_layer": None}])
def test_conv3d_norm_activation(options):
    x = random(0, 2, 5, 6, 7, 4)
    ours, theirs = ops.Conv3dNormActivation(4, 6, **options), torchvision.ops.Conv3dNormActivation(4, 6, **options)
    assert ours.out_channels == 6
    assert_layer_equal(ours, theirs, [x], train=True, channels_last=True, dtype="float64")


@pytest.mark.parametrize("names", [("ReLU", "Sigmoid"), ("SiLU", "Hardsigmoid")])
def test_squeeze_excitation(names):
    ours = ops.SqueezeExcitation(6, 3, *(getattr(nn, name) for name in names))
    theirs = torchvision.ops.SqueezeExcitation(6, 3, *(getattr(torch.nn, name) for name in names))
    assert_layer_equal(ours, theirs, [random(0, 2, 5, 7, 6)], channels_last=True)


@pytest.mark.parametrize("hidden", [[5], [7, 5, 3]])
@pytest.mark.parametrize("options", [{}, {"norm_layer": "LayerNorm", "activation_layer": "GELU", "bias": False}])
def test_mlp(hidden, options):
    def found(where):
        return {name: getattr(where, v) if isinstance(v, str) else v for name, v in options.items()}

    ours, theirs = ops.MLP(6, hidden, **found(nn)), torchvision.ops.MLP(6, hidden, **found(torch.nn))
    assert_layer_equal(ours, theirs, [random(0, 2, 5, 6)], train=True)


def test_mlp_drops_after_every_layer():
    model = ops.MLP(4, [8, 8], dropout=0.5)
    params, state = model.init(jax.random.key(0))
    y, _ = model.apply(params, state, jnp.ones((50, 4)), train=True, key=jax.random.key(1))
    assert 0.3 < float((y == 0).mean()) < 0.7


def test_permute():
    x = jnp.asarray(random(0, 2, 3, 4))
    expected = torchvision.ops.Permute([2, 0, 1])(torch.from_numpy(np.array(x)))
    assert_close(ops.Permute([2, 0, 1])(x), expected)


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("eps", [1e-5, 0.1])
def test_frozen_batch_norm(train, eps):
    ours, theirs = ops.FrozenBatchNorm2d(5, eps), torchvision.ops.FrozenBatchNorm2d(5, eps)
    assert_layer_equal(ours, theirs, [random(0, 2, 4, 3, 5)], train=train, channels_last=True)


def test_frozen_batch_norm_has_no_parameters_and_computes_factors_in_float32():
    ours, theirs = ops.FrozenBatchNorm2d(5), torchvision.ops.FrozenBatchNorm2d(5)
    randomise(theirs)
    params, state = arrays_of(ours, theirs)
    assert not params
    x = random(0, 1, 4, 3, 5)
    y, _ = ours.apply(params, state, jnp.asarray(x, jnp.bfloat16))
    assert y.dtype == jnp.bfloat16
    assert_close(np.asarray(y, np.float32), nhwc(theirs(nchw(x))), rtol=2e-2)
    with pytest.raises(ValueError, match="normalises 5 channels"):
        ours.apply(params, state, jnp.ones((1, 4, 4, 3)))


@pytest.mark.parametrize("mode", ["row", "batch"])
def test_stochastic_depth(mode, monkeypatch):
    """Compares with the same random decisions: one for each sample, or one for the batch."""
    x, key, p = random(0, 6, 3, 2, 4), jax.random.key(3), 0.4
    decisions = jax.random.bernoulli(key, 1 - p, (6, 1, 1, 1) if mode == "row" else (1, 1, 1, 1))
    drawn = torch.from_numpy(np.array(decisions, np.float32))
    monkeypatch.setattr(torch.Tensor, "bernoulli_", lambda self, p: self.copy_(drawn.reshape(self.shape)))
    expected = torchvision.ops.stochastic_depth(nchw(x), p, mode)
    assert_close(ops.stochastic_depth(jnp.asarray(x), p, mode, key=key), nhwc(expected))
    assert mode == "batch" or 0 < float(decisions.mean()) < 1


def test_stochastic_depth_keeps_the_mean_and_draws_for_each_use():
    x = jnp.ones((4000, 2))
    layer = nn.Sequential(ops.StochasticDepth(0.3, "row"), ops.StochasticDepth(0.3, "row"))
    y, _ = layer.apply({}, {}, x, train=True, key=jax.random.key(0))
    assert set(np.unique(y)) == {np.float32(0), np.float32(np.float32(1 / 0.7) / np.float32(0.7))}
    assert abs(float(y.mean()) - 1) < 0.06
    np.testing.assert_array_equal(layer.apply({}, {}, x)[0], x)
    np.testing.assert_array_equal(ops.stochastic_depth(x, 1.0, "row"), 0 * x)
    np.testing.assert_array_equal(ops.stochastic_depth(x, 0.0, "batch"), x)


@pytest.mark.parametrize(
    ("axes", "shape", "block"), [(2, (3, 12, 10, 4), 3), (2, (2, 5, 9, 3), 7), (3, (2, 6, 7, 8, 3), 3)]
)
def test_drop_block(axes, shape, block, monkeypatch):
    """Compares with the same random corners of blocks."""
    x, key, p = random(0, *shape), jax.random.key(1), 0.3
    size = min(block, *shape[1:-1])
    room = [n - size + 1 for n in shape[1:-1]]
    rate = p * math.prod(shape[1:-1]) / (size**axes * math.prod(room))
    corners = nchw(np.array(jax.random.bernoulli(key, rate, (shape[0], *room, shape[-1])), np.float32))
    assert 0 < float(corners.mean()) < 1

    def fill(self, p):
        assert p == pytest.approx(rate)
        return self.copy_(corners)

    monkeypatch.setattr(torch.Tensor, "bernoulli_", fill)
    expected = getattr(torchvision.ops, f"drop_block{axes}d")(nchw(x), p, block)
    function = getattr(ops, f"drop_block{axes}d")
    assert_close(function(jnp.asarray(x), p, block, key=key), nhwc(expected))

    layer = getattr(ops, f"DropBlock{axes}d")(p, block)
    run = lambda key: layer.apply({}, {}, jnp.asarray(x), train=True, key=key)[0]
    assert 0 < float((jax.vmap(run)(jax.random.split(key, 20)) == 0).mean()) < 1
    np.testing.assert_array_equal(layer.apply({}, {}, x)[0], x)
    np.testing.assert_array_equal(function(jnp.asarray(x), 0.0, block), x)


def test_errors():
    x = jnp.ones((2, 4, 4, 3))
    key = jax.random.key(0)
    with pytest.raises(ValueError, match=r"'batch' or 'row' .*mode='rows'"):
        ops.stochastic_depth(x, 0.5, "rows", key=key)
    with pytest.raises(ValueError, match=r"from 0 to 1; p=1\.5"):
        ops.StochasticDepth(1.5, "row")
    with pytest.raises(ValueError, match="got no key"):
        ops.stochastic_depth(x, 0.5, "row")
    with pytest.raises(ValueError, match=r"odd block size; block_size=5 on a map of \(4, 4\) is 4"):
        ops.drop_block2d(x, 0.5, 5, key=key)
    with pytest.raises(ValueError, match="3 spatial axes"):
        ops.drop_block3d(x, 0.5, 3, key=key)
    with pytest.raises(ValueError, match=r"layer '1' \(DropBlock2d.*got no key"):
        nn.Sequential(nn.Identity(), ops.DropBlock2d(0.1, 3)).apply({}, {}, x, train=True)
