"""Schedules, groups of parameters, averages: what has no counterpart in torch, and what is refused."""

import jax.numpy as jnp
import numpy as np
import pytest

from funcvision import nn, train
from funcvision.vision import models


def test_a_schedule_follows_the_curve_within_an_epoch():
    rate = train.schedules.cosine(1.0, epochs=4, steps_per_epoch=10)
    wanted = (1 + np.cos(np.pi * np.arange(41) / 40)) / 2
    np.testing.assert_allclose([float(rate(count)) for count in range(41)], wanted, atol=1e-6)
    warm = train.schedules.constant(1.0, steps_per_epoch=10, warmup_epochs=2, warmup_decay=0.5)
    np.testing.assert_allclose([float(warm(count)) for count in (0, 10, 20, 99)], [0.5, 0.75, 1, 1])
    held = train.schedules.polynomial(1.0, epochs=2, steps_per_epoch=10, power=1.0, per_epoch=True)
    np.testing.assert_allclose([float(held(count)) for count in (0, 9, 10, 19, 20, 50)], [1, 1, 0.5, 0.5, 0, 0])


def test_what_a_schedule_refuses():
    with pytest.raises(ValueError, match="must be more than warmup_epochs=5"):
        train.schedules.cosine(0.1, epochs=5, steps_per_epoch=1, warmup_epochs=5)
    with pytest.raises(ValueError, match="warmup_method='cosine'"):
        train.schedules.constant(0.1, steps_per_epoch=1, warmup_method="cosine")  # pyright: ignore
    with pytest.raises(ValueError, match="step_size=0"):
        train.schedules.step(0.1, step_size=0, steps_per_epoch=1)
    with pytest.raises(ValueError, match="steps_per_epoch=0"):
        train.schedules.exponential(0.1, gamma=0.5, steps_per_epoch=0)


def test_position_embeddings_and_norms_do_not_decay():
    mask = train.decay_mask(models.get_model("vit_b_16"))
    assert not mask["class_token"]
    assert not mask["encoder.pos_embedding"]
    assert not mask["encoder.ln.weight"]
    assert not mask["heads.head.bias"]
    assert mask["heads.head.weight"]
    assert not train.decay_mask(nn.RMSNorm(3))["weight"]


def test_layer_decay_counts_blocks_from_the_head():
    vit = train.layer_scales(models.get_model("vit_b_16"), 0.5)
    assert vit["heads.head.weight"] == vit["encoder.ln.weight"] == 1.0
    assert vit["encoder.layers.encoder_layer_11.ln_1.weight"] == 0.5
    assert vit["encoder.layers.encoder_layer_0.mlp.0.weight"] == 0.5**12
    assert vit["conv_proj.weight"] == vit["class_token"] == vit["encoder.pos_embedding"] == 0.5**13
    resnet = train.layer_scales(models.get_model("resnet18"), 0.5)
    assert resnet["conv1.weight"] == resnet["bn1.bias"] == 0.5**9
    assert resnet["layer1.0.conv1.weight"] == 0.5**8
    assert resnet["layer4.1.bn2.weight"] == 0.5
    assert resnet["fc.weight"] == 1.0
    plain = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2), nn.Linear(2, 2))
    assert [train.layer_scales(plain, 0.5)[f"{n}.bias"] for n in (0, 2, 3)] == [0.25, 0.5, 1.0]


def test_layer_decay_scales_updates():
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False))
    decay, ones = train.layer_decay(model, 0.5), {name: jnp.ones(()) for name in ("0.weight", "1.weight")}
    scaled, _ = decay.update(ones, decay.init(ones))
    assert {name: float(value) for name, value in scaled.items()} == {"0.weight": 0.5, "1.weight": 1.0}
    with pytest.raises(ValueError, match="decay=0"):
        train.layer_scales(model, 0)


def test_the_scaled_decay_of_an_average_never_falls_below_zero():
    assert train.EMA.scaled(0.9, batch_size=1024, epochs=1).decay == 0.0
    for wrong in ({"decay": 1.5}, {"decay": 0.5, "every": 0}, {"decay": 0.5, "warmup_steps": -1}):
        with pytest.raises(ValueError, match="must be"):
            train.EMA(**wrong)
    with pytest.raises(ValueError, match="epochs=0 must be 1 or more"):
        train.EMA.scaled(0.9, batch_size=1, epochs=0)


def test_options_of_losses_and_clipping_are_checked():
    with pytest.raises(ValueError, match="label_smoothing"):
        train.losses.binary_cross_entropy(label_smoothing=2.0)
    with pytest.raises(ValueError, match="label_smoothing"):
        train.losses.cross_entropy(label_smoothing=-0.1)
    with pytest.raises(ValueError, match="max_norm=0"):
        train.clip_grad_norm(0.0)
