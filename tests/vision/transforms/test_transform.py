"""What every transform shares: samples, places, keys, Compose, batch."""

import concurrent.futures
import copy
import pickle
import subprocess
import sys
from collections import namedtuple

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest

from funcvision.data import default_collate
from funcvision.vision import transforms
from funcvision.vision.tv_tensors import Image

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (20, 30, 3), dtype=np.uint8)
PICTURE = PIL.Image.fromarray(PIXELS)

RANDOM = [
    transforms.RandomCrop(12, padding=3),
    transforms.RandomResizedCrop((9, 7)),
    transforms.RandomHorizontalFlip(),
    transforms.Compose([transforms.RandomCrop(18), transforms.RandomResizedCrop(8), transforms.RandomHorizontalFlip()]),
    transforms.presets.ImageClassificationTrain(crop_size=10),
]
FIXED = [
    transforms.Resize(11),
    transforms.CenterCrop(12),
    transforms.ToImage(),
    transforms.ToDtype("float32", scale=True),
    transforms.Compose([transforms.Resize(11), transforms.ToImage(), transforms.ToDtype(jnp.float32, True),
                        transforms.Normalize([0.5, 0.4, 0.3], [0.2, 0.2, 0.2])]),
    transforms.presets.ImageClassification(crop_size=10, resize_size=12),
]


def name(transform):
    return type(transform).__name__


class Invert(transforms.Transform):
    """A transform of somebody else's: 255 - image."""

    def apply(self, image, **params):
        return 255 - image


class AddNoise(transforms.Transform):
    """A random one: the image plus one number."""

    def draw(self, random, sample):
        return {"noise": random.uniform(1.0, 2.0)}

    def apply(self, image, *, noise, **params):
        return image + noise


# samples


@pytest.mark.parametrize("image", [PICTURE, PIXELS, jnp.asarray(PIXELS), Image(PIXELS), Image(jnp.asarray(PIXELS))])
def test_an_image_comes_back_as_its_kind(image):
    result = transforms.Resize(10)(image)
    assert isinstance(result, type(image))
    if isinstance(image, Image):
        assert isinstance(result.array, type(image.array))
    assert transforms.functional.get_size(result) == (10, 15)


def test_labels_and_bare_arrays_pass_through():
    Pair = namedtuple("Pair", "image boxes")
    boxes, label, text = np.ones((4, 4, 3)), 3, "a tench"
    sample = {"pair": Pair(PICTURE, boxes), "more": [Image(PIXELS), label, text, None]}
    result = transforms.Resize((5, 6))(sample)
    assert result["pair"].image.size == (6, 5)
    assert result["pair"].boxes is boxes
    image, *rest = result["more"]
    assert isinstance(image, Image)
    assert image.array.shape == (5, 6, 3)
    assert rest == [label, text, None]


def test_compose_keeps_track_of_images_when_they_become_arrays():
    prepare = transforms.Compose([transforms.Resize(8), transforms.ToImage(), transforms.ToDtype(jnp.float32, True)])
    image, label = prepare((PICTURE, 7))
    assert (type(image), image.dtype, image.shape, label) == (np.ndarray, np.float32, (8, 12, 3), 7)
    batch, labels = default_collate([prepare((PICTURE, 7))] * 2)
    assert batch.shape == (2, 8, 12, 3)
    assert labels.tolist() == [7, 7]


@pytest.mark.parametrize("sample", [(PIXELS, 3), {"image": jnp.asarray(PIXELS)}, [1, 2], ()])
def test_a_sample_without_an_image_is_an_error(sample):
    with pytest.raises(TypeError, match=r"no image in this sample, whose leaves are .*tv_tensors.Image\(array\)"):
        transforms.Resize(10)(sample)


@pytest.mark.parametrize("sample", ["picture.jpg", 3, 0.5])
def test_a_bare_thing_that_is_no_image_is_an_error(sample):
    with pytest.raises(TypeError, match="takes a PIL image, a numpy array, a jax array"):
        transforms.Resize(10)(sample)


