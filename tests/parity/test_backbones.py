"""Models that start from the weights of a classifier, and whose first layers stay frozen."""

import jax
import numpy as np
import pytest
import torch
import torchvision

from funcvision.vision import convert, models
from funcvision.vision.models._zoo import registry

NAMES = [*models.list_models("detection"), *models.list_models("segmentation")]


@pytest.mark.parametrize("name", NAMES)
def test_every_array_of_a_backbone_is_found_in_its_classifier(name):
    """All that the model shares with its classifier: only heads, pyramids and further feature maps are left."""
    backbone = registry.backbone_of(name)
    declared = models.get_model(name, **backbone.options).declarations()
    classifier = models.get_model(backbone.classifier).declarations()
    found = {backbone.rename(own): one.shape for own, one in classifier.items()}
    own = {key for key in declared if key.startswith("backbone.") and ".fpn." not in key}
    if name.startswith("ssd"):
        own = {key for key in own if not key.startswith(("backbone.scale_weight", "backbone.extra"))}
    assert own <= found.keys()
    assert all(declared[key].shape == shape for key, shape in found.items() if key in declared)


@pytest.mark.parametrize(("name", "layers", "weights"), [
    ("fasterrcnn_resnet50_fpn", 3, "resnet50"), ("retinanet_resnet50_fpn", 5, "resnet50"),
    ("fasterrcnn_mobilenet_v3_large_fpn", 2, "mobilenet_v3_large"), ("ssd300_vgg16", 4, "vgg16"),
    ("ssdlite320_mobilenet_v3_large", 1, "mobilenet_v3_large"), ("fcos_resnet50_fpn", 0, "resnet50"),
])
def test_the_same_parameters_are_frozen_as_in_torchvision(name, layers, weights, monkeypatch):
    """torchvision freezes when it loads weights; here it gets random ones."""
    arrays = getattr(torchvision.models, weights)().state_dict()
    kind = torchvision.models.get_model_weights(weights)
    monkeypatch.setattr(kind, "get_state_dict", lambda self, **options: arrays)
    chosen = "IMAGENET1K_FEATURES" if weights == "vgg16" else "IMAGENET1K_V1"
    theirs = getattr(torchvision.models.detection, name)(
        weights=None, weights_backbone=kind[chosen], trainable_backbone_layers=layers
    )
    params = models.get_model(name, **registry.backbone_of(name).options).declarations()
    frozen = models.freeze_backbone(name, params, layers)
    for key, parameter in theirs.named_parameters():
        assert frozen[key] == (not parameter.requires_grad), key


def test_load_with_the_weights_of_a_classifier(tmp_path):
    classifier = models.resnet50(7)
    params, state = jax.jit(classifier.init)(jax.random.key(3))
    path = tmp_path / "resnet50.safetensors"
    convert.save(path, classifier, params, state)
    options = {"key": jax.random.key(0), "num_classes": 3}
    _, own, rest = models.load("fcn_resnet50", None, weights_backbone=path, **options)
    np.testing.assert_array_equal(own["backbone.layer4.2.conv3.weight"], params["layer4.2.conv3.weight"])
    np.testing.assert_array_equal(rest["backbone.bn1.running_var"], state["bn1.running_var"])
    assert own["classifier.4.weight"].shape == (1, 1, 512, 3)
    with pytest.raises(ValueError, match="give either weights"):
        models.load("fcn_resnet50", path, weights_backbone=path, key=jax.random.key(0))
    with pytest.raises(ValueError, match="weights_backbone needs the name of the model, and key="):
        models.load("fcn_resnet50", None, weights_backbone=path)
    with pytest.raises(ValueError, match="resnet50 is not built on a classifier"):
        models.load("resnet50", None, weights_backbone=path, key=jax.random.key(0))
    with pytest.raises(ValueError, match="resnet50 has 5 stages, so it takes 0 to 5"):
        models.freeze_backbone("fcn_resnet50", own, 6)


def test_real_weights_in_a_detector(shared_data):
    """MobileNetV2 of torchvision, through `features`, as the backbone of an SSD."""
    path = shared_data / "weights" / "mobilenet_v2-b0353104.pth"
    layers = {"features.13": "0", "features.18": "1"}
    backbone = models.features("mobilenet_v2", layers, image=(64, 64, 3))
    found = convert.read(path)
    assert {key for key in backbone.declarations() if not key.endswith("num_batches_tracked")} <= found.keys()
    arrays = convert.from_torch(backbone, {key: found[key] for key in backbone.declarations() if key in found})
    image = np.random.default_rng(0).random((1, 64, 64, 3)).astype(np.float32)
    maps, _ = backbone.apply(*arrays, image)
    theirs = torchvision.models.mobilenet_v2()
    theirs.load_state_dict(torch.load(path, weights_only=True))
    tensor = torch.from_numpy(image).permute(0, 3, 1, 2)
    with torch.no_grad():
        expected = theirs.eval().features[:14](tensor).permute(0, 2, 3, 1).numpy()
    np.testing.assert_allclose(maps["0"], expected, atol=1e-4 * np.abs(expected).max())
