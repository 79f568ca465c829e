"""PIL images of every mode: kernels keep mode, palette, its alpha, and `info`."""

import numpy as np
import PIL.Image
import pytest

from funcvision.vision import transforms
from funcvision.vision.transforms import functional as F

NOISE = PIL.Image.fromarray(np.random.default_rng(0).integers(0, 256, (5, 7, 4), np.uint8))
PAD = (2, 1, 3, 4)


def with_palette(kind):
    """An image with a palette of 16 colours: with alpha in the palette, in a band, or in `info`."""
    if kind == "P, alpha in the palette":
        return NOISE.quantize(16)
    if kind == "PA":
        return NOISE.convert("RGB").quantize(16).convert("PA")
    image = NOISE.convert("RGB").quantize(16)
    if kind == "P, one transparent colour":
        image.info["transparency"] = 3
    return image


KINDS = ["P", "P, one transparent colour", "P, alpha in the palette", "PA"]


def picture(image):
    return np.asarray(image.convert("RGBA"))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("padding_mode", ["constant", "edge", "reflect", "symmetric"])
def test_pad_keeps_the_palette(kind, padding_mode):
    image = with_palette(kind)
    padded = F.pad(image, PAD, padding_mode=padding_mode)
    assert padded.mode == image.mode
    assert padded.size == (12, 10)
    assert padded.info == image.info
    expected = picture(image)
    np.testing.assert_array_equal(picture(padded)[1:6, 2:9], expected)
    assert len(np.unique(expected.reshape(-1, 4), axis=0)) > 9, "the palette is not trivial"
    if padding_mode != "constant":
        widths = ((1, 4), (2, 3), (0, 0))
        np.testing.assert_array_equal(picture(padded), np.pad(expected, widths, mode=padding_mode))
    image.putpalette([0, 0, 0] * 256)
    np.testing.assert_array_equal(picture(padded)[1:6, 2:9], expected, "the palette is a copy")


def test_the_fill_of_a_palette_image_is_an_index():
    image = with_palette("P")
    border = picture(F.pad(image, 1, 5))[0, 0, :3]
    np.testing.assert_array_equal(border, image.getpalette()[15:18])
    np.testing.assert_array_equal(np.asarray(F.pad(with_palette("PA"), 1, (5, 77)))[0, 0], [5, 77])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("interpolation", ["nearest", "bilinear", "lanczos"])
def test_other_kernels_keep_the_palette(kind, interpolation):
    image = with_palette(kind)
    expected = picture(image)
    np.testing.assert_array_equal(picture(F.hflip(image)), expected[:, ::-1])
    np.testing.assert_array_equal(picture(F.vflip(image)), expected[::-1])
    np.testing.assert_array_equal(picture(F.crop(image, 1, 2, 3, 4)), expected[1:4, 2:6])
    np.testing.assert_array_equal(picture(F.resize(image, (10, 14), interpolation)), expected.repeat(2, 0).repeat(2, 1))
    crop = transforms.RandomCrop(4, padding=3, padding_mode="edge")(image, key=0)
    assert crop.mode == image.mode
    colours = {tuple(colour) for colour in expected.reshape(-1, 4).tolist()}
    assert {tuple(colour) for colour in picture(crop).reshape(-1, 4).tolist()} <= colours


def test_bool_becomes_mode_1_and_comes_back():
    array = np.random.default_rng(0).random((5, 9)) > 0.5
    for image in (array, array[..., None]):
        found = F.to_pil_image(image)
        assert (found.mode, found.size) == ("1", (9, 5))
        np.testing.assert_array_equal(np.asarray(found.convert("L")), array * np.uint8(255))
        np.testing.assert_array_equal(F.to_image(found), array[..., None], strict=True)
        assert F.to_pil_image(image, "1").tobytes() == found.tobytes()
    with pytest.raises(TypeError, match="Pillow has no mode for 3 channels of bool"):
        F.to_pil_image(np.ones((2, 2, 3), bool))
    with pytest.raises(ValueError, match="mode='L' does not fit 1 channels of bool"):
        F.to_pil_image(array, "L")
