"""Swin Transformer, both versions, against torchvision's."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torchvision.models.swin_transformer as reference

from funcvision import nn
from funcvision.vision import models
from funcvision.vision.models import swin_transformer as own
from funcvision.vision.models._shifted_windows import ShiftedWindowAttention, ShiftedWindowAttentionV2
from tests.parity.zoo import (
    assert_captures_equal,
    assert_initial_distributions_equal,
    assert_models_equal,
    drop_probs,
)

SMALL = {"patch_size": [4, 3], "embed_dim": 8, "depths": [1, 2], "num_heads": [2, 4], "window_size": [3, 4]}
"""Images of 41x34 have maps of 10x11 and 5x6 tokens: these need padding to windows and to merge, and are not square."""


def builders(version: int) -> list[Callable[..., Any]]:
    """A small model of funcvision or of torchvision; options override the sizes."""
    built = []
    for library in (own, reference):
        settings = {"num_classes": 5, "stochastic_depth_prob": 0.0, **SMALL}
        if version == 2:
            settings |= {"block": library.SwinTransformerBlockV2, "downsample_layer": library.PatchMergingV2}
        built.append(functools.partial(library.SwinTransformer, **settings))
    return built


def small(version: int, **options: Any) -> tuple[nn.Module, torch.nn.Module]:
    ours, theirs = builders(version)
    return ours(**options), theirs(**options)


@pytest.mark.parametrize("train", [False, True])
def test_numbers(train):
    layer_norms = (functools.partial(layers.LayerNorm, eps=0.1) for layers in (nn, torch.nn))
    ours, theirs = (build(mlp_ratio=2.5, norm_layer=norm) for build, norm in zip(builders(1), layer_norms, strict=True))
    assert_models_equal(ours, theirs, (2, 41, 34), train=train)


@pytest.mark.parametrize("train", [False, True])
def test_numbers_of_version_2(train):
    """Windows of the second stage are as high as the map, which is therefore shifted along the width only."""
    assert_models_equal(*small(2, window_size=[5, 3]), (2, 41, 34), train=train)


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("options", [
    {"qkv_bias": False, "proj_bias": False}, {"attention_dropout": 1.0}, {"dropout": 1.0},
])
def test_attention_options(version, options):
    """With a probability of 1 no random numbers are needed, so that torch drops the same elements."""
    ours, theirs = {
        1: (ShiftedWindowAttention, reference.ShiftedWindowAttention),
        2: (ShiftedWindowAttentionV2, reference.ShiftedWindowAttentionV2),
    }[version]
    layers = [attention(3, [2, 3], [1, 1], 3, **options) for attention in (ours, theirs)]
    assert_models_equal(*layers, (2, 5, 4), train=True, channels_last=False)


def test_the_scale_of_cosines_has_a_limit():
    ours = ShiftedWindowAttentionV2(3, 2, 1, 3)
    params, state = ours.init(jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (1, 4, 4, 3))

    @jax.jit
    def output(logarithm: jax.Array) -> jax.Array:
        changed = {**params, "logit_scale": jnp.full((3, 1, 1), logarithm)}
        return ours.apply(changed, state, x)[0]

    limit = jnp.log(100.0)
    np.testing.assert_allclose(output(limit + 1), output(limit), rtol=1e-5)
    assert jnp.abs(output(limit - 1) - output(limit)).max() > 1e-3


def test_dropout_and_stochastic_depth_in_training():
    """At 1, `dropout` zeroes the branches of all blocks, and `stochastic_depth_prob` those of the last block."""
    assert_models_equal(*small(1, depths=[1, 1], dropout=1.0), (2, 12, 9), train=True)
    assert_models_equal(*small(2, depths=[1, 1], stochastic_depth_prob=1.0), (2, 12, 9), train=True)


@pytest.mark.parametrize("version", [1, 2])
def test_initial_values(version):
    options = {"embed_dim": 24, "depths": [1, 1], "window_size": [4, 5], "num_classes": 50}
    assert_initial_distributions_equal(small(version, **options)[0], lambda: small(version, **options)[1])


def test_captures():
    names = [
        "features.0.0", "features.0.2", "features.1.0.attn", "features.1.0.stochastic_depth_1", "features.2",
        "features.3.1", "norm", "avgpool", "flatten",
    ]
    assert_captures_equal(*small(1), (1, 41, 34), names)


def test_half_precision():
    model, _ = small(2, depths=[2], num_heads=[2])
    params, state = model.init(jax.random.key(0))
    x = jax.random.normal(jax.random.key(1), (1, 41, 34, 3))
    run = jax.jit(lambda x: model.apply(params, state, x)[0])
    logits, rounded = run(x), run(x.astype(jnp.bfloat16))
    assert rounded.dtype == jnp.bfloat16
    assert jnp.abs(rounded.astype(logits.dtype) - logits).max() < 3e-2 * jnp.abs(logits).max()


@pytest.mark.parametrize(("option", "layer"), [
    ("attention_dropout", r"features\.1\.0\.attn'"), ("dropout", r"features\.1\.0\.attn\.dropout'"),
    ("stochastic_depth_prob", r"features\.3\.0\.stochastic_depth'"),
])
def test_random_layers_ask_for_a_key(option, layer):
    model, _ = small(1, **{option: 0.5})
    arrays = jax.eval_shape(model.init, jax.random.key(0))
    with pytest.raises(ValueError, match=f"{layer}.*got no key"):
        jax.eval_shape(lambda params, state: model.apply(params, state, jnp.ones((1, 12, 9, 3)), train=True), *arrays)


def test_builders_options_can_be_changed():
    options = {"window_size": 5, "depths": (1, 1), "num_heads": (3, 3), "stochastic_depth_prob": 0.4}
    model = models.swin_v2_t(7, in_channels=1, **options)
    assert drop_probs(model) == {"features.3.0.stochastic_depth": 0.4}
    shapes = {name: one.shape for name, one in model.declarations().items()}
    assert shapes["features.0.0.weight"] == (96, 1, 4, 4)
    assert shapes["features.1.0.attn.relative_coords_table"] == (1, 9, 9, 2)


def test_options_that_make_no_sense():
    with pytest.raises(ValueError, match="dim=96 must be a multiple of num_heads=5"):
        models.swin_t(num_heads=(5, 6, 12, 24))
    with pytest.raises(ValueError, match="one value for each stage"):
        models.swin_t(depths=(2, 2))
    with pytest.raises(ValueError, match=r"window_size=.* has 3 values"):
        models.swin_t(window_size=(7, 7, 7))
