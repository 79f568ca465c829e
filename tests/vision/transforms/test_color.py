"""Transforms of colours and filters, and containers that choose: keys, records, jit, vmap, kinds of leaf, errors."""

import json
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

from funcvision.vision import transforms
from funcvision.vision.tv_tensors import BoundingBoxes, Image, KeyPoints, Mask, Video

WRONG: Any = None
RNG = np.random.default_rng(0)
PIXELS = RNG.integers(20, 200, (20, 30, 3), dtype=np.uint8)
PICTURE = PIL.Image.fromarray(PIXELS)
INVERT, SOLARIZE = transforms.RandomInvert(p=1.0), transforms.RandomSolarize(100, p=0.5)
FLIP = transforms.RandomHorizontalFlip()

COLORS = [
    transforms.ColorJitter(0.5, 0.5, 0.5, 0.2),
    transforms.ColorJitter(contrast=0.5, saturation=0.3),
    transforms.RandomPhotometricDistort(),
    transforms.RandomGrayscale(0.5),
    transforms.RandomChannelPermutation(),
    transforms.RandomAutocontrast(),
    transforms.RandomEqualize(),
    transforms.RandomInvert(),
    transforms.RandomPosterize(3),
    transforms.RandomSolarize(100),
    transforms.RandomAdjustSharpness(2.0),
    transforms.GaussianBlur(5),
    transforms.GaussianNoise(),
]
CONTAINERS = [
    transforms.RandomApply([transforms.RandomCrop((20, 30), padding=2), INVERT]),
    transforms.RandomChoice([INVERT, SOLARIZE, FLIP, transforms.Identity()], [1, 2, 1, 1]),
    transforms.RandomOrder([INVERT, SOLARIZE, FLIP]),
    transforms.RandomChoice([transforms.RandomOrder([INVERT, SOLARIZE]), transforms.RandomApply([FLIP])]),
]
RANDOM = COLORS + CONTAINERS
every = pytest.mark.parametrize("transform", RANDOM, ids=lambda transform: type(transform).__name__)


def assert_nearly_equal(ours, theirs):
    """XLA may round sums and products of two programs differently, which decides about a level."""
    ours, theirs = np.asarray(ours).astype(int), np.asarray(theirs).astype(int)
    assert ours.shape == theirs.shape
    difference = np.abs(ours - theirs)
    assert np.mean(difference > 0) < 0.02
    assert difference.max() <= 4


def through_json(params):
    plain = jax.tree.map(lambda x: x.tolist() if hasattr(x, "tolist") else x, params)
    return json.loads(json.dumps(plain))


@every
def test_the_same_key_gives_the_same_bytes(transform):
    for key in range(4):
        np.testing.assert_array_equal(transform(PIXELS, key=key), transform(PIXELS, key=key))
        device = [transform(jnp.asarray(PIXELS), key=jax.random.key(key)) for _ in range(2)]
        np.testing.assert_array_equal(*device)
    results = [transform(PIXELS, key=key).tobytes() for key in range(12)]
    assert len(set(results)) > 1


@every
def test_replay(transform):
    for key in range(4):
        params = transform.params(PIXELS, key=key)
        np.testing.assert_array_equal(transform.replay(PIXELS, params), transform(PIXELS, key=key))
        np.testing.assert_array_equal(transform.replay(PIXELS, through_json(params)), transform(PIXELS, key=key))
    device, key = jnp.asarray(PIXELS), jax.random.key(1)
    params, expected = transform.params(device, key=key), transform(device, key=key)
    assert_nearly_equal(transform.replay(device, params), expected)
    assert_nearly_equal(transform.replay(device, through_json(params)), expected)
    assert_nearly_equal(jax.jit(transform.replay)(device, params), expected)
    assert_nearly_equal(jax.jit(transform.replay)(device, through_json(params)), expected)
    assert_nearly_equal(transform.replay(device, jax.jit(lambda x: transform.params(x, key=key))(device)), expected)


@every
def test_jit_and_batch(transform):
    images, key = jnp.asarray(RNG.integers(20, 200, (6, 20, 30, 3), dtype=np.uint8)), jax.random.key(3)
    keys = jax.random.split(key, 6)
    batch = jax.jit(lambda images, key: transform.batch(images, key=key))(images, key)
    compiled = jax.jit(lambda image, key: transform(image, key=key))
    for image, one, result in zip(images, keys, batch):
        assert_nearly_equal(result, transform(image, key=one))
        assert_nearly_equal(result, compiled(image, one))
    params = jax.vmap(lambda image, key: transform.params(image, key=key))(images, keys)
    assert all(leaf.shape[0] == 6 for leaf in jax.tree.leaves(params))
    assert_nearly_equal(jax.vmap(transform.replay)(images, params), batch)
    same = jax.jit(lambda image, key: transform.batch(image, key=key))(jnp.stack([images[0]] * 6), key)
    assert len({np.asarray(image).tobytes() for image in same}) > 1


