"""`models.Predictor`: preparation, one compiled function, names; and which preparation a file of weights gets."""

import concurrent.futures
import dataclasses
import hashlib

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

from funcvision import cli, nn
from funcvision.vision import convert, models, tv_tensors
from funcvision.vision.models._zoo import published, registry
from funcvision.vision.transforms.presets import ImageClassification


class Tiny(nn.Module):
    """A classifier that compiles in a moment and counts how often `forward` is traced."""

    def __init__(self, num_classes: int = 3, *, in_channels: int = 3):
        self.fc = nn.Linear(in_channels, num_classes)
        self.traces: list[tuple[int, ...]] = []

    def forward(self, x):
        self.traces.append(x.shape)
        return self.fc(x.mean((1, 2)))


def images(count):
    pixels = np.random.default_rng(0).integers(0, 256, (count, 40, 56, 3), np.uint8)
    return [PIL.Image.fromarray(image) for image in pixels]


@pytest.fixture
def predictor():
    model = Tiny()
    params, state = model.init(jax.random.key(0))
    return models.Predictor(model, params, state, ImageClassification(crop_size=16, resize_size=20), categories="abc")


def expected(predictor, image):
    """Names and probabilities in the order of the logits' size, without any code of the predictor."""
    prepared = ImageClassification(crop_size=16, resize_size=20)(image)
    logits, _ = predictor.model.apply(predictor.params, predictor.state, jnp.asarray(prepared)[None])
    probabilities = np.asarray(jax.nn.softmax(logits[0]))
    order = np.argsort(-probabilities)
    return ["abc"[i] for i in order], probabilities[order]


def test_one_image_and_several(predictor):
    several = images(4)
    for answer, image in zip(predictor(several), several, strict=True):
        names, probabilities = expected(predictor, image)
        assert [name for name, _ in answer] == names
        np.testing.assert_allclose([p for _, p in answer], probabilities, rtol=1e-5)
        assert [name for name, _ in predictor(image, top=2)] == names[:2]
    arrays = np.stack([np.asarray(image) for image in several])
    assert len(predictor(arrays, top=1)) == len(predictor(tuple(several), top=1)) == 4
    assert [name for name, _ in predictor(arrays[0])] == [name for name, _ in predictor(arrays)[0]]
    assert predictor([]) == []


@pytest.mark.parametrize("where", [np.asarray, jnp.asarray])
def test_typed_images(predictor, where):
    """A typed image is its array: one, several in a list, and a batch."""
    arrays = [np.asarray(image) for image in images(3)]
    typed = [tv_tensors.Image(where(array)) for array in arrays]
    batch = tv_tensors.Image(where(np.stack(arrays)))
    expected = [predictor(where(array)) for array in arrays]
    assert predictor(typed[0], top=2) == expected[0][:2]
    for several in (typed, tuple(typed), [typed[0], where(arrays[1]), typed[2]], batch):
        for answer, one in zip(predictor(several), expected, strict=True):
            assert [name for name, _ in answer] == [name for name, _ in one]
            np.testing.assert_allclose([p for _, p in answer], [p for _, p in one], rtol=1e-5)
    prepared = predictor.prepare(typed)
    np.testing.assert_array_equal(predictor.prepare(batch), prepared)
    np.testing.assert_array_equal(predictor.logits(tv_tensors.Image(prepared)), predictor.logits(prepared))
    arrays = predictor.model, predictor.params, predictor.state
    found = models.classify(*arrays, tv_tensors.Image(prepared[0]), classes="abc")
    assert [name for name, _ in found] == [name for name, _ in expected[0]]
    with pytest.raises(TypeError, match=r"got a \w+ of shape \(2, 2, 40, 56, 3\)"):
        predictor(tv_tensors.Image(where(np.zeros((2, 2, 40, 56, 3), np.uint8))))
    with pytest.raises(TypeError, match="got a Mask"):
        predictor(tv_tensors.Mask(where(np.zeros((40, 56), np.uint8))))


def test_compiled_once_for_each_shape(predictor):
    for _ in range(3):
        predictor(images(1)[0])
        predictor(images(2))
    assert predictor.model.traces == [(1, 16, 16, 3), (2, 16, 16, 3)]
    again = models.Predictor(predictor.model, predictor.params, predictor.state, predictor.preset)
    models.classify(predictor.model, predictor.params, predictor.state, again.prepare(images(1))[0])
    again(images(1)[0])
    assert len(predictor.model.traces) == 2


def test_threads_share_a_predictor(predictor):
    several = images(12)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(predictor, several))
    assert answers == [predictor(image) for image in several]


def test_pillow_images_of_other_modes_and_computation_in_bfloat16(predictor):
    image = images(1)[0]
    assert predictor(image.convert("RGBA")) == predictor(image)
    grey = models.Predictor(
        model := Tiny(in_channels=1), *model.init(jax.random.key(0)),
        ImageClassification(crop_size=16, mean=(0.5,), std=(0.5,)), image_mode="L", dtype=jnp.bfloat16,
    )
    batch = grey.prepare([image])
    assert (batch.shape, batch.dtype) == ((1, 16, 16, 1), jnp.bfloat16)
    assert grey.logits(batch).dtype == jnp.bfloat16
    assert sorted(name for name, _ in grey(image)) == ["class 0", "class 1", "class 2"]


