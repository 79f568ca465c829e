"""Crops, flips and sizes: what they draw, and what they refuse."""

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funcvision.vision import transforms
from funcvision.vision.transforms import functional as F
from funcvision.vision.transforms._random import DeviceRandom, HostRandom
from funcvision.vision.tv_tensors import Image

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
PICTURE = PIL.Image.fromarray(PIXELS)
BOX = ("top", "left", "height", "width")


def host(seed=0):
    return HostRandom(np.random.default_rng(seed))


def device_draws(transform, shape, n, seed=0):
    """What a transform draws on the device for n keys, as a dict of numpy arrays [n]."""
    image = jnp.zeros((*shape, 1))
    draw = jax.jit(jax.vmap(lambda key: transform.draw(DeviceRandom(key), image)))
    return jax.tree.map(np.asarray, draw(jax.random.split(jax.random.key(seed), n)))


def host_draws(transform, shape, n, seed=0):
    random = host(seed)
    draws = [transform.draw(random, np.zeros((*shape, 1))) for _ in range(n)]
    return {name: np.array([draw[name] for draw in draws]) for name in draws[0]}


# RandomResizedCrop


@pytest.mark.parametrize("draws", [host_draws, device_draws])
@pytest.mark.parametrize(
    ("shape", "scale", "ratio"),
    [((60, 80), (0.08, 1.0), (3 / 4, 4 / 3)), ((33, 97), (0.05, 0.15), (0.5, 1.0)), ((80, 41), (0.2, 0.2), (1.0, 1.0))],
)
def test_random_boxes_are_inside_and_as_asked(draws, shape, scale, ratio):
    crop = transforms.RandomResizedCrop(8, scale, ratio)
    boxes = draws(crop, shape, 1000)
    top, left, height, width = (boxes[name] for name in BOX)
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + height <= shape[0]).all()
    assert (left + width <= shape[1]).all()
    # A side that is rounded by up to half a pixel bounds the area and the ratio from both sides.
    assert ((height - 0.5) * (width - 0.5) <= scale[1] * shape[0] * shape[1]).all()
    assert ((height + 0.5) * (width + 0.5) >= scale[0] * shape[0] * shape[1]).all()
    assert ((width - 0.5) / (height + 0.5) <= ratio[1]).all()
    assert ((width + 0.5) / (height - 0.5) >= ratio[0]).all()
    for corner, room in ((top, shape[0] - height), (left, shape[1] - width)):  # the corner is uniform in the room
        share = corner[room > 5] / room[room > 5]
        assert abs(share.mean() - 0.5) < 0.05
        assert share.min() == 0
        assert share.max() == 1


@pytest.mark.parametrize("draws", [host_draws, device_draws])
@pytest.mark.parametrize(
    ("shape", "box"),
    [((10, 100), (0, 43, 10, 13)), ((100, 10), (43, 0, 13, 10)), ((12, 13), (0, 0, 12, 13))],
)
def test_the_middle_is_cut_where_no_box_fits(draws, shape, box):
    crop = transforms.RandomResizedCrop(8, scale=(4.0, 5.0))  # larger than the image, whatever is drawn
    boxes = draws(crop, shape, 3)
    np.testing.assert_array_equal([boxes[name] for name in BOX], np.transpose([box] * 3))


@pytest.mark.parametrize("image", [PICTURE, PIXELS, jnp.asarray(PIXELS), Image(PIXELS)])
def test_random_resized_crop_gives_the_size_asked(image):
    key = jax.random.key(0) if isinstance(image, jax.Array) else 0
    assert F.get_size(transforms.RandomResizedCrop((5, 7))(image, key=key)) == (5, 7)
    assert F.get_size(transforms.RandomResizedCrop(6, interpolation="nearest")(image, key=key)) == (6, 6)


def test_a_traced_box_equals_the_same_static_box():
    crop = transforms.RandomResizedCrop((9, 8))
    traced = jax.jit(lambda image, box: crop.apply(image, **box))
    for seed in range(5):
        box = crop.draw(host(seed), PIXELS)
        np.testing.assert_array_equal(crop.apply(PIXELS, **box), traced(jnp.asarray(PIXELS), box))