@every
def test_kinds_of_leaf(transform):
    boxes = BoundingBoxes(np.array([[1.0, 2, 8, 9]]), format="XYXY", canvas_size=(20, 30))
    sample = {
        "image": Image(PIXELS), "video": Video(np.stack([PIXELS] * 2)), "mask": Mask(PIXELS[..., 0]), "boxes": boxes,
        "points": KeyPoints(np.array([[3.0, 4]]), canvas_size=(20, 30)), "label": 3,
    }
    for key in range(3):
        result = transform(sample, key=key)
        assert jax.tree.structure(result) == jax.tree.structure(sample)
        assert result["label"] == 3
        if transform in COLORS:
            for name in ("mask", "boxes", "points"):
                np.testing.assert_array_equal(result[name].array, sample[name].array)
            if not isinstance(transform, transforms.GaussianNoise):  # each frame has noise of its own
                np.testing.assert_array_equal(result["video"].array[0], result["image"].array)
    device = {name: jax.tree.map(jnp.asarray, leaf) for name, leaf in sample.items()}
    compiled = jax.jit(lambda sample, key: transform(sample, key=key))(device, jax.random.key(0))
    eager = transform(device, key=jax.random.key(0))
    for name in ("image", "video", "mask"):
        assert_nearly_equal(compiled[name].array, eager[name].array)


@every
def test_pil(transform):
    if isinstance(transform, transforms.GaussianNoise):
        with pytest.raises(TypeError, match="ToImage"):
            transform(PICTURE, key=0)
        return
    result, label = transform((PICTURE, 5), key=0)
    assert (result.mode, result.size, label) == ("RGB", PICTURE.size, 5)


def test_noise_of_two_images_differs():
    zeros = np.full((8, 9, 3), 128, np.uint8)
    for make, key in ((np.asarray, 0), (jnp.asarray, jax.random.key(0))):
        one, two = transforms.GaussianNoise()((Image(make(zeros)), Image(make(zeros))), key=key)
        assert np.mean(np.asarray(one.array) != np.asarray(two.array)) > 0.5


def test_what_is_not_applied_has_a_neutral_number():
    params = transforms.RandomPhotometricDistort(p=0.0).params(jnp.asarray(PIXELS), key=jax.random.key(0))
    for name in ("brightness_factor", "contrast_factor", "saturation_factor"):
        assert params[name] == 1
    assert params["hue_factor"] == 0
    assert params["channel_permutation"].tolist() == [0, 1, 2]
    outside = jnp.asarray([[[-1.0, 2.0, 0.5]]])  # a kernel would cut these values
    jitter = transforms.RandomPhotometricDistort(p=0.0)
    np.testing.assert_array_equal(jitter(outside, key=jax.random.key(0)), outside)
    np.testing.assert_array_equal(transforms.ColorJitter()(outside, key=jax.random.key(0)), outside)
    np.testing.assert_array_equal(jax.jit(transforms.ColorJitter())(outside, key=jax.random.key(0)), outside)


def test_gradient_through_a_jitter():
    jitter, image = transforms.ColorJitter(0.2, 0.2, 0.2, 0.1), jnp.asarray(PIXELS / 255, jnp.float32) * 0.5 + 0.2
    gradient = jax.jit(jax.grad(lambda x: jitter(x, key=jax.random.key(0)).sum()))(image)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0


# Lambda and the containers


def test_lambda():
    double = transforms.Lambda(lambda x: x * 2, int)
    assert double((PICTURE, 3))[1] == 6
    np.testing.assert_array_equal(transforms.Lambda(lambda x: 255 - x)(PIXELS), 255 - PIXELS)
    np.testing.assert_array_equal(transforms.Lambda(np.asarray)(PICTURE), PIXELS)
    pipeline = transforms.Compose([transforms.Lambda(np.asarray, PIL.Image.Image), transforms.CenterCrop(4)])
    image, label = pipeline((PICTURE, 1))
    assert (image.shape, label) == ((4, 4, 3), 1)
    with pytest.raises(TypeError, match="a function of one leaf"):
        transforms.Lambda(WRONG)
    with pytest.raises(TypeError, match="types after the function"):
        transforms.Lambda(str, WRONG)


