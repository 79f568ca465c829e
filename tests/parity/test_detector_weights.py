"""Published weights of detectors: their old names of tensors, frozen norms, and heads for other classes."""

import dataclasses
import hashlib
import re

import jax
import numpy as np
import pytest
import torch
import torchvision

from funcvision.vision import convert, models
from funcvision.vision.models import detection
from funcvision.vision.models._zoo import published

OLD = (
    (r"((?:inner|layer)_blocks\.\d)\.0\.", r"\1."),
    (r"(rpn\.head\.conv)\.0\.0\.", r"\1."),
    (r"mask_head\.(\d)\.0\.", lambda found: f"mask_head.mask_fcn{int(found[1]) + 1}."),
    (r"(head\.(?:classification|regression)_head\.conv)\.(\d)\.0\.", lambda found: f"{found[1]}.{2 * int(found[2])}."),
)
"""Patterns of names in torchvision's models, and the names before its version 0.13, which its published files have."""


def old_name(name):
    for pattern, old in OLD:
        name = re.sub(pattern, old, name)
    return name


@pytest.fixture
def torch_cache(tmp_path, monkeypatch):
    """Returns a function that puts a checkpoint into torch's cache as the published weights of a model."""
    monkeypatch.setenv("FUNCVISION_HOME", str(tmp_path / "own"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)

    def put(name, tensors):
        torch.save(tensors, folder / "made.pth")
        content = (folder / "made.pth").read_bytes()
        digest = hashlib.sha256(content).hexdigest()[:8]
        path = (folder / "made.pth").rename(folder / f"{name}-{digest}.pth")
        entry = dataclasses.replace(
            models.find_weights(name, "DEFAULT"), url=f"http://127.0.0.1:9/{path.name}", sha256=digest,
            mib=round(len(content) / 2**20, 3),
        )
        monkeypatch.setattr(published, "_published", lambda: {name: {entry.name: entry}})
        return path

    return put


def made(name):
    """torchvision's model with random arrays, and these under the names of its published file."""
    with torch.device("meta"):
        theirs = getattr(torchvision.models.detection, name)(weights=None, weights_backbone=None)
    generator = torch.Generator().manual_seed(0)
    tensors = {
        old_name(key): torch.rand(tensor.shape, generator=generator)
        for key, tensor in theirs.state_dict().items() if not key.endswith("num_batches_tracked")
    }
    theirs.load_state_dict(tensors, strict=False, assign=True)  # torchvision renames them itself
    return theirs, tensors


def first_norm(model):
    body = model.backbone.body
    return body.bn1 if hasattr(body, "bn1") else getattr(body, "0")[1]


@pytest.mark.parametrize(("name", "count", "eps"), [
    ("maskrcnn_resnet50_fpn", 8 * 2 + 2 + 4 * 2, 0.0), ("retinanet_resnet50_fpn", 6 * 2 + 8 * 2, 0.0),
    ("fasterrcnn_mobilenet_v3_large_320_fpn", 4 * 2 + 2, 1e-5),
])  # fmt: skip
def test_old_names_and_frozen_norms(name, count, eps, torch_cache):
    theirs, tensors = made(name)
    assert len(tensors.keys() - theirs.state_dict().keys()) == count
    path = torch_cache(name, tensors)
    model, params, state = models.load(name, "DEFAULT")
    own, found = convert.to_torch(model, params, state), dict(theirs.named_parameters()) | dict(theirs.named_buffers())
    assert own.keys() == {key for key in found if not key.endswith("num_batches_tracked")}
    for key, array in own.items():
        np.testing.assert_array_equal(array, found[key].detach().numpy(), err_msg=key)
    norm = first_norm(model)
    assert (type(norm).__name__, norm.eps) == ("FrozenBatchNorm2d", eps)
    assert first_norm(models.load(name, path)[0]).eps == eps  # the file itself, by its digest
    if "320" in name:  # another model has the same shapes
        predictor = detection.Predictor.load(None, path)
        assert (predictor.name, predictor.weights.name) == (name, "COCO_V1")
        assert predictor.categories[17] == "cat"


def test_other_classes(torch_cache):
    name = "fasterrcnn_mobilenet_v3_large_320_fpn"
    _, tensors = made(name)
    torch_cache(name, tensors)
    head = r"roi_heads\.box_predictor\."
    with pytest.raises(ValueError, match=rf"no tensors of these shapes for {head}cls_score\.weight, .*: pass key="):
        models.load(name, "DEFAULT", num_classes=4)
    with pytest.warns(UserWarning, match=rf"freshly initialised, .*: {head}cls_score\.weight, .*{head}bbox_pred\.bias"):
        model, params, _ = models.load(name, "DEFAULT", num_classes=4, key=jax.random.key(0))
    assert params["roi_heads.box_predictor.bbox_pred.weight"].shape == (1024, 16)
    np.testing.assert_array_equal(
        params["rpn.head.conv.0.0.bias"], tensors["rpn.head.conv.bias"].numpy()
    )
    assert model.preparation.min_size == 320
