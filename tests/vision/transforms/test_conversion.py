"""ToImage, ToDtype, Normalize and the presets: kinds of images, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from funcvision.vision import transforms
from funcvision.vision.transforms import functional as F
from funcvision.vision.tv_tensors import Image

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
PICTURE = PIL.Image.fromarray(PIXELS)


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_pil_and_back(mode):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, len(mode)), dtype=np.uint8)
    image = F.to_pil_image(pixels)
    assert (image.mode, image.size) == (mode, (7, 5))
    np.testing.assert_array_equal(F.to_image(image), pixels)
    np.testing.assert_array_equal(F.to_image(F.to_pil_image(jnp.asarray(pixels))), pixels)


def test_to_image_gives_a_new_array_of_a_pil_image():
    array = F.to_image(PICTURE)
    array[:] = 0
    np.testing.assert_array_equal(np.asarray(PICTURE), PIXELS)


def test_to_image_leaves_arrays_and_adds_a_channel_axis():
    assert F.to_image(PIXELS) is PIXELS
    assert isinstance(F.to_image(Image(PIXELS)), Image)
    assert F.to_image(jnp.zeros((4, 5))).shape == (4, 5, 1)
    with pytest.raises(ValueError, match=r"takes \[..., height, width, channels\] and got an array of shape \(4,\)"):
        F.to_image(np.zeros(4))
    with pytest.raises(TypeError, match="and this is a list"):
        F.to_image([[0]])


def test_grey_images():
    prepare = transforms.presets.ImageClassification(crop_size=8, resize_size=9, mean=[0.5], std=[0.25])
    assert prepare(PICTURE.convert("L")).shape == (8, 8, 1)
    assert prepare(PIXELS[..., :1]).shape == (8, 8, 1)
    three = transforms.presets.ImageClassification(crop_size=8, resize_size=9)
    with pytest.raises(ValueError, match=r"3 numbers for an image of 1 channels, .* convert\('RGB'\)"):
        three(PICTURE.convert("L"))
    with pytest.raises(ValueError, match="3 numbers for an image of 4 channels"):
        three(PICTURE.convert("RGBA"))


def test_normalize_with_one_number():
    x = np.random.default_rng(0).random((2, 4, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(F.normalize(x, 0.5, 0.25), (x - 0.5) / 0.25)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_normalize_keeps_the_dtype(dtype):
    x = jnp.ones((4, 5, 3), dtype)
    assert F.normalize(x, [0.5, 0.4, 0.3], [0.2, 0.2, 0.2]).dtype == dtype
    host = F.normalize(np.asarray(x), [0.5, 0.4, 0.3], [0.2, 0.2, 0.2])
    assert host.dtype == dtype


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_bytes_to_half_floats(dtype):
    x = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    expected = (x.astype(np.float32) * np.float32(1 / 255)).astype(jnp.dtype(dtype))
    np.testing.assert_array_equal(F.to_dtype(x, dtype, scale=True), expected)
    np.testing.assert_array_equal(F.to_dtype(jnp.asarray(x), dtype, scale=True), expected)
    back = F.to_dtype(expected.astype(np.float32), "uint8", scale=True)
    assert np.abs(back.astype(int) - x).max() <= 1
    assert F.to_dtype(jnp.ones((1, 1, 1), dtype), "uint8", scale=True).item() == 255


@settings(deadline=None)
@given(value=st.floats(-2, 3))
def test_values_beyond_the_range_go_to_its_ends(value):
    x = np.full((1, 1, 1), value, np.float32)
    expected = int(np.clip(np.float32(value) * np.float32(255.999), 0, 255))
    assert F.to_dtype(x, np.uint8, scale=True).item() == expected
    assert F.to_dtype(jnp.asarray(x), np.uint8, scale=True).item() == expected


def test_booleans():
    x = np.array([[[True], [False]]])
    np.testing.assert_array_equal(F.to_dtype(x, "float32", scale=True), [[[1.0], [0.0]]])
    with pytest.raises(TypeError, match="knows no range of values for bool"):
        F.to_dtype(x, "uint8", scale=True)


def test_sixty_four_bits_need_x64():
    with pytest.raises(ValueError, match="jax has no float64 by default"):
        F.to_dtype(jnp.asarray(PIXELS), "float64", scale=True)
    with jax.enable_x64(True):
        assert F.to_dtype(jnp.asarray(PIXELS), "float64", scale=True).dtype == np.float64


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: transforms.ToDtype(jnp.float32)(PICTURE), TypeError, r"got a PIL image: put ToImage\(\) before it"),
        (lambda: transforms.Normalize([0.5], [0.5])(PICTURE), TypeError, r"put ToImage\(\) before it"),
        (lambda: transforms.Normalize([0.5], [0.5])(PIXELS), TypeError, r"got uint8: put ToDtype\(jnp.float32, scale"),
        (lambda: F.normalize(np.ones((2, 2, 1)), [0.5], [0.0]), ValueError, "has a zero in float64"),
        (lambda: F.normalize(np.ones((2, 2, 1)), [[0.5]], [1.0]), ValueError, "mean="),
        (lambda: transforms.ToDtype("float31"), TypeError, "float31"),
        (lambda: F.to_pil_image(PICTURE), TypeError, "to_pil_image"),
        (lambda: F.to_pil_image(np.zeros((2, 2, 2, 3))), ValueError, "1 to 4 channels"),
        (lambda: F.to_pil_image(np.zeros((2, 2, 5))), ValueError, "1 to 4 channels"),
        (lambda: F.to_pil_image(np.zeros((2, 2, 3), np.int32)), TypeError, "no mode for 3 channels of int32"),
        (lambda: F.to_pil_image(np.zeros((2, 2, 1), np.int64)), TypeError, "no mode for 1 channels of int64"),
        (lambda: F.to_pil_image(PIXELS, "RGBA"), ValueError, "mode='RGBA' does not fit 3 channels"),
    ],
)
def test_what_cannot_be_converted_is_an_error(call, error, message):
    with pytest.raises(error, match=message):
        call()


def test_presets_follow_their_options():
    train = transforms.presets.ImageClassificationTrain(crop_size=(6, 8), hflip_prob=1.0)
    image, label = train((PICTURE, 3), key=0)
    assert (image.shape, image.dtype, label) == ((6, 8, 3), np.float32, 3)
    assert train.transforms[1].p == 1.0
    images = jnp.asarray(np.stack([PIXELS] * 4))
    batch = jax.jit(lambda images, key: train.batch(images, key=key))(images, jax.random.key(0))
    assert batch.shape == (4, 6, 8, 3)
    assert jnp.isfinite(batch).all()
    evaluate = transforms.presets.ImageClassification(crop_size=6, resize_size=(7, 9), interpolation="bicubic")
    assert evaluate(PICTURE).shape == (6, 6, 3)
    with pytest.raises(TypeError, match="crop_size"):
        transforms.presets.ImageClassification()
