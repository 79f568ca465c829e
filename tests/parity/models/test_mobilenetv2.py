"""MobileNetV2 against torchvision's."""

import pytest

from funcvision.vision import models
from tests.parity.zoo import (
    assert_captures_equal,
    assert_initial_distributions_equal,
    assert_models_equal,
    theirs,
)

SMALL = ((1, 16, 1, 1), (6, 24, 2, 2), (4, 24, 1, 1))
"""A small network with every kind of block, which compiles quickly; `-m slow` compares the full model."""


@pytest.mark.parametrize("train", [False, True])
def test_numbers(train):
    options = {"inverted_residual_setting": SMALL, "dropout": 0.0, "width_mult": 0.75}
    ours, reference = (build("mobilenet_v2", num_classes=9, **options) for build in (models.get_model, theirs))
    assert_models_equal(ours, reference, (2, 41, 33), train=train)


def test_initial_distributions():
    assert_initial_distributions_equal(models.mobilenet_v2(200), lambda: theirs("mobilenet_v2", num_classes=200))


def test_captures():
    options = {"inverted_residual_setting": SMALL}
    ours, reference = (build("mobilenet_v2", num_classes=9, **options) for build in (models.get_model, theirs))
    names = ["features.0", "features.2.conv", "features.3", "features.5", "adaptive_avg_pool2d", "flatten"]
    assert_captures_equal(ours, reference, (1, 40, 33), names)


def test_a_stride_that_there_is_not():
    with pytest.raises(ValueError, match="stride=3"):
        models.mobilenet_v2(inverted_residual_setting=((1, 16, 1, 3),))
