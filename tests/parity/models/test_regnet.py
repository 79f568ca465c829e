"""RegNet against torchvision's."""

import random
from functools import partial

import pytest
import torch
from torchvision.models import regnet as reference_family

from funcvision import nn
from funcvision.vision import models
from funcvision.vision.models import regnet as family
from tests.parity.zoo import (
    assert_captures_equal,
    assert_initial_distributions_equal,
    assert_models_equal,
    theirs,
)

SMALL = {
    "depths": [1, 2], "widths": [16, 32], "group_widths": [8, 16], "bottleneck_multipliers": [1.0, 1.5],
    "strides": [2, 1], "se_ratio": 0.25,
}
"""A small network with every kind of block, which compiles quickly; `-m slow` compares the full models."""


def _pair(options, reference_options, **params):
    ours = models.RegNet(family.BlockParams(**SMALL | params), 9, **options)
    return ours, reference_family.RegNet(reference_family.BlockParams(**SMALL | params), 9, **reference_options)


@pytest.mark.parametrize("train", [False, True])
def test_numbers(train):
    assert_models_equal(*_pair({}, {}), (2, 41, 33), train=train)


def test_numbers_without_squeeze_and_excitation_and_with_options():
    def options(nn, family):
        return {
            "stem_width": 16, "activation": nn.SiLU, "norm_layer": partial(nn.BatchNorm2d, momentum=0.3),
            "stem_type": lambda *args: nn.Sequential(family.SimpleStemIN(*args)),
            "block_type": lambda *args: nn.Sequential(family.ResBottleneckBlock(*args)),
        }

    pair = _pair(options(nn, family), options(torch.nn, reference_family), se_ratio=None)
    assert_models_equal(*pair, (2, 41, 33), train=True)


def test_stages_of_random_parameters():
    rng = random.Random(0)
    for _ in range(300):
        params = {
            "depth": rng.randint(1, 40), "w_0": 8 * rng.randint(1, 60), "w_a": rng.choice([0, rng.uniform(1, 200)]),
            "w_m": rng.uniform(1.5, 3), "group_width": rng.choice([1, 8, 24, 56, 120, 264]),
            "bottleneck_multiplier": rng.choice([0.25, 0.5, 1.0, 2.0]), "se_ratio": rng.choice([None, 0.25]),
        }
        ours = vars(family.BlockParams.from_init_params(**params))
        reference = vars(reference_family.BlockParams.from_init_params(**params))
        assert {k: list(v) if isinstance(v, tuple) else v for k, v in ours.items()} == reference, params


def test_initial_distributions():
    assert_initial_distributions_equal(models.regnet_y_400mf(200), partial(theirs, "regnet_y_400mf", num_classes=200))


def test_captures():
    names = [
        "stem", "trunk_output.block1.block1-0.proj", "trunk_output.block2.block2-0.f.se",
        "trunk_output.block2.block2-1.activation", "avgpool", "flatten",
    ]
    assert_captures_equal(*_pair({}, {}), (1, 40, 33), names)


def test_options():
    first = models.regnet_y_400mf(in_channels=5, stem_width=16).declarations()["stem.0.weight"]
    assert first.shape == (16, 5, 3, 3)
    with pytest.raises(ValueError, match=r"w_a=1\.0, w_0=20, w_m=2\.0"):
        family.BlockParams.from_init_params(3, 20, 1.0, 2.0, 8)
    with pytest.raises(ValueError, match=r"w_a=1\.0, w_0=24, w_m=1\.0"):
        family.BlockParams.from_init_params(3, 24, 1.0, 1.0, 8)