def test_images_of_one_sample_get_the_same_numbers():
    crop = transforms.RandomCrop(6)
    first, second, _ = crop((PICTURE, Image(PIXELS), 1), key=3)
    np.testing.assert_array_equal(np.asarray(first), second.array)
    with pytest.raises(ValueError, match=r"must have one size, and these have \(20, 30\), \(4, 4\)"):
        crop((PICTURE, Image(PIXELS[:4, :4])), key=3)
    with pytest.raises(TypeError, match="all on the host or all jax arrays"):
        crop((PICTURE, Image(jnp.asarray(PIXELS))), key=3)


def test_samples_are_pytrees_under_jit():
    sample = {"image": Image(jnp.asarray(PIXELS)), "label": jnp.int32(3)}
    result = jax.jit(transforms.CenterCrop(4))(sample)
    assert result["image"].array.shape == (4, 4, 3)
    assert result["label"] == 3


# keys


@pytest.mark.parametrize("transform", RANDOM, ids=name)
def test_same_key_same_result(transform):
    call = lambda image, key: transform(image, key=key)
    for run, image, keys in [(call, PICTURE, [5, 6, 7, 8, 9]), (call, PIXELS, [5, 6, 7, 8, 9]),
                             (jax.jit(call), jnp.asarray(PIXELS), list(jax.random.split(jax.random.key(0), 5)))]:
        first, again = ([np.asarray(run(image, key)) for key in keys] for _ in range(2))
        np.testing.assert_array_equal(first, again)
        assert any((first[0] != other).any() for other in first[1:]), "five keys gave one result"


def test_a_generator_is_advanced_and_an_int_is_not():
    crop = transforms.RandomCrop(6)
    draw = lambda key: np.asarray(crop(PICTURE, key=key)).tobytes()
    generator = np.random.default_rng(1)
    assert len({draw(generator) for _ in range(8)}) > 1
    replay = np.random.default_rng(1)
    assert [draw(np.random.default_rng(1)), draw(replay)] == [draw(np.random.default_rng(1))] * 2
    assert len({draw(np.int64(4)) for _ in range(8)} | {draw(4)}) == 1


@pytest.mark.parametrize("transform", RANDOM, ids=name)
def test_a_missing_key_names_the_transform_and_the_way_out(transform):
    for image in (PICTURE, jnp.asarray(PIXELS)):
        with pytest.raises(ValueError, match=r"Random\w+\(.* is random and got no key: .* key=jax.random.key\(0\)"):
            transform(image)
    with pytest.raises(ValueError, match="got no key"):
        transform.batch(jnp.asarray(PIXELS)[None])


@pytest.mark.parametrize(
    ("image", "key", "message"),
    [(PICTURE, jax.random.key(0), "key is an int or a numpy Generator"), (PIXELS, "0", "this is a str: pass key=0"),
     (PIXELS, 0.5, "this is a float"), (jnp.asarray(PIXELS), 0, r"key is a jax key, and this is a int: pass key=jax"),
     (jnp.asarray(PIXELS), np.random.default_rng(0), "this is a Generator: pass key=jax.random.key")],
)
def test_a_key_of_the_other_place_is_an_error(image, key, message):
    with pytest.raises(TypeError, match=message):
        transforms.RandomCrop(4)(image, key=key)


def test_a_negative_key_is_an_error():
    with pytest.raises(ValueError, match="key=-1 is negative"):
        transforms.RandomCrop(4)(PICTURE, key=-1)


def test_a_key_is_welcome_where_nothing_is_random():
    np.testing.assert_array_equal(transforms.CenterCrop(4)(PIXELS, key=0), transforms.CenterCrop(4)(PIXELS))


def test_parts_of_compose_draw_independently():
    flips = transforms.Compose([AddNoise(), AddNoise()])
    zero, n = np.zeros((1, 1, 1)), 400
    once = AddNoise()
    host = np.array([[flips(zero, key=key).item(), once(zero, key=key).item()] for key in range(n)])
    keys = jax.random.split(jax.random.key(0), n)
    zeros = jnp.zeros((n, 1, 1, 1))
    add = lambda transform: jax.vmap(lambda x, key: transform(x, key=key))(zeros, keys).ravel()
    device = np.stack([add(flips), add(once)], axis=1)
    for sums in (host[:, 0], device[:, 0]):  # the sum of two independent numbers: variance 1/6; of twice one: 1/3
        assert 2 <= sums.min() <= sums.max() <= 4
        assert abs(sums.var() - 1 / 6) < 0.04
    for both in (host, device):
        assert abs(np.corrcoef(both.T)[0, 1]) < 0.2


