"""`detection.Predictor` and `segmentation.Predictor`: what they find, their names of classes, and what they refuse."""

import dataclasses
import hashlib

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

from funcvision.vision import convert, models, tv_tensors
from funcvision.vision.models import detection, segmentation
from funcvision.vision.models._zoo import published
from funcvision.vision.transforms.presets import SemanticSegmentation
from tests.vision.task_models import tiny_detector, tiny_models, tiny_segmenter

pytestmark = pytest.mark.usefixtures("tiny_models")
__all__ = ["tiny_models"]


def images():
    rng = np.random.default_rng(0)
    return [PIL.Image.fromarray(rng.integers(0, 256, (*size, 3), np.uint8)) for size in ((20, 30), (41, 25))]


def save(path, model):
    arrays = model.init(jax.random.key(0))
    convert.save(path, model, *arrays)
    return arrays


def publish(monkeypatch, like, name, path, **changes):
    """Publishes this file as the default weights of a model, with the entry of another model otherwise."""
    entry = models.find_weights(like, "DEFAULT")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    entry = dataclasses.replace(
        entry, model=name, sha256=digest, mib=round(path.stat().st_size / 2**20, 3), **changes
    )
    monkeypatch.setattr(published, "_published", lambda: {name: {entry.name: entry}})


def test_a_detector(tmp_path):
    arrays = save(tmp_path / "own.pth", tiny_detector(3))
    predictor = detection.Predictor.load(None, tmp_path / "own.pth", categories=("nothing", "dog"))
    assert predictor.name == "tiny_detector"
    assert predictor.weights is None
    assert predictor.preparation == (
        "as usual for detection (no weights are published for tiny_detector): resized to 32 x 32 pixels"
    )
    expected = detection.predict(tiny_detector(3), *arrays, images())
    several = predictor(images())
    for found, wanted in zip(several, expected, strict=True):
        assert found.keys() == wanted.keys() | {"names"}
        for name, array in wanted.items():
            np.testing.assert_array_equal(found[name], array)
        assert found["names"] == [["nothing", "dog", "class 2"][label] for label in wanted["labels"]]
    one = predictor(images()[0])
    np.testing.assert_allclose(one["boxes"], several[0]["boxes"], rtol=1e-5)
    middle = float(np.median(one["scores"]))
    few = predictor(tv_tensors.Image(np.asarray(images()[0])), threshold=middle)
    assert 0 < len(few["boxes"]) == len(few["names"]) == (one["scores"] >= middle).sum() < len(one["boxes"])
    assert predictor([]) == []


def test_a_published_file_of_a_detector_has_its_options(tmp_path, monkeypatch):
    """Options that the shapes in a file do not show come with the digest of the file."""
    save(tmp_path / "own.pth", tiny_detector(91))
    publish(monkeypatch, "ssd300_vgg16", "tiny_detector", tmp_path / "own.pth", options={"nms_thresh": 0.25})
    for name in ("tiny_detector", None):
        predictor = detection.Predictor.load(name, tmp_path / "own.pth")
        assert predictor.weights.name == "COCO_V1"
        assert predictor.categories[1] == "person"
        assert predictor.preparation.startswith("as published for tiny_detector COCO_V1 (the file has its SHA-256): ")
        assert predictor.model.nms_thresh == models.load(name, tmp_path / "own.pth")[0].nms_thresh == 0.25
    save(tmp_path / "other.pth", tiny_detector(4))
    other = detection.Predictor.load(None, tmp_path / "other.pth")
    assert (other.weights.name, other.categories) == ("COCO_V1", None)


def test_a_segmenter(tmp_path, monkeypatch):
    params, state = save(tmp_path / "own.pth", tiny_segmenter(21))
    publish(monkeypatch, "lraspp_mobilenet_v3_large", "tiny_segmenter", tmp_path / "own.pth")
    predictor = segmentation.Predictor.load("tiny_segmenter", tmp_path / "own.pth", preset_options={"resize_size": 24})
    assert predictor.category(15) == "person"
    assert predictor.category(21) == "class 21"
    assert predictor.preparation.endswith("(the file has its SHA-256): resize_size=24")
    for image, numbers in zip(images(), predictor(images()), strict=True):
        assert (numbers.shape, numbers.dtype) == ((image.height, image.width), np.int32)
        prepared = jnp.asarray(SemanticSegmentation(resize_size=24)(image))[None]
        logits = tiny_segmenter(21).apply(params, state, prepared)[0]["out"]
        wide = np.asarray(jax.image.resize(logits, (1, *numbers.shape, 21), "linear", antialias=False))[0]
        np.testing.assert_array_equal(numbers, wide.argmax(-1))
        assert len(np.unique(numbers)) > 2
    array = np.asarray(images()[0])
    np.testing.assert_array_equal(predictor(tv_tensors.Image(array)), predictor(array))


def test_the_default_preparation_of_a_segmenter():
    model = tiny_segmenter(4)
    arrays = model.init(jax.random.key(0))
    own, default = (
        segmentation.predict(model, *arrays, images()[1], **options)
        for options in ({"preset": SemanticSegmentation(resize_size=520)}, {})
    )
    np.testing.assert_array_equal(own, default)


def test_what_they_refuse(tmp_path):
    save(tmp_path / "own.pth", tiny_segmenter(21))
    with pytest.raises(ValueError, match=r"detection\.Predictor takes models for detection; tiny_segmenter is one"):
        detection.Predictor.load(None, tmp_path / "own.pth")
    with pytest.raises(ValueError, match=r"segmentation\.Predictor takes models for segmentation; resnet18 is one"):
        segmentation.Predictor.load("resnet18", save_classifier(tmp_path))
    model = tiny_segmenter(4)
    with pytest.raises(TypeError, match=r"predict takes PIL images, .*got a str"):
        segmentation.predict(model, *model.init(jax.random.key(0)), "dog.jpg")


def save_classifier(folder):
    model = models.resnet18(num_classes=2)
    convert.save(folder / "resnet18.pth", model, *jax.jit(model.init)(jax.random.key(0)))
    return folder / "resnet18.pth"
