"""RetinaNet against torchvision's."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
import torchvision
from torchvision.models.detection import backbone_utils
from torchvision.models.detection import retinanet as reference

from funcvision import nn
from funcvision.vision.models import detection
from funcvision.vision.ops import LastLevelP6P7
from tests.parity.models.detection.detectors import assert_losses_equal, assert_predictions_equal, images_and_targets

OPTIONS = {"score_thresh": 0.4, "detections_per_img": 20, "topk_candidates": 50}


def _pair(version):
    """Both on ResNet-18, with a head of 1 or 2 in place of 256 channels' groups."""
    v2 = version == 2
    ours_backbone = detection.resnet_fpn_backbone(
        "resnet18", returned_layers=(2, 3, 4), extra_blocks=LastLevelP6P7(512 if v2 else 256, 256)
    )
    body = torchvision.models.resnet18()
    blocks = torchvision.ops.feature_pyramid_network.LastLevelP6P7(512 if v2 else 256, 256)
    backbone = backbone_utils._resnet_fpn_extractor(body, 5, [2, 3, 4], blocks)
    ours_head = detection.RetinaNetHead(
        256, 9, 5, partial(nn.GroupNorm, 32) if v2 else None, box_loss="giou" if v2 else "l1"
    )
    head = reference.RetinaNetHead(256, 9, 5, partial(torch.nn.GroupNorm, 32) if v2 else None)
    head.regression_head._loss_type = "giou" if v2 else "l1"
    ours = detection.RetinaNet(
        ours_backbone, 5, head=ours_head, preparation=detection.Preparation(64, 96), **OPTIONS
    )
    return ours, reference.RetinaNet(backbone, 5, head=head, min_size=64, max_size=96, **OPTIONS)


@pytest.mark.parametrize("version", [1, 2])
def test_predictions(version):
    assert_predictions_equal(*_pair(version))


@pytest.mark.parametrize("version", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_losses(version):
    assert_losses_equal(*_pair(version))


@pytest.mark.parametrize("name", ["retinanet_resnet50_fpn", "retinanet_resnet50_fpn_v2"])
def test_names_and_shapes(name):
    with torch.device("meta"):
        theirs = getattr(torchvision.models.detection, name)(weights=None, weights_backbone=None, num_classes=7)
    declared = {key: one.shape for key, one in getattr(detection, name)(7).declarations().items()}
    assert declared == {key: tuple(tensor.shape) for key, tensor in theirs.state_dict().items()}


def test_training_needs_targets():
    ours, _ = _pair(1)
    batch = detection.batch(ours, images_and_targets()[0])
    with pytest.raises(ValueError, match="training needs targets"):
        ours.apply(*jax.jit(ours.init)(jax.random.key(0)), batch, train=True)


@pytest.mark.parametrize("fixed_size", [None, (48, 80)])
def test_batch_is_torchvisions(fixed_size):
    """Images, boxes, masks and key points after the preparation."""
    rng = np.random.default_rng(1)
    images, targets = images_and_targets()
    images = [image.astype(np.float32) for image in images]
    for image, target in zip(images, targets, strict=True):
        count = len(target["boxes"])
        target["masks"] = (rng.random((count, *image.shape[:2])) > 0.5).astype(np.uint8)
        target["keypoints"] = rng.uniform(0, 60, (count, 4, 3)).astype(np.float32)
        target["boxes"] = target["boxes"].astype(np.float32)
    sizes = {"min_size": 50, "max_size": 83}
    theirs = torchvision.models.detection.transform.GeneralizedRCNNTransform(
        **sizes, image_mean=[0.4, 0.5, 0.6], image_std=[0.2, 0.3, 0.4], fixed_size=fixed_size and fixed_size[::-1]
    )
    preparation = detection.Preparation(**sizes, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4), fixed_size=fixed_size)
    model = detection.RetinaNet(detection.resnet_fpn_backbone("resnet18"), 5, preparation=preparation)
    expected, moved = theirs.eval()(
        [torch.from_numpy(image).permute(2, 0, 1) for image in images],
        [{name: torch.from_numpy(array) for name, array in target.items()} for target in targets],
    )
    ours = detection.batch(model, images, targets)
    np.testing.assert_allclose(ours.images, expected.tensors.permute(0, 2, 3, 1).numpy(), atol=2e-6)
    np.testing.assert_array_equal(ours.sizes, expected.image_sizes)
    np.testing.assert_array_equal(ours.original_sizes, [image.shape[:2] for image in images])
    for i, target in enumerate(moved):
        valid = ours.targets.valid[i]
        np.testing.assert_allclose(ours.targets.boxes[i][valid], target["boxes"].numpy(), rtol=1e-6)
        np.testing.assert_array_equal(ours.targets.labels[i][valid], target["labels"].numpy())
        np.testing.assert_allclose(ours.targets.keypoints[i][valid], target["keypoints"].numpy(), rtol=1e-6)
        height, width = ours.sizes[i]
        np.testing.assert_array_equal(ours.targets.masks[i][valid][:, :height, :width], target["masks"].numpy())
        assert not ours.targets.masks[i, :, height:].any()


def test_a_batch_is_the_same_on_the_device():
    """Of one array of images, with arrays of targets."""
    rng = np.random.default_rng(2)
    images = rng.random((2, 40, 60, 3), np.float32)
    targets = {
        "boxes": np.tile(np.array([[5, 6, 20, 30], [1, 2, 50, 9]], np.float32), (2, 1, 1)),
        "labels": np.array([[1, 2], [3, 0]], np.int32), "valid": np.array([[True, True], [True, False]]),
        "masks": rng.integers(0, 2, (2, 2, 40, 60), np.uint8),
        "keypoints": rng.uniform(0, 40, (2, 2, 3, 3)).astype(np.float32),
    }
    preparation = detection.Preparation(min_size=50, max_size=83)
    model = detection.RetinaNet(detection.resnet_fpn_backbone("resnet18"), 5, preparation=preparation)
    host = detection.batch(model, images, targets, max_targets=3)
    arrays = jax.tree.map(jnp.asarray, (images, targets))
    device = jax.jit(lambda images, targets: detection.batch(model, images, targets, max_targets=3))(*arrays)
    jax.tree.map(lambda one, other: np.testing.assert_allclose(one, other, atol=2e-6), host, device)
    np.testing.assert_array_equal(host.targets.valid, [[True, True, False], [True, False, False]])  # pyright: ignore
