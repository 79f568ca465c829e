"""Faster, Mask and Keypoint R-CNN against torchvision's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torchvision
from torchvision.models.detection import backbone_utils
from torchvision.models.detection.anchor_utils import AnchorGenerator

from funcvision import nn
from funcvision.vision import models, ops
from funcvision.vision.models import detection
from tests.parity.models.detection.detectors import assert_losses_equal, assert_predictions_equal, images_and_targets

OPTIONS = {
    "rpn_pre_nms_top_n_train": 60, "rpn_pre_nms_top_n_test": 40, "rpn_post_nms_top_n_train": 50,
    "rpn_post_nms_top_n_test": 30, "rpn_batch_size_per_image": 32, "box_batch_size_per_image": 24,
    "box_score_thresh": 0.15, "box_detections_per_img": 12,
}
RATIO = 1e-6  # see `_in_order_and_in_double`
SIZES = ((16,), (32,), (48,), (64,), (80,))
NAMES = [name for name in models.list_models("detection") if "rcnn" in name]


@pytest.fixture(autouse=True)
def _in_order_and_in_double(monkeypatch):
    """torchvision samples the first anchors, as `_Firsts` does, and computes nothing in float32.

    Only the ratios by which `detection.batch` moves boxes are float32 here, as they are in torchvision otherwise.
    """
    monkeypatch.setattr(torch, "randperm", lambda count, **options: torch.arange(count))
    monkeypatch.setattr(torch, "float32", torch.float64)


class _Firsts:
    """Samples the first positive and the first negative ones."""

    def __init__(self, count, fraction):
        self.count, self.fraction = count, fraction

    def __call__(self, key, labels):
        positive, negative = labels >= 1, labels == 0
        taken = jnp.minimum(positive.sum(), int(self.count * self.fraction))
        return positive & (jnp.cumsum(positive) <= taken), negative & (jnp.cumsum(negative) <= self.count - taken)


def _pair(kind, version=1):
    """Both on ResNet-18, with fewer features."""
    v2 = version == 2
    norms = (nn.BatchNorm2d, torch.nn.BatchNorm2d) if v2 else (None, None)
    backbone = detection.resnet_fpn_backbone("resnet18", fpn_norm_layer=norms[0])
    body = backbone_utils._resnet_fpn_extractor(torchvision.models.resnet18(), 5, norm_layer=norms[1])
    options, reference = dict(OPTIONS), dict(OPTIONS)
    options |= {"rpn_sampler": _Firsts(32, 0.5), "box_sampler": _Firsts(24, 0.25)}
    options["rpn_anchor_generator"] = detection.AnchorGenerator(SIZES, (0.5, 1.0, 2.0))
    reference["rpn_anchor_generator"] = AnchorGenerator(SIZES, ((0.5, 1.0, 2.0),) * 5)
    if v2:
        options["box_head"] = detection.FastRCNNConvFCHead((7, 7, 256), [8, 8], [1024], norms[0])
        reference["box_head"] = torchvision.models.detection.faster_rcnn.FastRCNNConvFCHead(
            (256, 7, 7), [8, 8], [1024], norms[1]
        )
        options["rpn_head"] = detection.RPNHead(256, 3, 2)
        reference["rpn_head"] = torchvision.models.detection.rpn.RPNHead(256, 3, 2)
    name = {"faster": "FasterRCNN", "mask": "MaskRCNN", "keypoint": "KeypointRCNN"}[kind]
    if kind == "mask":
        options["mask_head"] = detection.MaskRCNNHeads(256, [16, 256], norm_layer=norms[0])
        reference["mask_head"] = torchvision.models.detection.mask_rcnn.MaskRCNNHeads(256, [16, 256], 1, norms[1])
    if kind == "keypoint":
        options["keypoint_head"] = detection.KeypointRCNNHeads(256, [16, 512])
        reference["keypoint_head"] = torchvision.models.detection.keypoint_rcnn.KeypointRCNNHeads(256, [16, 512])
        options["num_keypoints"] = reference["num_keypoints"] = 4
    ours = getattr(detection, name)(backbone, 5, preparation=detection.Preparation(64, 96), **options)
    return ours, getattr(torchvision.models.detection, name)(body, 5, min_size=64, max_size=96, **reference)


def _spread(theirs):
    """Boxes close to the anchors, and classes that differ: random ones are chaotic."""
    for name, parameter in theirs.named_parameters():
        if name.endswith(("rpn.head.bbox_pred.weight", "box_predictor.bbox_pred.weight")):
            parameter.mul_(0.05)
        if name.endswith("cls_score.weight"):
            parameter.mul_(4)


@pytest.mark.parametrize(("kind", "version"), [("faster", 1), ("faster", 2), ("mask", 1), ("keypoint", 1)])
def test_predictions(kind, version):
    found = assert_predictions_equal(*_pair(kind, version), prepare=_spread, rtol=RATIO)
    if kind == "mask":
        assert found[0]["masks"].shape == (len(found[0]["boxes"]), 1, 70, 90)


def _with_masks_and_points():
    rng = np.random.default_rng(5)
    images, targets = images_and_targets()
    for image, target in zip(images, targets, strict=True):
        count = len(target["boxes"])
        target["masks"] = (rng.random((count, *image.shape[:2])) > 0.5).astype(np.uint8)
        place = rng.uniform(0, 1, (count, 4, 2))
        boxes = target["boxes"][:, None]
        points = boxes[..., :2] + place * (boxes[..., 2:] - boxes[..., :2])
        visible = rng.integers(0, 3, (count, 4, 1))
        target["keypoints"] = np.concatenate([points, visible], -1)
    return targets


@pytest.mark.parametrize(("kind", "version"), [
    ("faster", 1), pytest.param("faster", 2, marks=pytest.mark.slow), ("mask", 1), ("keypoint", 1),
])  # fmt: skip
def test_losses(kind, version):
    assert_losses_equal(*_pair(kind, version), prepare=_spread, targets=_with_masks_and_points(), rtol=RATIO)


@pytest.mark.parametrize("name", NAMES)
def test_names_and_shapes(name):
    with torch.device("meta"):
        theirs = getattr(torchvision.models.detection, name)(weights=None, weights_backbone=None, num_classes=7)
    declared = {key: one.shape for key, one in models.get_model(name, num_classes=7).declarations().items()}
    assert declared == {key: tuple(tensor.shape) for key, tensor in theirs.state_dict().items()}


def test_what_a_bound_drops_is_counted():
    ours, _ = _pair("faster")
    bounded = detection.FasterRCNN(
        ours.backbone, 5, preparation=ours.preparation, **OPTIONS | {"box_score_thresh": 0.0}, box_candidates=25
    )
    arrays = bounded.init(jax.random.key(0))
    found, _ = bounded.apply(*arrays, detection.batch(bounded, images_and_targets()[0]))
    assert (np.asarray(found.overflow) > 0).all()


def test_any_features_are_a_backbone():
    class Backbone(nn.Module):
        out_channels = 96

        def __init__(self):
            self.body = models.features("mobilenet_v2", {"features.13": "0"})

        def forward(self, x):
            return self.body(x)

    generator = detection.AnchorGenerator(((32, 64),), (0.5, 1.0))
    model = detection.FasterRCNN(
        Backbone(), 3, rpn_anchor_generator=generator, box_roi_pool=ops.MultiScaleRoIAlign(["0"], 7, 2),
        preparation=detection.Preparation(64, 64), box_detections_per_img=5, box_score_thresh=0.0,
    )
    found = detection.predict(model, *model.init(jax.random.key(0)), [np.zeros((64, 48, 3), np.uint8)])
    assert found[0]["boxes"].shape == (5, 4)
