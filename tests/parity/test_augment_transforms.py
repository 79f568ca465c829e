"""Erasing, JPEG, mixing of batches, crops, whitening and frames of a video against torchvision's."""

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest
import torch
import torchvision.transforms.v2 as v2
import torchvision.transforms.v2.functional as VF

from funcvision.vision import transforms
from funcvision.vision.transforms import functional as F
from funcvision.vision.tv_tensors import BoundingBoxes, Image, Video

from .images import array, assert_same_pil, picture, tensor
from .reference import assert_close


@pytest.mark.parametrize("dtype", ["uint8", "float32"])
@pytest.mark.parametrize("value", [0.25, 7, (1.0, 2.0, 3.0)])
def test_erase(dtype, value):
    x = picture(2, 9, 7, 3, dtype=dtype)
    v = torch.tensor([value] if np.isscalar(value) else value)[:, None, None]
    expected = array(VF.erase(tensor(x), 2, 1, 4, 5, v))
    np.testing.assert_array_equal(F.erase(x, 2, 1, 4, 5, value), expected)
    np.testing.assert_array_equal(jax.jit(lambda x, *box: F.erase(x, *box, value))(x, 2, 1, 4, 5), expected)
    if dtype == "uint8":
        image = PIL.Image.fromarray(x[0])
        assert_same_pil(F.erase(image, 2, 1, 4, 5, value), VF.erase(image, 2, 1, 4, 5, v))


def test_random_erasing_draws_torchvisions_boxes():
    theirs, ours = v2.RandomErasing(p=1.0), transforms.RandomErasing(p=1.0)
    x = np.zeros((24, 31, 1), np.float32)
    torch.manual_seed(0)
    wanted = [theirs.make_params([tensor(x)]) for _ in range(600)]
    wanted = np.array([[p["i"], p["j"], p["h"], p["w"]] for p in wanted])
    host = [ours.params(x, key=seed) for seed in range(600)]
    keys = jax.random.split(jax.random.key(0), 600)
    device = jax.jit(jax.vmap(lambda key: ours.params(jnp.asarray(x), key=key)))(keys)
    names = ("top", "left", "height", "width")
    for mine in (np.array([[p[n] for n in names] for p in host]), np.stack([device[n] for n in names], -1)):
        error = np.sqrt(wanted.var(0) / 600 + mine.var(0) / 600)
        assert np.all(np.abs(mine.mean(0) - wanted.mean(0)) < 4 * error)
        assert np.all(np.abs(mine.std(0) / wanted.std(0) - 1) < 0.15)


def assert_same_distribution(mine, theirs):
    """Columns of numbers with equal means and spreads, as far as their number tells."""
    mine, theirs = (np.asarray(x, np.float64).reshape(len(x), -1) for x in (mine, theirs))
    error = np.sqrt(mine.var(0) / len(mine) + theirs.var(0) / len(theirs))
    assert np.all(np.abs(mine.mean(0) - theirs.mean(0)) < 4 * error)
    np.testing.assert_allclose(mine.std(0), theirs.std(0), rtol=0.15)


@pytest.mark.parametrize(("name", "alpha"), [("MixUp", 0.4), ("MixUp", 2.0), ("CutMix", 1.0), ("CutMix", 0.3)])
def test_mixing_draws_torchvisions_numbers(name, alpha):
    theirs = getattr(v2, name)(alpha=alpha, num_classes=2)
    ours = getattr(transforms, name)(alpha=alpha, num_classes=2)
    x, labels = np.zeros((2, 24, 31, 1), np.float32), np.array([0, 1], np.int32)
    torch.manual_seed(0)
    wanted = [theirs.make_params([tensor(x)]) for _ in range(1500)]
    keys = jax.random.split(jax.random.key(1), 1500)
    batch = jnp.asarray(x), jnp.asarray(labels)
    device = jax.jit(jax.vmap(lambda key: ours.params(batch, key=key)))(keys)
    generator = np.random.default_rng(0)
    host = [ours.params((x, labels), key=generator) for _ in range(1500)]
    entries = ["lam"] if name == "MixUp" else ["box", "lam_adjusted"]
    for entry in entries:
        assert_same_distribution(np.array([p[entry] for p in host]), np.array([p[entry] for p in wanted]))
        assert_same_distribution(device[entry], np.array([p[entry] for p in wanted]))


def test_jpeg_draws_torchvisions_quality():
    theirs, ours, x = v2.JPEG((20, 23)), transforms.JPEG((20, 23)), picture(9, 8, 3)
    torch.manual_seed(0)
    generator = np.random.default_rng(0)
    drawn = [int(ours.params(x, key=generator)["quality"]) for _ in range(2000)]
    wanted = [int(theirs.make_params([])["quality"]) for _ in range(2000)]
    for quality in range(19, 25):
        shares = [np.mean(np.array(values) == quality) for values in (drawn, wanted)]
        assert abs(shares[0] - shares[1]) < 4 * np.sqrt(2 * 0.25 * 0.75 / 2000)
        assert (shares[0] > 0) == (20 <= quality <= 23)