# the two places


@pytest.mark.parametrize("transform", RANDOM + FIXED, ids=name)
def test_jit_changes_nothing(transform):
    random = transform in RANDOM
    images = jnp.asarray(PIXELS)
    call = (lambda x, key: transform(x, key=key)) if random else (lambda x, key: transform(x))
    key = jax.random.key(1)
    plain, jitted = call(images, key), jax.jit(call)(images, key)
    assert plain.dtype == jitted.dtype
    np.testing.assert_allclose(plain, jitted, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("transform", RANDOM + FIXED, ids=name)
def test_batch_is_a_loop_over_keys(transform):
    images = jnp.asarray(RNG.integers(0, 256, (3, 20, 30, 3), dtype=np.uint8))
    if transform in RANDOM:
        key = jax.random.key(2)
        batch = jax.jit(lambda images, key: transform.batch(images, key=key))(images, key)
        one = jax.jit(lambda image, key: transform(image, key=key))
        loop = [one(image, k) for image, k in zip(images, jax.random.split(key, 3), strict=True)]
    else:
        batch = jax.jit(transform.batch)(images)
        loop = [transform(image) for image in images]
    differs = ~np.isclose(batch, jnp.stack(loop), rtol=1e-5, atol=1e-5)
    # The preset resizes bytes in float32 and rounds once: a pixel halfway between two levels may go either way.
    assert differs.mean() <= (0.005 if isinstance(transform, transforms.presets.ImageClassification) else 0)


def test_batch_of_samples():
    batch = (Image(jnp.asarray(np.stack([PIXELS] * 4))), jnp.arange(4))
    images, labels = transforms.RandomCrop(5).batch(batch, key=jax.random.key(0))
    assert images.array.shape == (4, 5, 5, 3)
    assert labels.tolist() == [0, 1, 2, 3]
    assert len({image.tobytes() for image in np.asarray(images.array)}) > 1, "one crop for all"
    with pytest.raises(TypeError, match="key is a jax key"):
        transforms.RandomCrop(5).batch(batch, key=0)
    with pytest.raises(TypeError, match="batch takes arrays and got Image: transform PIL images one by"):
        transforms.RandomCrop(5).batch([PICTURE], key=jax.random.key(0))


@pytest.mark.parametrize("transform", FIXED, ids=name)
def test_numpy_and_jax_agree(transform):
    host, device = transform(PIXELS), transform(jnp.asarray(PIXELS))
    assert isinstance(host, np.ndarray)
    assert isinstance(device, jax.Array)
    assert host.dtype == device.dtype
    np.testing.assert_allclose(host, device, rtol=1e-5, atol=1e-6)


def test_the_host_path_runs_no_jax_operation():
    """In a fresh interpreter, where the first jax operation would start a device."""
    program = """
import numpy as np, PIL.Image
from jax._src import xla_bridge
from funcvision.vision import transforms
from funcvision.vision.tv_tensors import Image
image = PIL.Image.fromarray(np.arange(20 * 30 * 3, dtype=np.uint8).reshape(20, 30, 3))
steps = [transforms.RandomCrop(16, padding=2, padding_mode="reflect"), transforms.RandomResizedCrop(12),
         transforms.RandomHorizontalFlip(), transforms.Resize(10), transforms.CenterCrop(9), transforms.ToImage(),
         transforms.RandomCrop(16, pad_if_needed=True, fill=(1, 2, 3)), transforms.RandomResizedCrop(12),
         transforms.Resize(9, "nearest"), transforms.Resize(8, "bicubic", antialias=False), transforms.CenterCrop(11),
         transforms.RandomHorizontalFlip(), transforms.ToDtype("float32", scale=True), transforms.Resize(9),
         transforms.Normalize([0.5, 0.5, 0.5], [0.2, 0.2, 0.2])]
for key in range(4):
    result, label = transforms.Compose(steps)((image, 3), key=key)
    assert isinstance(result, np.ndarray) and result.shape == (9, 9, 3), result.shape
transforms.presets.ImageClassification(crop_size=4)(image)
assert not xla_bridge.backends_are_initialized(), "a device was started"
import jax.numpy as jnp
transforms.Resize(4)(jnp.zeros((8, 8, 3)))
assert xla_bridge.backends_are_initialized(), "this test sees nothing"
"""
    subprocess.run([sys.executable, "-c", program], check=True, timeout=120)


def test_threads_may_share_a_transform():
    augment = transforms.presets.ImageClassificationTrain(crop_size=10)
    serial = [augment(PICTURE, key=key) for key in range(40)]
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        parallel = list(pool.map(lambda key: augment(PICTURE, key=key), range(40)))
    np.testing.assert_array_equal(serial, parallel)


def test_with_sixty_four_bits():
    with jax.enable_x64(True):
        images = jnp.asarray(PIXELS).astype(jnp.float64) / 255
        for transform in RANDOM:
            for image in (images, jnp.asarray(PIXELS)):
                result = jax.eval_shape(lambda x, key, t=transform: t(x, key=key), image, jax.random.key(0))
                preset = isinstance(transform, transforms.presets.ImageClassificationTrain)
                assert result.dtype == (jnp.float32 if preset else image.dtype)


# one's own transforms, Compose, printing


def test_own_transforms():
    both = transforms.Compose([Invert(), AddNoise()])
    result = both(np.full((2, 2, 1), 5.0), key=0)
    assert ((result > 251) & (result < 252)).all()
    assert both(jnp.full((2, 2, 1), 5.0), key=jax.random.key(0)).dtype == jnp.float32


def test_compose_refuses_what_is_no_transform():
    for wrong in (3, transforms.ToImage):
        with pytest.raises(TypeError, match=r"Compose takes transforms and functions of a sample, and .* is neither"):
            transforms.Compose([transforms.Resize(3), wrong])
    with pytest.raises(ValueError, match="at least one transform"):
        transforms.Compose([])


def test_compose_nests():
    parts = [transforms.Resize(9), transforms.CenterCrop(7), transforms.ToImage()]
    flat, nested = transforms.Compose(parts), transforms.Compose([transforms.Compose(parts[:2]), parts[2]])
    np.testing.assert_array_equal(flat(PICTURE), nested(PICTURE))
    np.testing.assert_array_equal(flat.apply(PICTURE), nested(PICTURE))


@pytest.mark.parametrize("transform", RANDOM + FIXED, ids=name)
def test_transforms_pickle_and_copy(transform):
    for twin in (pickle.loads(pickle.dumps(transform)), copy.deepcopy(transform)):
        assert repr(twin) == repr(transform)
        np.testing.assert_array_equal(twin(PIXELS, key=1), transform(PIXELS, key=1))


def test_transforms_cannot_be_changed():
    with pytest.raises(AttributeError):
        transforms.Resize(3).size = 4


def test_printing():
    assert repr(transforms.Resize(256)) == "Resize(size=256, interpolation='bilinear', max_size=None, antialias=True)"
    inner = transforms.Compose([transforms.RandomHorizontalFlip()])
    assert repr(transforms.Compose([transforms.CenterCrop(3), inner])) == (
        "Compose(\n    CenterCrop(size=3)\n    Compose(\n        RandomHorizontalFlip(p=0.5)\n    )\n)"
    )
    assert repr(transforms.presets.ImageClassification(crop_size=224)) == (
        "ImageClassification(\n    crop_size=224,\n    resize_size=256,\n    mean=(0.485, 0.456, 0.406),\n"
        "    std=(0.229, 0.224, 0.225),\n    interpolation='bilinear',\n    antialias=True,\n)"
    )


def test_image_prints_and_is_a_pytree():
    image = Image(jnp.zeros((2, 2, 1)))
    assert repr(image).startswith("Image(array=")
    assert jax.tree.map(lambda x: x + 1, image).array.sum() == 4
    assert jax.tree.leaves({"a": image, "b": 1}) == [image.array, 1]
