"""Models for semantic segmentation against torchvision's."""

import pytest
import torch
import torchvision
from torchvision.models import segmentation as reference
from torchvision.models._utils import IntermediateLayerGetter

from funcvision.vision import models
from funcvision.vision.models import segmentation
from funcvision.vision.models._intermediate_layers import IntermediateLayers
from tests.parity.zoo import assert_models_equal

NAMES = models.list_models("segmentation")


def _comparable(theirs):
    """torchvision's model without dropout, for which both sides draw different numbers, and with a list as output."""
    for module in theirs.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    theirs.register_forward_hook(lambda module, args, found: [found[name] for name in sorted(found)])
    return theirs


def _without_dropout(ours):
    return ours._rebuild(lambda path, module: {"p": 0.0} if type(module).__name__ == "Dropout" else {})


def _small_pair(kind):
    """On ResNet-18, whose last stages have 256 and 512 channels."""
    layers = {"layer3": "aux", "layer4": "out"}
    backbone = IntermediateLayerGetter(torchvision.models.resnet18(), layers)
    ours = IntermediateLayers(models.resnet18(), layers)
    if kind == "fcn":
        theirs = reference.FCN(backbone, reference.fcn.FCNHead(512, 5), reference.fcn.FCNHead(256, 5))
        own = segmentation.FCN(ours, segmentation.FCNHead(512, 5), segmentation.FCNHead(256, 5))
    elif kind == "deeplabv3":
        theirs = reference.DeepLabV3(backbone, reference.deeplabv3.DeepLabHead(512, 5, (2, 3)))
        own = segmentation.DeepLabV3(ours, segmentation.DeepLabHead(512, 5, (2, 3)))
    else:
        layers = {"layer2": "low", "layer4": "high"}
        theirs = reference.LRASPP(IntermediateLayerGetter(torchvision.models.resnet18(), layers), 128, 512, 5)
        own = segmentation.LRASPP(IntermediateLayers(models.resnet18(), layers), 128, 512, 5)
    return _without_dropout(own), _comparable(theirs)


@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("kind", ["fcn", "deeplabv3", "lraspp"])
def test_numbers(kind, train):
    ours, theirs = _small_pair(kind)
    assert_models_equal(ours, theirs, (2, 65, 49), train=train)


@pytest.mark.slow
@pytest.mark.parametrize("train", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_numbers_of_each(name, train):
    aux = {} if name.startswith("lraspp") else {"aux_loss": True}
    theirs = getattr(reference, name)(weights=None, weights_backbone=None, num_classes=5, **aux)
    ours = models.get_model(name, num_classes=5, **aux)
    # Rounding grows in squeeze-and-excitation: 3e-8 of the largest gradient was seen in MobileNetV3.
    assert_models_equal(_without_dropout(ours), _comparable(theirs), (2, 65, 49), train=train, rtol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_names_and_shapes(name):
    for aux in (False, True):
        options = {} if name.startswith("lraspp") else {"aux_loss": aux}
        with torch.device("meta"):
            theirs = getattr(reference, name)(weights=None, weights_backbone=None, num_classes=7, **options)
        declared = models.get_model(name, num_classes=7, **options).declarations()
        assert {key: one.shape for key, one in declared.items()} == {
            key: tuple(tensor.shape) for key, tensor in theirs.state_dict().items()
        }


def test_the_models_are_torchvisions():
    assert torchvision.models.list_models(module=reference) == NAMES
