"""Every builder with its whole backbone on small images: what it finds is what torchvision's finds."""

import functools

import pytest
import torch
import torchvision
from torchvision.models.detection.anchor_utils import AnchorGenerator

from funcvision.vision import models
from funcvision.vision.models import detection
from tests.parity.models.detection.detectors import assert_predictions_equal

pytestmark = pytest.mark.slow

SIZES = ((70, 90), (100, 60))
SMALL_ANCHORS = ((16,), (32,), (48,), (64,), (80,))
RCNN = {
    "rpn_pre_nms_top_n_test": 40, "rpn_post_nms_top_n_test": 30, "box_score_thresh": 0.1, "box_detections_per_img": 12,
}
ONE_STAGE = {"score_thresh": 0.25, "detections_per_img": 20, "topk_candidates": 50}
SMALL = {"preparation": detection.Preparation(64, 96)}


def _options(name):
    """The options of both sides, and more for ours."""
    if name.startswith("ssd"):
        return ONE_STAGE, {}
    return (RCNN if "rcnn" in name else ONE_STAGE), SMALL


def _calm(theirs):
    """Boxes close to the anchors, and classes that differ: random ones are chaotic."""
    for name, parameter in theirs.named_parameters():
        if name.endswith(("bbox_pred.weight", "bbox_reg.weight")):
            parameter.mul_(0.05)
        if name.endswith("cls_score.weight"):
            parameter.mul_(4)


@pytest.fixture
def in_double(monkeypatch):
    """torchvision computes nothing in float32."""
    monkeypatch.setattr(torch, "float32", torch.float64)


@pytest.mark.parametrize("name", models.list_models("detection"))
@pytest.mark.usefixtures("in_double")
def test_predictions(name):
    shared, more = _options(name)
    sizes = {"min_size": 64, "max_size": 96} if more else {}
    own = dict(more)
    theirs_options = dict(sizes)
    if "resnet50" in name and "rcnn" in name and "v2" not in name:  # the usual anchors are larger than the images
        ratios = (0.5, 1.0, 2.0)
        own["rpn_anchor_generator"] = detection.AnchorGenerator(SMALL_ANCHORS, ratios)
        theirs_options["rpn_anchor_generator"] = AnchorGenerator(SMALL_ANCHORS, (ratios,) * 5)
    build = functools.partial(
        getattr(torchvision.models.detection, name), weights=None, weights_backbone=None, num_classes=5
    )
    theirs = build(**shared, **theirs_options)
    ours = models.get_model(name, num_classes=5, **shared, **own)
    found = assert_predictions_equal(ours, theirs, prepare=_calm, sizes=SIZES, rtol=1e-6)
    assert {"masks": "mask" in name, "keypoints": "keypoint" in name} == {
        part: part in found[0] for part in ("masks", "keypoints")
    }