@given(
    height=st.integers(1, 40), width=st.integers(1, 40), box=st.tuples(*[st.floats(0, 1, exclude_max=True)] * 4),
    mode=st.sampled_from([("bilinear", True), ("bicubic", True), ("bilinear", False), ("bicubic", False)]),
)
@settings(max_examples=100, deadline=None)
def test_resampling_a_constant_changes_nothing(height, width, box, mode):
    top, left = int(box[0] * height), int(box[1] * width)
    size = 1 + int(box[2] * (height - top)), 1 + int(box[3] * (width - left))
    x = np.full((height, width, 1), 0.7, np.float32)
    y = F.resized_crop(x, top, left, min(size[0], height - top), min(size[1], width - left), (7, 5), mode[0],
                       antialias=mode[1])
    np.testing.assert_allclose(y, 0.7, rtol=3e-6)


# RandomCrop


@pytest.mark.parametrize("draws", [host_draws, device_draws])
def test_every_corner_is_drawn_equally_often(draws):
    corners = draws(transforms.RandomCrop((18, 28), padding=(1, 0)), (20, 30), 2000)
    for name, places in (("top", 3), ("left", 5)):
        counts = np.bincount(corners[name], minlength=places)
        assert len(counts) == places
        assert abs(counts / 2000 - 1 / places).max() < 0.05


def test_random_crop_takes_pixels_as_they_are():
    crop = transforms.RandomCrop((6, 7))
    for seed in range(5):
        corner = crop.draw(host(seed), PIXELS)
        top, left = corner.values()
        np.testing.assert_array_equal(crop.apply(PIXELS, **corner), PIXELS[top : top + 6, left : left + 7])
        np.testing.assert_array_equal(np.asarray(crop.apply(PICTURE, **corner)), PIXELS[top : top + 6, left : left + 7])


@pytest.mark.parametrize("image", [PICTURE, PIXELS, jnp.asarray(PIXELS)])
def test_random_crop_of_a_small_image(image):
    key = jax.random.key(0) if isinstance(image, jax.Array) else 0
    with pytest.raises(ValueError, match=r"at least \(25, 31\) and got, with its border, \(22, 32\): give padding"):
        transforms.RandomCrop((25, 31), padding=1)(image, key=key)
    crop = transforms.RandomCrop((25, 31), padding=1, pad_if_needed=True, padding_mode="edge")
    assert F.get_size(crop(image, key=key)) == (25, 31)


def test_random_crop_of_the_whole_image():
    np.testing.assert_array_equal(transforms.RandomCrop((20, 30))(PIXELS, key=0), PIXELS)


# RandomHorizontalFlip


@pytest.mark.parametrize("draws", [host_draws, device_draws])
@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_flips_happen_with_their_probability(draws, p):
    flips = draws(transforms.RandomHorizontalFlip(p), (2, 2), 2000)["flip"]
    assert abs(flips.mean() - p) < 0.05
    assert p not in (0, 1) or (flips == bool(p)).all()


@pytest.mark.parametrize("image", [PICTURE, PIXELS, jnp.asarray(PIXELS), Image(jnp.asarray(PIXELS))])
def test_flip(image):
    values = lambda x: np.asarray(x.array if isinstance(x, Image) else x)
    flip = transforms.RandomHorizontalFlip()
    for wanted in (True, False):
        given_ = jnp.asarray(wanted) if isinstance(image, jax.Array | Image) else wanted
        np.testing.assert_array_equal(values(flip.apply(image, flip=given_)), PIXELS[:, ::-1] if wanted else PIXELS)
    np.testing.assert_array_equal(values(F.horizontal_flip(F.horizontal_flip(image))), PIXELS)


