"""ViT against torchvision's."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torchvision.models.vision_transformer as reference

from funcvision import nn
from funcvision.vision import models
from funcvision.vision.models import vision_transformer
from tests.parity.reference import assert_close, random
from tests.parity.zoo import (
    assert_captures_equal,
    assert_initial_distributions_equal,
    assert_models_equal,
    assert_settings_equal,
    theirs_without_arrays,
)


def small(package, image_size=24, **options):
    """A small model; `-m slow` compares the full models."""
    sizes = {"num_layers": 2, "num_heads": 3, "hidden_dim": 12, "mlp_dim": 20}
    return package.VisionTransformer(image_size, 8, **sizes | {"num_classes": 9} | options)


def stem(package, library):
    return [
        package.ConvStemConfig(5, 3, 2),
        package.ConvStemConfig(6, 5, 4, functools.partial(library.BatchNorm2d, eps=1e-2), library.SiLU),
    ]


@pytest.mark.parametrize("train", [False, True])
def test_numbers(train):
    assert_models_equal(small(vision_transformer), small(reference), (2, 24, 24), train=train)


def test_convolutional_stem_representation_and_norm():
    ours, theirs = (
        small(
            package, conv_stem_configs=stem(package, library), representation_size=7,
            norm_layer=functools.partial(library.LayerNorm, eps=1e-2),
        )
        for package, library in ((vision_transformer, nn), (reference, torch.nn))
    )
    assert_models_equal(ours, theirs, (3, 24, 24), train=True)


def test_settings():
    options = {"dropout": 0.2, "attention_dropout": 0.3, "image_size": 64}
    assert_settings_equal(models.vit_b_32(**options), theirs_without_arrays("vit_b_32", **options))


def test_dropout():
    """With a dropout of 1 the logits are those of zeros; dropping only weights of attention changes the logits too."""
    model = small(vision_transformer, dropout=1.0)
    params, state = model.init(jax.random.key(0))
    params = params | {"heads.head.weight": jax.random.normal(jax.random.key(3), (12, 9))}  # initially zero
    x = jax.random.normal(jax.random.key(1), (2, 24, 24, 3))
    run = lambda model: jax.jit(lambda key: model.apply(params, state, x, train=True, key=key)[0])(jax.random.key(2))
    assert (run(model) == 0).all()
    kept, thinned = run(small(vision_transformer)), run(small(vision_transformer, attention_dropout=0.5))
    assert jnp.abs(kept).max() > 0.1
    assert jnp.abs(kept - thinned).max() > 1e-3


@pytest.mark.parametrize("convolutional", [False, True])
def test_initial_distributions(convolutional):
    sizes = {"num_heads": 4, "hidden_dim": 64, "mlp_dim": 96, "representation_size": 32, "num_layers": 1}
    ours, theirs = (
        small(package, **sizes, conv_stem_configs=stem(package, library) if convolutional else None)
        for package, library in ((vision_transformer, nn), (reference, torch.nn))
    )
    assert_initial_distributions_equal(ours, lambda: theirs)


def test_initial_biases_of_the_mlps():
    """The arrays have too few elements for `assert_initial_distributions_equal`."""
    params, _ = vision_transformer.EncoderBlock(2, 8, 4096, 0.0, 0.0).init(jax.random.key(0))
    assert abs(params["mlp.0.bias"].std() - 1e-6) < 1e-7


def test_captures():
    names = [
        "conv_proj", "encoder.dropout", "encoder.layers.encoder_layer_0.dropout", "encoder.layers.encoder_layer_1.mlp",
        "encoder.ln", "heads.pre_logits", "heads.head",
    ]  # torchvision names the nodes of ln_1 and ln_2 "ln" and "ln_1": it takes the numbers for counters
    options = {"representation_size": 7}
    assert_captures_equal(small(vision_transformer, **options), small(reference, **options), (1, 24, 24), names)


def test_in_channels_and_bfloat16():
    model = small(vision_transformer, in_channels=2)
    shapes = jax.eval_shape(model.init, jax.random.key(0))
    logits, _ = jax.eval_shape(model.apply, *shapes, jnp.ones((1, 24, 24, 2), jnp.bfloat16))
    assert logits.shape == (1, 9)
    assert logits.dtype == jnp.bfloat16


def test_the_builders_sizes_can_be_overridden():
    declared = models.vit_b_32(image_size=96, patch_size=8, num_layers=1).declarations()
    assert declared["encoder.pos_embedding"].shape == (1, 145, 768)
    assert declared["conv_proj.weight"].shape == (768, 3, 8, 8)


# Position embeddings for another size of images.


@pytest.mark.parametrize("mode", ["bicubic", "bilinear"])
@pytest.mark.parametrize(("image_size", "patch_size"), [(56, 8), (16, 8), (24, 8), (25, 7)])
def test_interpolate_embeddings(image_size, patch_size, mode):
    params, _ = small(vision_transformer).init(jax.random.key(0))
    params["encoder.pos_embedding"] = random(0, 1, 10, 12)
    state = {"encoder.pos_embedding": torch.from_numpy(params["encoder.pos_embedding"].copy())}
    expected = reference.interpolate_embeddings(image_size, patch_size, state, interpolation_mode=mode)
    resize = lambda params: models.interpolate_embeddings(params, image_size, patch_size, interpolation_mode=mode)
    for found in (resize(params), jax.jit(resize)(params)):
        assert_close(found["encoder.pos_embedding"], expected["encoder.pos_embedding"])
        assert found.keys() == params.keys()
        assert all(np.array_equal(found[key], params[key]) for key in params if key != "encoder.pos_embedding")
    assert params["encoder.pos_embedding"].shape == (1, 10, 12)  # the argument did not change


def test_interpolated_embeddings_run_and_heads_can_be_left_out():
    params, _ = small(vision_transformer).init(jax.random.key(0))
    model = small(vision_transformer, 40, num_classes=4)
    for image_size in (24, 40):
        resized = models.interpolate_embeddings(params, image_size, 8, reset_heads=True)
        assert params.keys() - resized.keys() == {"heads.head.weight", "heads.head.bias"}
    fresh, state = model.init(jax.random.key(1))
    assert model.apply(fresh | resized, state, jnp.ones((1, 40, 40, 3)))[0].shape == (1, 4)


def test_embeddings_that_are_none():
    with pytest.raises(ValueError, match=r"'encoder\.pos_embedding' is missing"):
        models.interpolate_embeddings({}, 24, 8)
    for shape in ((1, 9, 4), (2, 10, 4)):
        with pytest.raises(ValueError, match=r"a square number of patches; its shape is \("):
            models.interpolate_embeddings({"encoder.pos_embedding": jnp.ones(shape)}, 24, 8)


def test_sizes_that_do_not_fit():
    with pytest.raises(ValueError, match="image_size=30 must be a multiple of patch_size=16"):
        models.vit_b_16(image_size=30)
    model = small(vision_transformer)
    for shape in ((1, 24, 32, 3), (1, 3, 24, 24), (24, 24, 3)):
        with pytest.raises(ValueError, match=r"\[batch, 24, 24, channels\] and got \(.*image_size.*interpolate_emb"):
            jax.eval_shape(lambda: model.apply(*model.init(jax.random.key(0)), jnp.ones(shape)))  # noqa: B023
    model = small(vision_transformer, conv_stem_configs=[vision_transformer.ConvStemConfig(5, 3, 2)])
    with pytest.raises(ValueError, match="conv_stem_configs compute 12x12 tokens, and 3x3 are expected"):
        jax.eval_shape(lambda: model.apply(*model.init(jax.random.key(0)), jnp.ones((1, 24, 24, 3))))
