"""FCOS, SSD and SSDlite against torchvision's."""

from functools import partial
from unittest import mock

import jax
import numpy as np
import pytest
import torch
import torchvision
from torchvision.models.detection import anchor_utils, backbone_utils
from torchvision.models.detection import fcos as reference_fcos
from torchvision.models.detection import ssd as reference_ssd

from funcvision import nn
from funcvision.vision import models
from funcvision.vision.models import detection
from funcvision.vision.ops import LastLevelP6P7
from tests.parity.models.detection.detectors import assert_losses_equal, assert_predictions_equal, images_and_targets

RATIOS = ((2,), (2, 3), (2,))


def _fcos_pair():
    options = {"score_thresh": 0.4, "detections_per_img": 20, "topk_candidates": 50}
    blocks = torchvision.ops.feature_pyramid_network.LastLevelP6P7(256, 256)
    body = backbone_utils._resnet_fpn_extractor(torchvision.models.resnet18(), 5, [2, 3, 4], blocks)
    backbone = detection.resnet_fpn_backbone(
        "resnet18", returned_layers=(2, 3, 4), extra_blocks=LastLevelP6P7(256, 256)
    )
    theirs = reference_fcos.FCOS(
        body, 5, head=reference_fcos.FCOSHead(256, 1, 5, 2), min_size=64, max_size=96, **options
    )
    ours = detection.FCOS(
        backbone, 5, head=detection.FCOSHead(256, 1, 5, 2), preparation=detection.Preparation(64, 96), **options
    )
    return ours, theirs


class _Maps(nn.Module):
    """Three feature maps of one, two and three convolutions."""

    out_channels = (8, 12, 16)

    def __init__(self):
        self.blocks = nn.ModuleList([
            nn.Conv2d(3, 8, 3, 4, 1), nn.Conv2d(8, 12, 3, 2, 1), nn.Conv2d(12, 16, 3, 2, 1)
        ])

    def forward(self, x):
        found = []
        for block in self.blocks:
            x = block(x)
            found.append(x)
        return tuple(found)


class _TorchMaps(torch.nn.Module):
    def __init__(self):
        super().__init__()
        conv = partial(torch.nn.Conv2d, kernel_size=3, padding=1)
        self.blocks = torch.nn.ModuleList([conv(3, 8, stride=4), conv(8, 12, stride=2), conv(12, 16, stride=2)])
        self.out_channels = [8, 12, 16]

    def forward(self, x):
        found = {}
        for i, block in enumerate(self.blocks):
            found[str(i)] = x = block(x)
        return found


def _ssd_pair(**generator):
    options = {"score_thresh": 0.15, "detections_per_img": 30, "topk_candidates": 40}
    theirs = reference_ssd.SSD(
        _TorchMaps(), anchor_utils.DefaultBoxGenerator([list(one) for one in RATIOS], **generator), (64, 64), 5,
        **options,
    )
    ours = detection.SSD(_Maps(), detection.DefaultBoxGenerator(RATIOS, **generator), (64, 64), 5, **options)
    return ours, theirs


PAIRS = {
    "fcos": _fcos_pair, "ssd": _ssd_pair, "ssd, steps": partial(_ssd_pair, steps=[4, 8, 16]),
    "ssd, scales": partial(_ssd_pair, scales=[0.1, 0.3, 0.6, 1.1], clip=False),
}


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_predictions(pair):
    assert_predictions_equal(*pair(), rtol=1e-6)


@pytest.mark.parametrize("pair", PAIRS.values(), ids=PAIRS)
def test_losses(pair):
    assert_losses_equal(*pair(), rtol=1e-6)


@pytest.mark.parametrize("name", ["fcos_resnet50_fpn", "ssd300_vgg16", "ssdlite320_mobilenet_v3_large"])
def test_names_and_shapes(name):
    channels = [672, 480, 512, 256, 256, 128] if "lite" in name else [512, 1024, 512, 256, 256, 256]
    utils = torchvision.models.detection.ssdlite.det_utils
    with torch.device("meta"), mock.patch.object(utils, "retrieve_out_channels", return_value=channels):
        theirs = getattr(torchvision.models.detection, name)(weights=None, weights_backbone=None, num_classes=7)
    declared = {key: one.shape for key, one in models.get_model(name, num_classes=7).declarations().items()}
    assert declared == {key: tuple(tensor.shape) for key, tensor in theirs.state_dict().items()}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["ssd300_vgg16", "ssdlite320_mobilenet_v3_large"])
def test_whole_models(name):
    options = {"score_thresh": 0.25, "detections_per_img": 50, "topk_candidates": 100}
    theirs = getattr(torchvision.models.detection, name)(weights=None, weights_backbone=None, num_classes=5)
    for option, value in options.items():
        setattr(theirs, option, value)
    ours = models.get_model(name, num_classes=5, **options)
    assert_predictions_equal(ours, theirs, rtol=1e-6)
    assert_losses_equal(ours, theirs, rtol=1e-6)


def test_fixed_size_must_agree():
    with pytest.raises(ValueError, match="the preparation resizes to"):
        detection.SSD(
            _Maps(), detection.DefaultBoxGenerator(RATIOS), (64, 64), 5, preparation=detection.Preparation()
        )


def test_an_image_without_objects_gives_finite_losses():
    ours, _ = _ssd_pair()
    images, _ = images_and_targets()
    empty = {"boxes": np.zeros((0, 4)), "labels": np.zeros(0, np.int32)}
    batch = detection.batch(ours, images, [empty] * 3, max_targets=4)
    losses, _ = ours.apply(*ours.init(jax.random.key(0)), batch, train=True)
    assert all(np.isfinite(loss) for loss in losses.values())
