"""`export.predictor`: prepared images and answers are those of the predictors of the original models."""

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

from funcvision import cli, export, nn
from funcvision.export import _file
from funcvision.vision import convert, models
from funcvision.vision.models import detection, segmentation
from funcvision.vision.transforms.presets import ImageClassification, SemanticSegmentation


class TinyDetector(detection.Detector):
    """Finds three objects at fixed parts of the image, whose scores depend on the pixels; the last never exists."""

    preparation = detection.Preparation(min_size=24, max_size=40, size_divisible=8)

    def __init__(self, masks=False):
        self.masks = masks
        self.fc = nn.Linear(3, 3)

    def forward(self, batch):
        heights, widths = batch.sizes[:, :1].astype(jnp.float32), batch.sizes[:, 1:].astype(jnp.float32)
        parts = jnp.array([[0.1, 0.2, 0.5, 0.6], [0.0, 0.0, 1.0, 1.0], [0, 0, 0, 0]])
        boxes = parts[None] * jnp.stack([widths, heights, widths, heights], -1)
        scores = jax.nn.sigmoid(self.fc(batch.images.sum((1, 2)) / (heights * widths)))
        order = jnp.broadcast_to(jnp.array([[1, 2, 0]]), scores.shape)
        valid = jnp.broadcast_to(jnp.array([[True, True, False]]), scores.shape)
        masks = jnp.broadcast_to(scores[..., None, None], (*scores.shape, 4, 4)) if self.masks else None
        return detection.Detections(boxes, scores, order, valid, masks, overflow=jnp.zeros_like(batch.sizes[:, 0]))


class TinySegmenter(nn.Module):
    """Logits by a convolution of stride 2, enlarged, and those of a second head."""

    def __init__(self):
        self.conv = nn.Conv2d(3, 5, 3, stride=2, padding=1)

    def forward(self, x):
        logits = jax.image.resize(self.conv(x), (*x.shape[:3], 5), "linear")
        return {"out": logits, "aux": logits + 1}


class TinyClassifier(nn.Module):
    def __init__(self):
        self.fc = nn.Linear(3, 4)

    def forward(self, x):
        return self.fc(x.mean((1, 2)))


def image(height, width):
    pixels = np.random.default_rng(0).integers(0, 256, (9, 11, 3), np.uint8)
    return PIL.Image.fromarray(pixels).resize((width, height), PIL.Image.Resampling.BICUBIC)


@pytest.mark.parametrize("masks", [False, True])
@pytest.mark.parametrize("size", [(30, 60), (60, 30), (31, 31)])
def test_a_detector(tmp_path, masks, size):
    """Boxes and masks are those of the original's predictor, in pixels of the image."""
    model, names = TinyDetector(masks), ["background", "bird", "cat"]
    params, state = model.init(jax.random.key(0))
    path = tmp_path / "d.fv"
    export.save(
        path, model, params, state, image_size=[(24, 40), (40, 24)], task="detection", categories=names,
        platforms=["cpu"],
    )
    ours = export.predictor(export.load(path, inspect_programs=False))
    assert isinstance(ours, export.Detector)
    expected = detection.Predictor(model, params, state, categories=names)(image(*size), threshold=0.2)
    found = ours(image(*size), threshold=0.2)
    assert found.keys() == expected.keys()
    assert found.pop("names") == expected.pop("names")
    assert len(found["boxes"]) >= 1
    for name in found:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, atol=1e-5, err_msg=name)


def test_a_detector_on_a_small_canvas(tmp_path):
    """An image is resized to fit, and boxes are in its own pixels all the same."""
    model = TinyDetector()
    path = tmp_path / "d.fv"
    export.save(path, model, *model.init(jax.random.key(0)), image_size=(16, 16), task="detection", platforms=["cpu"])
    ours = export.predictor(export.load(path, inspect_programs=False))
    prepared = ours.prepare(image(40, 80))
    assert (prepared.size, prepared.inputs[0].shape, prepared.inputs[1].tolist()) == ((40, 80), (16, 16, 3), [8, 16])
    np.testing.assert_allclose(ours(image(40, 80))["boxes"][0], [8, 8, 40, 24], rtol=1e-5)


def test_a_batch_of_prepared_images(tmp_path):
    """What a server does: it prepares each image, calls the function once, and finishes each image."""
    model = TinyDetector()
    path = tmp_path / "d.fv"
    export.save(path, model, *model.init(jax.random.key(0)), image_size=(24, 40), task="detection", platforms=["cpu"])
    function = export.load(path, inspect_programs=False)
    ours = export.predictor(function)
    images = [image(30, 60), image(20, 30)]
    prepared = [ours.prepare(one) for one in images]
    batch = [np.stack(inputs) for inputs in zip(*(one.inputs for one in prepared), strict=True)]
    output = jax.device_get(function(*batch))
    for i, one in enumerate(images):
        found = ours.finish({name: array[i] for name, array in output.items()}, prepared[i])
        np.testing.assert_allclose(found["boxes"], ours(one)["boxes"], rtol=1e-5)
        np.testing.assert_allclose(found["scores"], ours(one)["scores"], rtol=1e-5)


