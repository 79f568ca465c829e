"""MNASNet against torchvision's."""

from functools import partial

import pytest
import torch
import torchvision

from funcvision import nn
from funcvision.vision import models
from tests.parity.zoo import (
    assert_captures_equal,
    assert_initial_distributions_equal,
    assert_models_equal,
    theirs,
)


def _small_pair():
    """The narrowest network with one block of every kind; `-m slow` compares the full models."""
    ours, reference = models.MNASNet(0.05, 9, dropout=0.0), torchvision.models.MNASNet(0.05, 9, dropout=0.0)
    for path in ("8.2", "9", "10", "11", "12.2", "12.3"):  # from 8 channels to 8, or from 16 to 16
        ours = ours.replace(f"layers.{path}", nn.Identity())
        reference.set_submodule(f"layers.{path}", torch.nn.Identity())
    return ours, reference


@pytest.mark.parametrize("train", [False, True])
def test_numbers(train):
    assert_models_equal(*_small_pair(), (2, 41, 33), train=train)


def test_initial_distributions():
    assert_initial_distributions_equal(models.mnasnet0_5(200), partial(theirs, "mnasnet0_5", num_classes=200))


def test_captures():
    names = ["layers.2", "layers.8.1.layers.7", "layers.12.0.layers.3", "layers.16", "mean", "classifier.0"]
    assert_captures_equal(*_small_pair(), (1, 40, 33), names)


def test_options():
    declared = models.MNASNet(2.0, in_channels=5).declarations()
    assert declared["layers.0.weight"].shape == (64, 5, 3, 3)
    with pytest.raises(ValueError, match=r"must be greater than 0.*alpha=0"):
        models.MNASNet(0)