def test_members_of_containers():
    constant = [transforms.Lambda(lambda x, value=value: x * 0 + value) for value in (1, 2, 3)]
    always = transforms.RandomChoice(constant, [0, 1, 0])
    for sample, key in ((PIXELS, 0), (jnp.asarray(PIXELS), jax.random.key(0))):
        assert np.asarray(always(sample, key=key)).max() == 2
        assert np.asarray(transforms.RandomApply(constant, p=1.0)(sample, key=key)).max() == 3
        np.testing.assert_array_equal(transforms.RandomApply(constant, p=0.0)(sample, key=key), sample)
    last = {int(transforms.RandomOrder(constant)(PIXELS, key=key).max()) for key in range(20)}
    assert last == {1, 2, 3}
    append = [transforms.Lambda(lambda x, n=n: x * 10 + n) for n in (1, 2, 3)]
    zero = np.zeros((1, 1, 1), np.int32)
    for key in range(5):
        order = transforms.RandomOrder(append).params(zero, key=key)["permutation"]
        assert transforms.RandomOrder(append)(zero, key=key).item() == int("".join(str(n + 1) for n in order))


def test_members_may_change_the_size_outside_jit():
    pipeline = transforms.RandomApply([transforms.Resize((30, 40)), transforms.RandomCrop(25)], p=1.0)
    choice = transforms.RandomChoice([transforms.Resize(5), transforms.CenterCrop(5)])
    for sample, key in ((PIXELS, 0), (jnp.asarray(PIXELS), jax.random.key(0))):
        assert pipeline(sample, key=key).shape == (25, 25, 3)
        assert choice(sample, key=key).shape in ((5, 7, 3), (5, 5, 3))
    with pytest.raises(ValueError, match="must keep the structure"):
        jax.jit(choice)(jnp.asarray(PIXELS), key=jax.random.key(0))


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: transforms.ColorJitter(-0.1), ValueError, "brightness=-0.1"),
        (lambda: transforms.ColorJitter(hue=0.6), ValueError, "hue="),
        (lambda: transforms.ColorJitter(contrast=(2, 1)), ValueError, "contrast="),
        (lambda: transforms.ColorJitter(contrast=(1, 2, 3)), ValueError, "contrast="),
        (lambda: transforms.RandomPhotometricDistort(p=1.5), ValueError, "no probability"),
        (lambda: transforms.RandomPhotometricDistort(hue=(-1, 1)), ValueError, "hue="),
        (lambda: transforms.Grayscale(2), ValueError, "must be 1 or 3"),
        (lambda: transforms.RandomGrayscale(-0.1), ValueError, "no probability"),
        (lambda: transforms.RandomPosterize(9), ValueError, "from 0 to 8"),
        (lambda: transforms.RandomPosterize(3, p=2), ValueError, "no probability"),
        (lambda: transforms.RandomSolarize(WRONG), TypeError, "threshold"),
        (lambda: transforms.RandomAdjustSharpness(-1), ValueError, "zero or more"),
        (lambda: transforms.GaussianBlur(4), ValueError, "odd positive"),
        (lambda: transforms.GaussianBlur(3, 0.0), ValueError, "positive number"),
        (lambda: transforms.GaussianBlur(3, (2.0, 1.0)), ValueError, "positive number"),
        (lambda: transforms.GaussianBlur(3, (1.0, 1.0, 1.0)), ValueError, "neither"),
        (lambda: transforms.GaussianNoise(sigma=-1.0), ValueError, "zero or more"),
        (lambda: transforms.RandomApply([]), ValueError, "at least one"),
        (lambda: transforms.RandomApply([FLIP], p=2), ValueError, "no probability"),
        (lambda: transforms.RandomChoice([FLIP], [1, 2]), ValueError, "one weight for each"),
        (lambda: transforms.RandomChoice([FLIP, INVERT], [0, 0]), ValueError, "not only zeros"),
        (lambda: transforms.RandomChoice([FLIP, INVERT], [1, -1]), ValueError, "zero or more"),
        (lambda: transforms.RandomOrder([WRONG]), TypeError, "takes transforms"),
    ],
)
def test_bad_options(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_bad_samples():
    with pytest.raises(ValueError, match="one number of channels"):
        transforms.RandomChannelPermutation()((Image(PIXELS), Image(PIXELS[..., :1])), key=0)
    with pytest.raises(ValueError, match="got no key"):
        transforms.ColorJitter(0.1)(PIXELS)
    with pytest.raises(ValueError, match="hold nothing for"):
        transforms.RandomInvert().replay(PIXELS, {})
