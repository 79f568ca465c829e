"""MobileNetV3 against torchvision's."""

from functools import partial

import pytest
import torch
import torchvision
from torchvision.models import mobilenetv3 as reference_family

from funcvision import nn
from funcvision.vision import models, ops
from funcvision.vision.models import mobilenetv3 as family
from tests.parity.zoo import (
    assert_captures_equal,
    assert_initial_distributions_equal,
    assert_models_equal,
    theirs,
)

ROWS = (
    (16, 3, 16, 16, True, "RE", 2, 1, 0.5),
    (16, 5, 64, 24, False, "HS", 2, 2, 0.5),
    (24, 3, 72, 24, True, "HS", 1, 2, 0.5),
)
"""A small network with every kind of block, which compiles quickly; `-m slow` compares the full models."""
RTOL = 1e-7
"""torch's derivative of hardsigmoid in float64 is 1/6 rounded to float32, an error of 3e-8."""


def _pair(options, reference_options):
    ours = models.MobileNetV3([family.InvertedResidualConfig(*row) for row in ROWS], 24, 9, **options)
    rows = [reference_family.InvertedResidualConfig(*row) for row in ROWS]
    return ours, reference_family.MobileNetV3(rows, 24, 9, **reference_options)


def test_numbers():
    assert_models_equal(*_pair({"dropout": 0.0}, {"dropout": 0.0}), (2, 41, 33), train=True, rtol=RTOL)


def test_numbers_with_other_norms_and_squeezes():
    def options(nn, squeeze_excitation, block):
        squeeze = partial(squeeze_excitation, activation=nn.SiLU)
        return {"norm_layer": partial(nn.BatchNorm2d, eps=0.1), "block": partial(block, se_layer=squeeze)}

    ours = options(nn, ops.SqueezeExcitation, family.InvertedResidual)
    reference = options(torch.nn, torchvision.ops.SqueezeExcitation, reference_family.InvertedResidual)
    assert_models_equal(*_pair(ours, reference), (2, 41, 33), train=False)


@pytest.mark.parametrize("name", ["mobilenet_v3_large", "mobilenet_v3_small"])
@pytest.mark.parametrize("options", [
    {},
    {"width_mult": 0.75, "dilated": True},
    {"width_mult": 1.3, "reduced_tail": True},
    {"reduced_tail": True, "dilated": True},
])
def test_tables(name, options):
    """Compares what shapes do not show: stride, padding, dilation and groups of the convolutions."""
    with torch.device("meta"):
        reference = theirs(name, **options)
    ours = models.get_model(name, **options)
    expected = {key: tuple(tensor.shape) for key, tensor in reference.state_dict().items()}
    assert {key: declared.shape for key, declared in ours.declarations().items()} == expected

    def convolutions(model, kind):
        return [
            (path, *map(_pair_of, (conv.stride, conv.padding, conv.dilation)), conv.groups)
            for path, conv in model.named_modules() if isinstance(conv, kind)
        ]

    assert convolutions(ours, nn.Conv2d) == convolutions(reference, torch.nn.Conv2d)


def _pair_of(value):
    return (value, value) if isinstance(value, int) else tuple(value)


def test_initial_distributions():
    reference = partial(theirs, "mobilenet_v3_small", num_classes=200)
    assert_initial_distributions_equal(models.mobilenet_v3_small(200), reference)


def test_captures():
    names = ["features.0", "features.1.block.1", "features.2.block.2", "features.4", "avgpool", "flatten"]
    assert_captures_equal(*_pair({}, {}), (1, 40, 33), [*names, "classifier.0"])


def test_options():
    first = models.mobilenet_v3_small(in_channels=5).declarations()["features.0.0.weight"]
    assert first.shape == (16, 5, 3, 3)
    with pytest.raises(ValueError, match="inverted_residual_setting is empty"):
        models.MobileNetV3([], 24)
    with pytest.raises(ValueError, match="stride=3, activation='RE'"):
        family.InvertedResidualConfig(16, 3, 16, 16, True, "RE", 3, 1, 1.0)
    with pytest.raises(ValueError, match="stride=1, activation='relu'"):
        family.InvertedResidualConfig(16, 3, 16, 16, True, "relu", 1, 1, 1.0)