@pytest.mark.parametrize("place", ["host", "device"])
def test_random_erasing_fills_with_normal_noise(place):
    x, ours = np.full((64, 80, 3), 0.5, np.float32), transforms.RandomErasing(1.0, (0.3, 0.3), (1, 1), "random")
    torch.manual_seed(0)
    theirs = array(v2.RandomErasing(1.0, (0.3, 0.3), (1, 1), "random")(tensor(x)))
    result = np.asarray(ours(jnp.asarray(x), key=jax.random.key(0)) if place == "device" else ours(x, key=0))
    noise, wanted = (values[values != 0.5] for values in (result, theirs))
    assert len(noise) == len(wanted)
    assert_same_distribution(noise, wanted)
    assert_same_distribution(noise**4, wanted**4)  # its fourth moment is that of a normal distribution
    box = result[(result != 0.5).all(-1)]
    assert np.abs(np.corrcoef(box.T) - np.eye(3)).max() < 0.1, "the channels have noise of their own"


@pytest.mark.parametrize(("channels", "quality"), [(3, 10), (3, 90), (1, 50)])
def test_jpeg(channels, quality):
    x = picture(2, 17, 23, channels)
    np.testing.assert_array_equal(F.jpeg(x, quality), array(VF.jpeg(tensor(x), quality)))
    image = PIL.Image.fromarray(x[0].squeeze())
    assert_same_pil(F.jpeg(image, quality), VF.jpeg(image, quality))


