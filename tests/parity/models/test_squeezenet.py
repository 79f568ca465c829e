"""SqueezeNet against torchvision's."""

import pytest
import torch

from funcvision import nn
from funcvision.vision import models
from tests.parity.zoo import (
    assert_captures_equal,
    assert_initial_distributions_equal,
    assert_models_equal,
    theirs,
)


def test_numbers():
    """SqueezeNet 1.1 up to its third Fire block, which compiles quickly; `-m slow` compares the published ones."""
    ours, reference = (build("squeezenet1_1", num_classes=9, dropout=0.0) for build in (models.get_model, theirs))
    ours = ours.replace("features", ours.features[:7]).replace("classifier.1", nn.Conv2d(256, 9, 1))
    reference.features, reference.classifier[1] = reference.features[:7], torch.nn.Conv2d(256, 9, 1)
    assert_models_equal(ours, reference, (2, 41, 33), train=True)


@pytest.mark.parametrize("name", ["squeezenet1_0", "squeezenet1_1"])
def test_initial_distributions(name):
    assert_initial_distributions_equal(models.get_model(name, num_classes=200), lambda: theirs(name, num_classes=200))


@pytest.mark.parametrize(("name", "last"), [("squeezenet1_0", "features.11"), ("squeezenet1_1", "features.12")])
def test_captures(name, last):
    ours, reference = (build(name, num_classes=4) for build in (models.get_model, theirs))
    names = [
        "features.2", "features.3.squeeze_activation", "features.3.expand1x1_activation", last, "classifier.2",
        "flatten",
    ]
    assert_captures_equal(ours, reference, (2, 40, 33), names)


def test_a_version_that_there_is_not():
    with pytest.raises(ValueError, match=r"versions '1_0' and '1_1'; version='1.1'"):
        models.SqueezeNet("1.1")