# errors


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: transforms.Resize(None), "needs max_size"),
        (lambda: transforms.Resize((1, 2, 3)), r"size=\(1, 2, 3\) is neither a positive int nor \(height, width\)"),
        (lambda: transforms.Resize(0), "size=0 is neither"),
        (lambda: transforms.Resize(3, "cubic"), "interpolation='cubic' is not one of 'nearest', "),
        (lambda: transforms.Resize(3, "lanczos", antialias=False), "needs antialias=True"),
        (lambda: transforms.CenterCrop((3, -1)), "neither a positive int"),
        (lambda: transforms.RandomCrop(3, padding=(1, 2, 3)), r"padding=\(1, 2, 3\) is neither an int nor"),
        (lambda: transforms.RandomCrop(3, padding_mode="zero"), "padding_mode='zero' is not one of 'constant'"),
        (lambda: transforms.RandomResizedCrop(3, scale=(0.5, 0.1)), r"scale=\(0.5, 0.1\) must be \(low, high\)"),
        (lambda: transforms.RandomResizedCrop(3, ratio=(0, 1)), r"ratio=\(0, 1\) must be"),
        (lambda: transforms.RandomHorizontalFlip(1.5), "p=1.5 is no probability"),
        (lambda: transforms.Normalize([0.5], [0.0]), "has a zero"),
    ],
)
def test_wrong_options_are_refused_when_a_transform_is_made(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: F.resize(PICTURE, 10, antialias=False), "Pillow always antialiases"),
        (lambda: F.resize(PIXELS, 10, "hamming"), "'hamming' is for PIL images only"),
        (lambda: F.resize(PIXELS, (10, 10), max_size=20), r"max_size=20 goes with an int size or None, not with size"),
        (lambda: F.resize(PIXELS, 10, max_size=10), "max_size=10 must be greater than size=10"),
        (lambda: F.resize(PIXELS, None), "size=None needs max_size"),
        (lambda: F.resize(PIXELS[:1], None, max_size=4), r"would make an image of \(1, 30\) pixels \(0, 4\)"),
        (lambda: F.resize(PIXELS > 3, 10), "makes no sense on booleans"),
        (lambda: F.resize(PIXELS[..., 0], 10), r"shape \(20, 30\); a grey image has one channel: image\[..., None\]"),
        (lambda: F.resize(np.zeros((2, 3, 20, 30)), 10), r"channels-first order: pass image.transpose\(0, 2, 3, 1\)"),
        (lambda: F.resized_crop(jnp.asarray(PIXELS), 0, 0, jnp.int32(4), 4, 10), r"needs size=\(height, width\)"),
        (lambda: F.pad(PIXELS, 1, (1, 2)), r"fill=\(1, 2\) has 2 values for an image of 3 channels"),
        (lambda: F.pad(PICTURE, 1, (1, 2)), "2 values for an image of 3 channels"),
        (lambda: F.pad(PIXELS, 1, 256), "fill=256 does not fit in uint8, which holds 0 to 255"),
        (lambda: F.pad(PIXELS, 1, (1, 2, 3), padding_mode="edge"), "'edge' takes no fill"),
        (lambda: F.center_crop(PIXELS, (1, 2, 3)), r"output_size=\(1, 2, 3\) is neither"),
    ],
)
def test_what_a_kernel_cannot_do_is_an_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_crop_outside_the_image_is_black():
    for image in (PIXELS, jnp.asarray(PIXELS), PICTURE):
        for corner in ((-9, 0), (25, 0), (0, -8), (0, 31)):
            outside = np.asarray(F.crop(image, *corner, 4, 5))
            assert outside.shape == (4, 5, 3)
            assert not outside.any()


def test_padding_keeps_the_mode_of_a_pil_image():
    image = PIL.Image.fromarray(np.ones((4, 4, 4), np.uint8)).convert("CMYK")
    assert F.pad(image, 2, padding_mode="reflect").mode == "CMYK"


def test_a_resized_image_of_the_same_size_is_the_image():
    assert F.resize(PIXELS, (20, 30)) is PIXELS
    assert F.resize(PICTURE, 20) is PICTURE