@pytest.mark.parametrize("size", [(30, 40), (50, 40)])
def test_a_segmenter(tmp_path, size):
    """For images of a listed ratio the classes are those of the original's predictor."""
    model, preset = TinySegmenter(), SemanticSegmentation(resize_size=24)
    params, state = model.init(jax.random.key(0))
    path = tmp_path / "s.fv"
    export.save(
        path, model, params, state, image_size=[(24, 32), (30, 24)], task="segmentation", preset=preset,
        categories=list("abcde"), platforms=["cpu"],
    )
    function = export.load(path, inspect_programs=False)
    assert list(function(np.zeros((1, 24, 32, 3), np.float32))) == ["out"]
    ours = export.predictor(function)
    expected = segmentation.predict(model, params, state, image(*size), preset=preset)
    found = ours(image(*size))
    assert found.dtype == np.int32
    assert len(np.unique(expected)) > 1
    assert (found == expected).mean() > 0.999
    assert (ours.category(1), ours.category(9)) == ("b", "class 9")


def test_a_classifier(tmp_path):
    model, preset = TinyClassifier(), ImageClassification(crop_size=(16, 24), resize_size=32)
    params, state = model.init(jax.random.key(0))
    path = tmp_path / "c.fv"
    expected = models.Predictor(model, params, state, preset, categories=list("abcd"))(image(30, 40), top=3)
    for options in ({"image_size": (16, 24)}, {"prepare_from": (30, 40)}):
        export.save(path, model, params, state, preset=preset, categories=list("abcd"), overwrite=True, **options)
        ours = export.predictor(export.load(path, inspect_programs=False))
        found = ours(image(30, 40), top=3)
        assert [name for name, _ in found] == [name for name, _ in expected]
        np.testing.assert_allclose([p for _, p in found], [p for _, p in expected], atol=2e-3)
    with pytest.raises(ValueError, match="takes images of 30 x 40 pixels, and this one has 16 x 16"):
        ours(image(16, 16))
    with pytest.raises(TypeError, match="takes a PIL image"):
        ours("image.png")


def test_the_order_of_keys_in_a_header_does_not_matter(tmp_path):
    model, preset = TinyClassifier(), ImageClassification(crop_size=16, resize_size=16)
    path = tmp_path / "c.fv"
    export.save(path, model, *model.init(jax.random.key(0)), preset=preset, image_size=(16, 16), batch=1)
    header, tensors = _file.read(path)
    programs = [tensors.pop(_file.program_name(0)).tobytes()]
    leaves = header["programs"][0]["inputs"]["leaves"]
    leaves[0] = dict(reversed(leaves[0].items()))
    _file.write(tmp_path / "d.fv", tensors, programs, header, overwrite=False)
    predict = export.predictor(export.load(tmp_path / "d.fv", inspect_programs=False))
    assert len(predict(image(16, 16), top=2)) == 2


def test_a_clip(tmp_path):
    """A video classifier takes clips."""
    class Brightness(nn.Module):
        def forward(self, x):
            return x.mean((1, 2, 3))

    export.save(tmp_path / "v.fv", Brightness(), {}, {}, image_size=(8, 8), task="video", frames=4)
    loaded = export.load(tmp_path / "v.fv", inspect_programs=False)
    assert (loaded.task, loaded(np.ones((2, 4, 8, 8, 3), np.float32)).tolist()) == ("video", [[1, 1, 1]] * 2)
    with pytest.raises(ValueError, match="task='video' only"):
        export.save(tmp_path / "v.fv", Brightness(), {}, {}, image_size=(8, 8), frames=4)
    with pytest.raises(ValueError, match="and task='flow'"):
        export.save(tmp_path / "v.fv", Brightness(), {}, {}, image_size=(8, 8), task="flow")


def test_what_has_no_predictor(tmp_path):
    path = tmp_path / "f.fv"
    export.save_function(path, lambda arrays, x: x, {}, np.ones(2, np.float32))
    with pytest.raises(ValueError, match="holds a function; a predictor is for"):
        export.predictor(export.load(path, inspect_programs=False))
    export.save(path, TinyClassifier(), *TinyClassifier().init(jax.random.key(0)), image_size=(8, 8), overwrite=True)
    loaded = export.load(path, inspect_programs=False)
    with pytest.raises(ValueError, match="does not say how images are prepared"):
        export.predictor(loaded)
    loaded.preset = {"name": "ImageClassification", "options": {"size": 3}}
    with pytest.raises(ValueError, match=r"has a preparation that cannot be used: .*'size'"):
        export.predictor(loaded)


@pytest.mark.slow
@pytest.mark.parametrize(("command", "name"), [
    ("detect", "ssdlite320_mobilenet_v3_large"), ("segment", "lraspp_mobilenet_v3_large"),
])
def test_commands(tmp_path, capsys, command, name):
    """`funcvision detect` and `segment` say the same with a checkpoint and with its exported file."""
    model = models.get_model(name, num_classes=3)
    checkpoint, out, picture = tmp_path / "weights.pth", tmp_path / "model.fv", tmp_path / "image.png"
    convert.save(checkpoint, model, *jax.jit(model.init)(jax.random.key(0)))
    image(300, 400).save(picture)
    size = ["--image-size", "520x693"] if command == "segment" else []
    assert cli.main(["export", str(checkpoint), "--out", str(out), *size]) == 0
    capsys.readouterr()
    options = ["--threshold", "0.01"] if command == "detect" else []
    assert cli.main([command, str(picture), "--weights", str(out), *options]) == 0
    ours = capsys.readouterr().out
    assert cli.main([command, str(picture), "--weights", str(checkpoint), *options]) == 0
    assert capsys.readouterr().out == ours
