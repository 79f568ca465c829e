"""`grid_sample` and `affine_grid` against torch: values and gradients."""

import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as TF

from funcvision import functional as F
from tests.parity.reference import assert_close, assert_same_with_gradients, nchw, nhwc, random, same

SHAPES = {2: ((3, 5, 7, 2), (3, 4, 6, 2)), 3: ((2, 3, 5, 4, 2), (2, 2, 3, 4, 3))}
OPTIONS = list(itertools.product(["zeros", "border", "reflection"], [False, True]))


def grid(seed, *shape):
    """Places inside, outside, far outside and on the border."""
    places = random(seed, *shape, low=-2.7, high=2.7)
    places.reshape(-1)[:4] = (-1, 1, 9.3, -40)
    return places


def compare(images, places, **options):
    assert_same_with_gradients(
        lambda x, g: F.grid_sample(x, g, **options), lambda x, g: TF.grid_sample(x, g, **options), [images, places],
        to_torch=[nchw, same], from_torch=[nhwc, lambda x: x.detach().numpy()], rtol=2e-5,
    )


@pytest.mark.parametrize(("padding_mode", "align_corners"), OPTIONS)
@pytest.mark.parametrize(("mode", "axes"), [
    ("bilinear", 2), ("nearest", 2), ("bicubic", 2), ("bilinear", 3), ("nearest", 3)
])  # fmt: skip
def test_grid_sample(mode, axes, padding_mode, align_corners):
    image, places = SHAPES[axes]
    options = {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners}
    compare(random(0, *image), grid(1, *places), **options)


@pytest.mark.parametrize(("padding_mode", "align_corners"), OPTIONS)
@pytest.mark.parametrize("mode", ["bilinear", "nearest"])  # bicubic's gradients by places are rounding errors
def test_images_of_one_pixel(mode, padding_mode, align_corners):
    options = {"mode": mode, "padding_mode": padding_mode, "align_corners": align_corners}
    compare(random(0, 1, 1, 1, 3), grid(1, 1, 3, 3, 2), **options)


@pytest.mark.parametrize("padding_mode", ["zeros", "border", "reflection"])
def test_half_pixels_round_to_even(padding_mode):
    """In the middle between two pixels."""
    places = np.zeros((1, 1, 6, 2), np.float32)
    places[0, 0, :, 0] = (np.arange(6) * 2 - 5) / 5  # with aligned corners: 0, 1, ..., 5
    places[0, 0, :, 0] += 1 / 5
    images = random(0, 1, 1, 6, 1)
    options = {"mode": "nearest", "padding_mode": padding_mode, "align_corners": True}
    theirs = TF.grid_sample(nchw(images), torch.from_numpy(places), **options)
    np.testing.assert_array_equal(F.grid_sample(images, places, **options), nhwc(theirs))


def test_nan_is_the_first_pixel():
    places = np.full((1, 1, 1, 2), np.nan, np.float32)
    images = random(0, 1, 3, 3, 1)
    options = {"padding_mode": "border", "align_corners": True}
    assert float(F.grid_sample(images, places, **options)[0, 0, 0, 0]) == images[0, 0, 0, 0]


@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize(("shape", "size"), [((2, 2, 3), (2, 4, 5, 3)), ((2, 3, 4), (2, 3, 4, 2, 2))])
def test_affine_grid(shape, size, align_corners):
    first = (size[0], size[-1], *size[1:-1])
    assert_same_with_gradients(
        lambda theta: F.affine_grid(theta, size, align_corners),
        lambda theta: TF.affine_grid(theta, first, align_corners), [random(0, *shape)],
        to_torch=[same], from_torch=[lambda x: x.detach().numpy()], out=lambda x: x.detach().numpy(),
    )


def test_half_precision_is_computed_in_float32():
    images, places = random(0, 1, 6, 6, 4), random(1, 1, 3, 3, 2, low=-1, high=1)
    half = F.grid_sample(images.astype(np.float16), places.astype(np.float16))
    assert half.dtype == np.float16
    whole = F.grid_sample(images.astype(np.float16).astype(np.float32), places.astype(np.float16).astype(np.float32))
    assert_close(half.astype(np.float32), np.asarray(whole), rtol=1e-3)


@pytest.mark.parametrize(("call", "message"), [
    (lambda: F.grid_sample(random(0, 1, 4, 4, 2), random(0, 1, 3, 3, 3)), "got .1, 4, 4, 2. and .1, 3, 3, 3."),
    (lambda: F.grid_sample(random(0, 1, 4, 4, 2), random(0, 2, 3, 3, 2)), "grid_sample takes images"),
    (lambda: F.grid_sample(random(0, 1, 4, 4, 2), random(0, 1, 3, 3, 2), mode="linear"), "mode='linear' is none of"),
    (lambda: F.grid_sample(random(0, 1, 4, 4, 2), random(0, 1, 3, 3, 2), padding_mode="wrap"), "padding_mode='wrap'"),
    (lambda: F.grid_sample(random(0, 1, 2, 4, 4, 2), random(0, 1, 2, 3, 3, 3), mode="bicubic"), "is for images"),
    (lambda: F.affine_grid(random(0, 1, 2, 3), (2, 4, 4, 3)), "affine_grid takes theta"),
])  # fmt: skip
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_integers_are_refused():
    with pytest.raises(TypeError, match="grid_sample takes floats; input is uint8"):
        F.grid_sample(np.zeros((1, 2, 2, 1), np.uint8), np.zeros((1, 1, 1, 2), np.float32))
