"""MaxViT against torchvision's."""

from typing import Any

import jax
import jax.numpy as jnp
import pytest
import torch
import torchvision.models.maxvit as reference

from funcvision import nn
from funcvision.vision import models
from funcvision.vision.models import maxvit as own
from tests.parity.layers import arrays_of, randomise
from tests.parity.reference import assert_close, nchw, nhwc, random
from tests.parity.zoo import (
    assert_captures_equal,
    assert_initial_distributions_equal,
    assert_models_equal,
    drop_probs,
)

SMALL = {
    "input_size": (46, 46), "stem_channels": 6, "partition_size": 3, "block_channels": [8], "block_layers": [2],
    "head_dim": 2, "stochastic_depth_prob": 0.0, "num_classes": 5,
}
"""Feature maps are 23x23 and 12x12. The shortcut of the first layer has a pool, that of the second is the identity."""


def small(**options: Any) -> tuple[nn.Module, torch.nn.Module]:
    return own.MaxVit(**SMALL | options), reference.MaxVit(**SMALL | options)


@pytest.mark.parametrize("train", [False, True])
def test_numbers(train):
    assert_models_equal(*small(), (2, 46, 46), train=train)


def test_options_in_training():
    """With `mlp_dropout=1` everything is dropped, and no random numbers are needed."""
    options = {"squeeze_ratio": 0.5, "expansion_ratio": 1.5, "mlp_ratio": 2, "mlp_dropout": 1.0}
    options |= {"block_channels": [6], "block_layers": [1]}
    kinds = [
        {"norm_layer": lambda channels, layers=layers: layers.GroupNorm(3, channels), "activation_layer": layers.SiLU}
        for layers in (nn, torch.nn)
    ]
    ours, torchs = (
        module.MaxVit(**SMALL | options | kind) for module, kind in zip((own, reference), kinds, strict=True)
    )
    assert_models_equal(ours, torchs, (1, 46, 46), train=True)


def test_other_shortcuts():
    """A change of channels at stride 1, which `MaxVit` itself does not use."""
    shared = {"expansion_ratio": 2, "squeeze_ratio": 0.5, "stride": 1}
    kinds = ({"norm_layer": layers.BatchNorm2d, "activation_layer": layers.GELU} for layers in (nn, torch.nn))
    layers = [module.MBConv(3, 4, **shared, **kind) for module, kind in zip((own, reference), kinds, strict=True)]
    assert_models_equal(*layers, (2, 5, 4), train=True)


@pytest.mark.parametrize("kind", ["window", "grid"])
def test_groups_of_maps_that_are_not_square(kind):
    """torchvision takes only square feature maps: its layer is called with each group as a map of its own."""
    ours = own.PartitionAttentionLayer(4, 2, 3, kind, mlp_ratio=2)
    layer = reference.PartitionAttentionLayer(
        4, 2, 3, "window", (3, 3), 2, torch.nn.GELU, torch.nn.LayerNorm, 0.0, 0.0, 0.0
    )
    randomise(layer)
    params, state = arrays_of(ours, layer)
    x = random(0, 2, 6, 9, 4)
    found, _ = jax.jit(ours.apply)(params, state, x)
    for i in range(2):
        for j in range(3):
            group = {
                "window": (slice(None), slice(3 * i, 3 * i + 3), slice(3 * j, 3 * j + 3)),
                "grid": (slice(None), slice(i, None, 2), slice(j, None, 3)),
            }[kind]
            assert_close(found[group], nhwc(layer(nchw(x[group]))))


def test_images_of_another_size():
    model, _ = small()
    params, state = jax.eval_shape(model.init, jax.random.key(0))

    def run(*size: int) -> Any:
        image = jax.ShapeDtypeStruct((1, *size, 3), jnp.float32)
        return jax.eval_shape(lambda p, s, x: model.apply(p, s, x)[0], params, state, image)

    assert run(12, 36).shape == (1, 5)
    with pytest.raises(ValueError, match="4x3 does not divide into groups of 3x3"):
        run(16, 12)


def test_stochastic_depth_grows_to_what_is_asked():
    assert max(drop_probs(models.maxvit_t(stochastic_depth_prob=0.5)).values()) == 0.5


def test_initial_values():
    options = {"block_channels": [24], "stem_channels": 12, "num_classes": 50}
    assert_initial_distributions_equal(small(**options)[0], lambda: small(**options)[1])


def test_captures():
    layer = "blocks.0.layers.0.layers"
    names = [
        "stem.0", "stem.1", f"{layer}.MBconv.proj.0", f"{layer}.MBconv.layers.pre_norm",
        f"{layer}.MBconv.layers.squeeze_excitation", f"{layer}.MBconv.stochastic_depth",
        f"{layer}.grid_attention.attn_layer.0", f"{layer}.window_attention.mlp_layer.2",
        f"{layer}.window_attention.stochastic_dropout_1", "blocks.0.layers.1", "classifier.4",
    ]
    assert_captures_equal(*small(), (1, 46, 46), names)


def test_half_precision():
    model, _ = small()
    arrays = jax.eval_shape(model.init, jax.random.key(0))
    run = lambda params, state: model.apply(params, state, jnp.ones((1, 24, 36, 3), jnp.bfloat16))[0]
    assert jax.eval_shape(run, *arrays).dtype == jnp.bfloat16


@pytest.mark.parametrize(("option", "layer"), [
    ("attention_dropout", r"blocks\.0\.layers\.0\.layers\.window_attention\.attn_layer\.2'"),
    ("mlp_dropout", r"blocks\.0\.layers\.0\.layers\.window_attention\.mlp_layer\.4'"),
    ("stochastic_depth_prob", r"blocks\.0\.layers\.1\.layers\.MBconv\.stochastic_depth'"),
])
def test_random_layers_ask_for_a_key(option, layer):
    model, _ = small(**{option: 0.5})
    arrays = jax.eval_shape(model.init, jax.random.key(0))
    with pytest.raises(ValueError, match=f"{layer}.*got no key"):
        jax.eval_shape(lambda params, state: model.apply(params, state, jnp.ones((1, 12, 12, 3)), train=True), *arrays)


def test_options_that_make_no_sense():
    with pytest.raises(ValueError, match=r"input_size=\(224, 230\) .* multiples of 224"):
        models.maxvit_t(input_size=(224, 230))
    with pytest.raises(ValueError, match="feat_dim=64 must be a multiple of head_dim=30"):
        models.maxvit_t(head_dim=30)
    with pytest.raises(ValueError, match="max_seq_len=8 must be a square"):
        own.RelativePositionalMultiHeadAttention(4, 2, 8)
    with pytest.raises(ValueError, match="'grid' or 'window'; got 'rows'"):
        own.PartitionAttentionLayer(4, 2, 3, "rows")
