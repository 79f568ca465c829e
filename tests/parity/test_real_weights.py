"""torchvision's own MobileNetV2 on real photos: preparation, logits and classes against torchvision.

The weights and the photos lie beside a development checkout; elsewhere these tests are skipped.
"""

import jax
import numpy as np
import PIL.Image
import pytest
import torch
import torchvision

from funcvision import cli
from funcvision.vision import convert, models, tv_tensors

PHOTOS = 112


@pytest.fixture(scope="module")
def photos(shared_data):
    """The paths of one photo for each of 112 classes of ImageNet; a few photos are greyscale."""
    paths = sorted((shared_data / "imagenet-samples").glob("*.JPEG"))
    assert len(paths) == PHOTOS
    return paths


@pytest.fixture(scope="module")
def weights(shared_data):
    return shared_data / "weights/mobilenet_v2-b0353104.pth"


@pytest.fixture(scope="module")
def theirs(weights):
    model = torchvision.models.mobilenet_v2()
    model.load_state_dict(torch.load(weights, weights_only=True), strict=True)
    return model.eval()


@pytest.fixture(scope="module")
def predictor(weights):
    return models.Predictor.load(None, weights)


@pytest.fixture(scope="module")
def prepared(photos, predictor):
    """The photos as funcvision prepares them, and as torchvision does, both [batch, height, width, channels]."""
    preset = torchvision.models.MobileNet_V2_Weights.IMAGENET1K_V1.transforms()
    images = [PIL.Image.open(path) for path in photos]
    expected = torch.stack([preset(image.convert("RGB")) for image in images])
    return np.asarray(predictor.prepare(images)), expected.permute(0, 2, 3, 1).numpy()


@pytest.fixture(scope="module")
def logits(prepared, predictor, theirs):
    """The logits of the photos, each side from its own preparation."""
    ours, expected = prepared
    with torch.no_grad():
        theirs_ = torch.cat([theirs(one) for one in torch.from_numpy(expected).permute(0, 3, 1, 2).split(28)]).numpy()
    return np.concatenate([predictor.logits(part) for part in np.split(ours, 4)]), theirs_


def test_the_file_is_recognised_as_published(predictor):
    assert isinstance(predictor.model, models.MobileNetV2)
    assert (predictor.weights.model, predictor.weights.name) == ("mobilenet_v2", "IMAGENET1K_V1")
    assert "the file has its SHA-256" in predictor.preparation


def test_every_tensor_is_torchvision_s(weights, theirs, predictor):
    ours = convert.to_torch(predictor.model, predictor.params, predictor.state)
    assert list(ours) == list(theirs.state_dict())
    for name, tensor in theirs.state_dict().items():
        np.testing.assert_array_equal(ours[name], tensor.numpy(), err_msg=name, strict=True)


def test_preparation(prepared):
    ours, theirs = prepared
    assert ours.shape == theirs.shape == (PHOTOS, 224, 224, 3)
    assert np.abs(ours - theirs).max() < 1e-6


def test_logits(logits):
    ours, theirs = logits
    assert ours.shape == theirs.shape == (PHOTOS, 1000)
    assert np.abs(ours - theirs).max() < 1e-4


def test_the_first_class_of_every_photo(logits, photos):
    ours, theirs = (one.argmax(1) for one in logits)
    np.testing.assert_array_equal(ours, theirs)
    classes = models.imagenet_classes()
    named = [classes[i].lower().replace(" ", "_") in path.name.lower() for i, path in zip(ours, photos, strict=True)]
    assert np.mean(named) > 0.6  # the names of the files differ in part from those of the classes


def test_typed_images_of_photos(photos, predictor):
    """A typed image gives what its array gives."""
    arrays = [np.asarray(PIL.Image.open(path).convert("RGB")) for path in photos[:3]]
    for array in arrays:
        assert predictor(tv_tensors.Image(array)) == predictor(array)


def test_the_command_names_the_photo(photos, weights, logits, tmp_path, capsys):
    """From torchvision's file, and from a training checkpoint with the same weights in float64."""
    _, expected = logits
    probabilities = torch.from_numpy(expected).softmax(1)
    state = torch.load(weights, weights_only=True)
    doubles = {f"module.{name}": tensor.double() for name, tensor in state.items()}
    torch.save({"model": {"fc.weight": torch.ones(2, 2)}, "average": doubles}, tmp_path / "run.pth")
    of_file = ["--weights", str(weights)]
    of_run = ["--weights", str(tmp_path / "run.pth"), "--entry", "average", "--resize", "256"]  # V2 resizes to 232
    for options in (of_file, of_run):
        for i in (0, 40, 111):
            assert cli.main(["classify", str(photos[i]), *options]) == 0
            first = capsys.readouterr().out.splitlines()[0]
            share, name = first.strip().split("  ", 1)
            assert name == models.imagenet_classes()[expected[i].argmax()]
            assert abs(float(share.rstrip("%")) / 100 - probabilities[i].max()) < 1e-3


def test_the_command_converts_the_file(weights, theirs, tmp_path, capsys):
    assert cli.main(["convert", str(weights), str(tmp_path / "w.safetensors")]) == 0
    assert capsys.readouterr().out.startswith("mobilenet_v2: 3,504,872 parameters, 314 tensors")
    assert cli.main(["convert", str(tmp_path / "w.safetensors"), str(tmp_path / "w.pth")]) == 0
    fresh = torchvision.models.mobilenet_v2()
    fresh.load_state_dict(torch.load(tmp_path / "w.pth", weights_only=True), strict=True)
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(fresh.state_dict()[name], tensor), name


def test_other_classes_keep_the_features(weights, predictor):
    with pytest.warns(UserWarning, match=r"freshly initialised, .*: classifier\.1\.weight, classifier\.1\.bias$"):
        model, params, _ = models.load(None, weights, num_classes=5, key=jax.random.key(0))
    assert model.declarations()["classifier.1.weight"].shape == (5, 1280)
    kept = [name for name in params if not name.startswith("classifier")]
    assert len(kept) == 156
    for name in kept:
        np.testing.assert_array_equal(params[name], predictor.params[name])