def test_linear_transformation():
    x, rng = picture(2, 3, 4, 3, dtype="float32"), np.random.default_rng(0)
    matrix, mean = rng.normal(size=(36, 36)).astype(np.float32), rng.normal(size=36).astype(np.float32)
    expected = array(v2.LinearTransformation(torch.tensor(matrix), torch.tensor(mean))(tensor(x)))
    ours = transforms.LinearTransformation(matrix, mean)
    np.testing.assert_allclose(ours(x), expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(jax.jit(ours)(x), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("size", [5, (4, 7), (9, 8)])
def test_crops(size):
    x = picture(9, 8, 3)
    image = PIL.Image.fromarray(x)
    for name, options in (("five_crop", {}), ("ten_crop", {}), ("ten_crop", {"vertical_flip": True})):
        ours, theirs = getattr(F, name), getattr(VF, name)
        expected = [array(part) for part in theirs(tensor(x), size, **options)]
        for got in (ours(x, size, **options), ours(jnp.asarray(x), size, **options)):
            assert len(got) == len(expected)
            for mine, wanted in zip(got, expected):
                np.testing.assert_array_equal(mine, wanted)
        for mine, wanted in zip(ours(image, size, **options), theirs(image, size, **options)):
            assert_same_pil(mine, wanted)
    typed = transforms.TenCrop(4)((Image(x), 3))
    assert typed[1] == 3
    assert [type(part) for part in typed[0]] == [Image] * 10


def test_uniform_temporal_subsample():
    for frames in (1, 2, 7, 30):
        x = np.arange(frames, dtype=np.int32).reshape(-1, 1, 1, 1)
        for count in range(1, 40):
            expected = array(VF.uniform_temporal_subsample(tensor(x), count))
            np.testing.assert_array_equal(F.uniform_temporal_subsample(x, count), expected)
    video = Video(picture(2, 6, 4, 5, 3))
    assert transforms.UniformTemporalSubsample(3)(video).shape == (2, 3, 4, 5, 3)


LABELS = [np.array([0, 2, 1, 4]), np.eye(5, dtype=np.float32)[[0, 2, 1, 4]],
          np.array([[1, 0, 1, 0, 1]] * 2 + [[0] * 5] * 2)]


@pytest.mark.parametrize("labels", LABELS, ids=["ints", "one-hot", "multi-label"])
@pytest.mark.parametrize("name", ["MixUp", "CutMix"])
def test_mixing_with_their_params(name, labels):
    x = picture(4, 9, 12, 3, dtype="float32")
    theirs, ours = getattr(v2, name)(num_classes=5), getattr(transforms, name)(num_classes=5)
    compiled = jax.jit(ours.replay)
    for seed in range(4):
        torch.manual_seed(seed)
        batch = tensor(x), torch.from_numpy(labels)
        params = theirs.make_params([batch[0]])
        torch.manual_seed(seed)
        images, mixed = theirs(*batch)
        for replay in (ours.replay, compiled):
            got = replay((jnp.asarray(x), jnp.asarray(labels, np.int32 if labels.dtype == int else None))
                         if replay is compiled else (x, labels), jax.tree.map(np.asarray, params))
            np.testing.assert_allclose(got[0], array(images), rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(got[1], mixed.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["MixUp", "CutMix"])
def test_mixing_draws_and_replays(name):
    x, labels = picture(4, 9, 12, 3, dtype="float32"), np.array([0, 2, 1, 4], np.int32)
    ours = getattr(transforms, name)(num_classes=5)
    for batch, key in (((x, labels), 3), ((jnp.asarray(x), jnp.asarray(labels)), jax.random.key(3))):
        images, mixed = ours(batch, key=key)
        again = ours.replay(batch, ours.params(batch, key=key))
        np.testing.assert_array_equal(images, again[0])
        np.testing.assert_array_equal(mixed, again[1])
        np.testing.assert_allclose(np.sum(mixed, 1), 1, rtol=1e-6)
    compiled = jax.jit(lambda batch, key: ours(batch, key=key))(batch, key)
    np.testing.assert_allclose(compiled[0], np.asarray(images), rtol=1e-5, atol=1e-6)
    typed = ours({"image": Image(x), "labels": labels}, key=0)
    assert type(typed["image"]) is Image


def test_bad_input():
    x, labels = picture(4, 9, 12, 3, dtype="float32"), np.array([0, 2, 1, 4])
    mix = transforms.MixUp(num_classes=5)
    with pytest.raises(ValueError, match=r"4 axes, and got the shape \(9, 12, 3\): call it on the batch itself"):
        mix((x[0], labels), key=0)
    with pytest.raises(ValueError, match="labels go from 0 to 4"):
        transforms.CutMix(num_classes=4)((x, labels), key=0)
    with pytest.raises(ValueError, match="needs num_classes"):
        transforms.MixUp()((x, labels), key=0)
    with pytest.raises(TypeError, match="float images"):
        mix(((x * 255).astype(np.uint8), labels), key=0)
    with pytest.raises(TypeError, match="host only"):
        transforms.JPEG(50)(jnp.zeros((8, 8, 3), jnp.uint8), key=jax.random.key(0))
    with pytest.raises(ValueError, match="does not fit"):
        F.five_crop(x, 20)
    with pytest.raises(TypeError, match="five_crop"):
        F.five_crop(BoundingBoxes(np.zeros((1, 4)), canvas_size=(9, 9)), 2)
    with pytest.raises(ValueError, match="broadcast"):
        F.erase(x, 0, 0, 1, 1, (1, 2))


def test_pure_arrays_and_sizes():
    x = picture(9, 12, 3)
    boxes = BoundingBoxes(np.zeros((1, 4)), canvas_size=(9, 12))
    image, plain, label = transforms.ToPureTensor()((Image(x), boxes, 5))
    assert (type(image), type(plain), label) == (np.ndarray, np.ndarray, 5)
    assert list(F.get_dimensions(x)) == [*VF.get_dimensions(tensor(x))[1:], 3]
    assert F.get_num_channels(PIL.Image.fromarray(x)) == VF.get_num_channels(PIL.Image.fromarray(x))
    np.testing.assert_array_equal(F.pil_to_tensor(PIL.Image.fromarray(x)), x)
    assert_close(F.convert_image_dtype(x), array(VF.convert_image_dtype(tensor(x), torch.float32)))


@pytest.mark.parametrize("dtype", ["uint8", "uint16", "float16", "bfloat16", "float32"])
@pytest.mark.parametrize("shape", [(1, 1, 1), (9, 7, 4), (2, 9, 8, 1)])
def test_random_erasing_takes_every_image(dtype, shape):
    x = jnp.ones(shape, dtype)
    transform = transforms.RandomErasing(p=1.0, value="random")
    for image, key in ((x, jax.random.key(1)), (np.asarray(x), 1)):
        erased = transform(image, key=key)
        assert (erased.shape, erased.dtype) == (x.shape, x.dtype)
        assert np.any(erased != image) == (shape != (1, 1, 1))
        np.testing.assert_array_equal(transform.replay(image, transform.params(image, key=key)), erased)


def test_random_erasing_of_a_batch_is_a_loop():
    x, transform = jnp.asarray(picture(4, 12, 13, 3)), transforms.RandomErasing(value=(1, 2, 3))
    batch, keys = transform.batch(x, key=jax.random.key(5)), jax.random.split(jax.random.key(5), 4)
    for image, key, got in zip(x, keys, batch):
        np.testing.assert_array_equal(transform(image, key=key), got)
    video, boxes = Video(np.ones((5, 12, 13, 3), np.float32)), BoundingBoxes(np.zeros((1, 4)), canvas_size=(12, 13))
    erased, passed = transforms.RandomErasing(p=1.0)((video, boxes), key=0)
    np.testing.assert_array_equal(erased.array, np.broadcast_to(erased.array[:1], video.shape))
    assert np.any(erased.array == 0)
    np.testing.assert_array_equal(passed.array, boxes.array)
