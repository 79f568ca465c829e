"""ShuffleNetV2 against torchvision's."""

from functools import partial

import pytest
from torchvision.models import shufflenetv2 as reference_family

from funcvision.vision import models
from funcvision.vision.models import shufflenetv2 as family
from tests.parity.zoo import (
    assert_captures_equal,
    assert_initial_distributions_equal,
    assert_models_equal,
    theirs,
)

SMALL = ((2, 1, 1), (8, 12, 16, 18, 24), 9)
"""A small network with every kind of block, which compiles quickly; `-m slow` compares the full models."""


def test_numbers():
    assert_models_equal(models.ShuffleNetV2(*SMALL), reference_family.ShuffleNetV2(*SMALL), (2, 65, 49), train=False)


def test_numbers_with_another_block():
    """Stride 3 in place of 2, and an odd number of output channels, which is rounded down."""
    def build(family):
        def block(inp, oup, stride):
            return family.InvertedResidual(inp, oup, 1) if stride == 1 else family.InvertedResidual(inp, oup + 1, 3)

        return family.ShuffleNetV2(*SMALL, inverted_residual=block)

    assert_models_equal(build(family), build(reference_family), (2, 65, 49), train=True)


def test_initial_distributions():
    reference = partial(theirs, "shufflenet_v2_x0_5", num_classes=200)
    assert_initial_distributions_equal(models.shufflenet_v2_x0_5(200), reference)


def test_captures():
    ours, reference = models.ShuffleNetV2(*SMALL), reference_family.ShuffleNetV2(*SMALL)
    names = ["conv1.2", "maxpool", "stage2.0.branch1.4", "stage2.1.branch2.7", "conv5.0", "mean"]
    assert_captures_equal(ours, reference, (1, 64, 49), names)


def test_options():
    first = models.shufflenet_v2_x1_0(in_channels=5).declarations()["conv1.0.weight"]
    assert first.shape == (24, 5, 3, 3)
    with pytest.raises(ValueError, match=r"three stages_repeats and five.*got \(1, 2\)"):
        models.ShuffleNetV2((1, 2), (8, 12, 16, 18, 24))
    with pytest.raises(ValueError, match="stride from 1 to 3; stride=4"):
        family.InvertedResidual(8, 8, 4)
    with pytest.raises(ValueError, match="the same even number; inp=9, oup=9"):
        family.InvertedResidual(9, 9, 1)