def test_wrong_arguments(predictor):
    wrong = models.Predictor(predictor.model, predictor.params, predictor.state, predictor.preset, categories="ab")
    with pytest.raises(ValueError, match="there are 2 names of classes, and the model has 3 outputs"):
        wrong(images(1)[0])
    with pytest.raises(TypeError, match=r"takes PIL images, arrays .* got a str"):
        predictor("dog.jpg")
    with pytest.raises(TypeError, match=r"got a ndarray of shape \(2, 2\)"):
        predictor(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="1 or more; top=0"):
        predictor(images(1)[0], top=0)


@pytest.fixture
def tiny_models(monkeypatch):
    """Registers `tiny`, and a model of another task; returns a function that publishes weights of `tiny`."""
    monkeypatch.setattr(registry, "_entries", dict(registry._entries))

    @models.register
    def tiny(num_classes=1000, *, in_channels=3):
        return Tiny(num_classes, in_channels=in_channels)

    @models.register(task="video")
    def tiny_video(num_classes=400, *, in_channels=3):
        return nn.Sequential({"video": Tiny(num_classes, in_channels=in_channels)})

    def publish(old):
        """Publishes these bytes as OLD, and as the default NEW another file of this size with another preparation."""
        one = dataclasses.replace(
            models.weights("resnet50")["IMAGENET1K_V1"], model="tiny", name="OLD", mib=round(len(old) / 2**20, 3),
            sha256=hashlib.sha256(old).hexdigest()[:8],
            preset_options={"crop_size": 24, "resize_size": 25, "mean": (0.5, 0.5, 0.5), "std": (0.1, 0.1, 0.1)},
        )
        default = dataclasses.replace(
            one, name="NEW", default=True, sha256="0" * 8, preset_options=one.preset_options | {"crop_size": 12}
        )
        monkeypatch.setattr(published, "_published", lambda: {"tiny": {"OLD": one, "NEW": default}})

    return publish


def save(path, model):
    convert.save(path, model, *model.init(jax.random.key(0)))
    return path.read_bytes()


def test_a_published_file_is_prepared_as_published_and_any_other_as_the_default(tiny_models, tmp_path, capsys):
    tiny_models(save(tmp_path / "old.pth", Tiny(1000)))
    save(tmp_path / "own.pth", Tiny(5))
    save(tmp_path / "converted.safetensors", Tiny(1000))
    images(1)[0].save(tmp_path / "image.png")
    for name, entry, crop, first in (
        ("old.pth", "OLD", 24, "tench"),
        ("own.pth", "NEW", 12, "class 0"),
        ("converted.safetensors", "NEW", 12, "tench"),
    ):
        for model in ("tiny", None):
            predictor = models.Predictor.load(model, tmp_path / name)
            assert predictor.weights.name == entry
            assert predictor.prepare(images(1)).shape == (1, crop, crop, 3)
        assert first in {name for name, _ in predictor(images(1)[0], top=1000)}
        assert cli.main(["classify", str(tmp_path / "image.png"), "--weights", str(tmp_path / name)]) == 0
        out, err = capsys.readouterr()
        assert len(out.splitlines()) == 5
        assert err.startswith(f"prepared as published for tiny {entry} (the ")
        assert f"crop_size={crop}, resize_size=25, mean=(0.5, 0.5, 0.5), std=(0.1, 0.1, 0.1)\n" in err
    smaller = models.Predictor.load("tiny", tmp_path / "own.pth", preset_options={"crop_size": 9})
    assert smaller.prepare(images(1)).shape == (1, 9, 9, 3)


def test_a_file_of_another_size_is_not_read_to_identify_it(tiny_models, tmp_path, monkeypatch):
    tiny_models(bytes(5 << 20))
    save(tmp_path / "own.pth", Tiny(5))
    monkeypatch.setattr(published, "_sha256", lambda path: pytest.fail("the file was hashed"))
    assert models.identify_weights("tiny", tmp_path / "own.pth") is None


def test_options_that_belong_to_the_preparation_come_with_it(tmp_path):
    """GoogLeNet's published weights expect another scale of the images, which no shape in a file shows."""
    model = models.googlenet(4, aux_logits=False)
    arrays = jax.tree.map(lambda one: np.zeros(one.shape, one.dtype), jax.eval_shape(model.init, jax.random.key(0)))
    convert.save(tmp_path / "own.safetensors", model, *arrays)
    loaded = models.Predictor.load(None, tmp_path / "own.safetensors").model
    assert (loaded.transform_input, loaded.aux1) == (True, None)


def test_what_a_predictor_cannot_load(tiny_models, tmp_path):
    tiny_models(b"")
    save(tmp_path / "four.pth", Tiny(5, in_channels=4))
    with pytest.raises(ValueError, match=r"images of 4 channels, and the published preparation for tiny makes 3"):
        models.Predictor.load("tiny", tmp_path / "four.pth")
    save(tmp_path / "video.pth", registry.get_model("tiny_video"))
    with pytest.raises(ValueError, match="takes models for classification; tiny_video is one for video"):
        models.Predictor.load(None, tmp_path / "video.pth")


def test_the_preparation_of_efficientnet_v2_l():
    """It differs from the usual one in every option."""
    entry = models.find_weights("efficientnet_v2_l", "DEFAULT")
    assert entry.preset_options == {
        "crop_size": 480, "resize_size": 480, "interpolation": "bicubic", "mean": (0.5, 0.5, 0.5),
        "std": (0.5, 0.5, 0.5),
    }
    assert entry.transforms()(images(1)[0]).shape == (480, 480, 3)
